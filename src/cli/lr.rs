//! `dslc lr FILE`: what the loss does at rising learning rates, and which rate that recommends.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;

use crate::cli::out::{err, out};
use crate::cli::{Stop, devices, load, plot, processes, progress, signals};
use crate::diag::Fault;
use crate::experiment::Experiment;
use crate::runs::train::Signals;
use crate::tensor::device::Choice;
use crate::train::auto_batch;
use crate::train::prepared::prepare;
use crate::train::programs::Sizes;
use crate::train::range::Range;
use crate::train::trainer::Job;

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` file with `model`, `data` and `train`
    file: PathBuf,
    /// Override a setting by its path, such as `train.batch=128`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// The first learning rate
    #[arg(long, default_value_t = 1e-6, value_parser = rate)]
    from: f64,
    /// The last learning rate
    #[arg(long, default_value_t = 10.0, value_parser = rate)]
    to: f64,
    /// How many steps to take, each at a higher rate
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    steps: u32,
    /// Where to run: cpu, cuda, cuda:N, metal, or auto for the best available
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Choice,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("a learning rate is a number above 0".to_owned()),
    }
}

pub fn run(options: &Options) -> Result<(), Stop> {
    processes::refuse_several("lr")?;
    if options.from >= options.to {
        return Err(Stop::Environment("error: --from must be below --to".to_owned()));
    }
    let loaded = load::load_whole(&options.file, &options.settings, &["model", "data", "train"])?;
    let Experiment { model: Some(model), train: Some(train), .. } = &loaded.experiment else {
        return Err(Fault::internal("a file that is not whole").into());
    };
    let (device, _) = devices::open(options.device)?;
    let (data, dataset) = loaded.data()?;
    let train = &train.settled(&data);
    let batch = auto_batch::batch(model, train, Sizes::of(&dataset), &device)?.images;
    let job = Job { model, data: &data, train, batch, device: &device };
    if train.weights.is_some() {
        err("`weights` in `train` is ignored: the steps begin with fresh weights");
    }
    let prepared = prepare(job, &dataset)?;
    let signals = Arc::new(Signals::default());
    let progress = progress::Progress::new(1);
    signals::listen(&signals, &progress.screen())?;
    let range = Range { from: options.from, to: options.to, steps: options.steps as usize };
    if !options.json {
        err(&format!(
            "up to {} steps of {batch} images, from lr={:.0e} to {:.0e}",
            range.steps, range.from, range.to
        ));
    }
    let tried = prepared.range(range, &signals.stop)?;
    if signals.stop.load(Ordering::Relaxed) {
        return Err(Stop::Interrupted);
    }
    let suggested = tried.suggested();
    if options.json {
        let found = json!({
            "lr": tried.rates, "loss": tried.losses, "smoothed_loss": tried.means, "suggested": suggested,
        });
        return out(&found.to_string());
    }
    let (Some(first), Some(last)) = (tried.rates.first(), tried.rates.last()) else {
        return Err(Stop::Environment("error: the loss is no number in the first step".to_owned()));
    };
    let ends = [format!("lr={first:.0e}"), format!("lr={last:.0e}")];
    // What rises far above the rest at the end would flatten the rest.
    let most = tried.means.iter().take(10).copied().fold(f64::MIN, f64::max) * 1.5;
    let shown: Vec<f64> = tried.means.iter().map(|mean| mean.min(most)).collect();
    let picture = plot::curve(&shown, &|loss| format!("{loss:.3}"), [&ends[0], &ends[1]]);
    let advice = match suggested {
        Some(lr) => format!(
            "suggested: lr={lr:.1e}, in the middle of the longest fall of the loss\n           dslc run {} --set train.optimizer.lr={lr:.1e}",
            options.file.display()
        ),
        None => "the loss does not fall at any of these rates: check data and model, or try more --steps"
            .to_owned(),
    };
    out(&format!("loss, smoothed, at rising learning rates\n\n{picture}\n{advice}"))
}
