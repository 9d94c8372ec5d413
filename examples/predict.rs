//! Classifies the pictures in files by a run's weights.
//!
//! ```sh
//! cargo run --release --example predict runs/mnist-1 seven.png
//! ```
#![allow(clippy::print_stdout)]

use dslc::{Device, Predictor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let run = arguments.next().ok_or("usage: predict RUN PICTURE…")?;
    let mut predictor = Predictor::open(run, Device::Cpu)?;
    for path in arguments {
        // The predictor takes bytes, wherever they come from: a file, a request, a camera.
        let answer = predictor.picture(&std::fs::read(&path)?)?;
        for class in answer.classes().iter().take(3) {
            println!("{path}: {} {:.2} %", class.name, 100.0 * class.probability);
        }
        for remark in &answer.remarks {
            println!("{path}: {remark}");
        }
    }
    Ok(())
}
