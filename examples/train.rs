//! Trains the network of a file and follows its loss.
//!
//! ```sh
//! cargo run --release --example train models/mnist.net train.epochs=1
//! ```
#![allow(clippy::print_stdout)]

use dslc::{Epoch, Follow, Options, StepDone};

/// Prints a line every 200 steps, and one an epoch.
struct Lines(usize);

impl Follow for Lines {
    fn step(&mut self, done: &StepDone) {
        self.0 += 1;
        if self.0.is_multiple_of(200) {
            println!("image {} of {}: loss {:.4}", done.images, done.epoch_images, done.loss);
        }
    }

    fn epoch(&mut self, epoch: &Epoch) {
        println!("epoch {}: loss {:.4}", epoch.number, epoch.train_loss);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "models/mnist.net".to_owned());
    let settings: Vec<String> = arguments.collect();
    let file = dslc::check(path, &settings)?;
    if !file.is_right() {
        return Err(file.report().into());
    }
    let trained = dslc::train(&file, &Options::default(), &mut Lines(0))?;
    let accuracy = trained.test.accuracy().unwrap_or_default();
    println!("test accuracy {:.2} %, weights in {}", 100.0 * accuracy, trained.folder.display());
    Ok(())
}
