//! `dslc show FILE`: the file with every setting and default filled in, as a run records it; or the learning rate over a run as a
//! picture.

use std::path::PathBuf;

use crate::cli::out::out;
use crate::cli::{Stop, batch, load, plot};
use crate::diag::Fault;
use crate::experiment::resolved::Settled;
use crate::tensor::Device;
use crate::train::schedules::{self, Progress};
use crate::train::section::TrainSection;

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` or `.model` file
    file: PathBuf,
    /// Fill in every default
    #[arg(long, required_unless_present = "schedule")]
    resolved: bool,
    /// Draw the learning rate over the run
    #[arg(long, conflicts_with = "resolved")]
    schedule: bool,
    /// Override a setting by its path, such as `train.epochs=1`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
}

/// Steps of an epoch in the picture; the curve does not depend on them.
const STEPS: u64 = 100;

pub fn run(options: &Options) -> Result<(), Stop> {
    if options.schedule {
        let loaded = load::load_whole(&options.file, &options.settings, &["train"])?;
        let Some(train) = &loaded.experiment.train else { return Err(Stop::Findings) };
        return out(picture(train)?.trim_end());
    }
    let loaded = load::load_whole(&options.file, &options.settings, &["model"])?;
    let settled = Settled { batch: batch::of(&loaded, &Device::Cpu)?, data: None };
    out(loaded.resolved(settled).trim_end())
}

/// The learning rate, and the momentum where it moves, from the first step to the last.
fn picture(train: &TrainSection) -> Result<String, Fault> {
    let total = STEPS.saturating_mul(train.epochs as u64);
    // Enough for the columns, whatever the length.
    let n = total.min(4096);
    let places =
        (0..n).map(|i| Progress { step: i * total / n, total, steps_per_epoch: STEPS, plateau: 1.0 });
    let places: Vec<Progress> = places.collect();
    let (what, args) = (train.schedule.what, &train.schedule.args);
    let lr = train.optimizer.args.number("lr")?;
    let rates = places.iter().map(|place| Ok(lr * schedules::factor(what, args, *place)?));
    let rates = rates.collect::<Result<Vec<f64>, Fault>>()?;
    let last = format!("epoch {}", train.epochs);
    let ends = ["epoch 1", last.as_str()];
    let mut text = format!("learning rate, `schedule {}`\n\n", what.spec().name);
    text.push_str(&plot::curve(&rates, &|rate| format!("{rate:.2e}"), ends));
    if what.watches() {
        text.push_str("\nit falls where the validation loss does not: only the run tells when\n");
    }
    let momenta = places.iter().map(|place| schedules::momentum(what, args, *place));
    let momenta: Option<Vec<f64>> = momenta.collect::<Result<Option<Vec<f64>>, Fault>>()?;
    if let Some(momenta) = momenta {
        text.push_str("\nmomentum\n\n");
        text.push_str(&plot::curve(&momenta, &|momentum| format!("{momentum:.3}"), ends));
    }
    Ok(text)
}
