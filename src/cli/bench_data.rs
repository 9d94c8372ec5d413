//! `dslc bench FILE --data`: how fast the batches of a training are made of its data, without the network.

use std::ops::ControlFlow;
use std::time::Instant;

use serde::Serialize;

use crate::cli::bench::{Options, pool};
use crate::cli::out::out;
use crate::cli::table::{bytes, plural, speed};
use crate::cli::{Stop, load};
use crate::data::loader::{Loader, Mode};
use crate::data::parts::training_order;
use crate::diag::Fault;
use crate::tensor::host;
use crate::train::feed::{Feed, InStock, Pass};
use crate::train::section::BatchSize;

/// Images of a batch where the file does not say.
const BATCH: usize = 64;

#[derive(Serialize)]
struct Figures {
    file: String,
    what: &'static str,
    batch: usize,
    threads: usize,
    /// Over all epochs, of which the last ends when the time is over.
    images_per_second: f64,
    images: usize,
    epochs: u32,
    /// Opening the data set; where images are kept, reading all of them.
    open_seconds: f64,
    /// Where images that were read are kept.
    cache: Option<String>,
    /// The most that the whole process had of the machine's memory, where the system tells (Linux).
    process_bytes: Option<u64>,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let loaded = load::load_whole(&options.file, &options.settings, &["data"])?;
    let stated = loaded.experiment.train.as_ref().map(|train| (train.batch, train.seed));
    let batch = match (options.batch, stated) {
        (Some(batch), _) => batch as usize,
        (None, Some((BatchSize::Images(images), _))) => images,
        (None, Some((BatchSize::Auto { .. }, _)) | None) => BATCH,
    };
    let seed = stated.map_or(0, |(_, seed)| seed);
    let mix = loaded.experiment.train.as_ref().and_then(|train| train.mix.as_ref());
    let (threads, pool) = pool(options)?;
    pool.install(|| {
        let begin = Instant::now();
        let (section, dataset) = loaded.data()?;
        let open_seconds = begin.elapsed().as_secs_f64();
        let feed =
            Feed { loader: Loader::new(&section, &dataset.samples)?, in_stock: InStock::No, seed, mix };
        let (mut images, mut epochs) = (0, 0);
        let begin = Instant::now();
        while epochs == 0 || begin.elapsed().as_secs_f64() < options.seconds {
            epochs += 1;
            let order = training_order(&section, &dataset, seed, epochs)?;
            let pass = Pass { order: &order, from: 0, batch, epoch: epochs, mode: Mode::Train };
            feed.made(pass, &mut |_, batch, _| {
                images += batch.len();
                let is_over = begin.elapsed().as_secs_f64() >= options.seconds;
                Ok::<_, Fault>(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
        }
        let figures = Figures {
            file: options.file.display().to_string(),
            what: "data",
            batch,
            threads,
            images_per_second: images as f64 / begin.elapsed().as_secs_f64(),
            images,
            epochs,
            open_seconds,
            cache: section.kept.place.clone(),
            process_bytes: host::resident().map(|process| process.most),
        };
        match options.json {
            true => out(&serde_json::to_string(&figures).map_err(|e| Stop::Environment(e.to_string()))?),
            false => out(&text(&figures)),
        }
    })
}

fn text(figures: &Figures) -> String {
    let process =
        figures.process_bytes.map_or(String::new(), |most| format!("; the process took {}", bytes(most)));
    format!(
        "data of {}: {} in batches of {} on {}\n{} images were made; opening the data took {:.2} s{process}{}",
        figures.file,
        speed(figures.images_per_second),
        figures.batch,
        plural(figures.threads as u64, "thread", "threads"),
        figures.images,
        figures.open_seconds,
        figures.cache.as_ref().map_or(String::new(), |place| format!("\ncache {place}")),
    )
}
