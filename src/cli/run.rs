//! `dslc run FILE`: train, test, and leave a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::cli::folder::{self, Record};
use crate::cli::load::{self, Loaded};
use crate::cli::out::{err, out};
use crate::cli::progress::{Follower, Screen};
use crate::cli::scores::{classes_json, confusion_json, report_text};
use crate::cli::table::{bytes, duration, plural, short, speed};
use crate::cli::{Stop, batch, devices, summary};
use crate::data::Dataset;
use crate::diag::{Diagnostic, codes};
use crate::experiment::disk::RECORD;
use crate::experiment::expect::Expectation;
use crate::experiment::figures::{Figures, figures};
use crate::run::{Precision, precision_on};
use crate::tensor::Device;
use crate::tensor::device::Choice;
use crate::train::checkpoint::write_atomically;
use crate::train::metrics::Evaluation;
use crate::train::programs::Sizes;
use crate::train::trainer::{self, Ended, Job, Outcome};

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` file with `model`, `data` and `train`
    file: PathBuf,
    /// Override a setting by its path, such as `train.epochs=1`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// The folder for weights and measurements, instead of runs/NAME-N
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where to run: cpu, cuda, cuda:N, metal, or auto for the best that is there
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Choice,
    /// End with one JSON line on standard output, and print nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let loaded = load::load_whole(&options.file, &options.settings, &["model", "data", "train"])?;
    let experiment = &loaded.experiment;
    let (Some(model), Some(data), Some(training)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        return Err(Stop::Findings);
    };
    let (device, _) = devices::open(options.device)?;
    let dataset = loaded.dataset(data)?;
    let batch = batch::chosen(&loaded, model, training, Sizes::new(data, &dataset)?, &device)?;
    let figures = figures(model, &loaded.sources, Some((training, batch)))?;
    let job = Job { model, data, train: training, batch: batch.images, device: &device };
    let prepared = trainer::prepare(job, &dataset).map_err(|fault| match fault.code {
        codes::BATCH_OF_ONE => {
            loaded.print_at(&fault, data.source_span);
            Stop::Findings
        }
        _ => fault.into(),
    })?;

    let folder = folder::create(options.out.as_deref(), &loaded.stem())?;
    let source = loaded.resolved(Some(batch));
    record(&loaded, options, &folder, &source)?;
    let precision = precision_line(&device, training.precision);
    let head = head(&loaded, &dataset, &figures, prepared.bytes()?) + &precision;
    err(&format!("{head}\nfolder {}\n", folder.display()));

    let mut follower = Follower::new(&folder, &model.name, &source, training.epochs)?;
    let interrupt = Arc::new(AtomicBool::new(false));
    stop_on_signals(Arc::clone(&interrupt), follower.screen())?;
    let trained = prepared.train(&interrupt, &mut follower);
    follower.screen().clear();
    let (_, outcome) = match trained {
        Err(fault) if fault.code == codes::TRAINING_NEEDS => {
            loaded.print_at(&fault, training.optimizer.span);
            return Err(Stop::Findings);
        }
        trained => trained?,
    };
    let report = report(&folder, &job, &dataset, &outcome);
    let mut event = report.clone();
    event["event"] = json!("end");
    follower.record(&event)?;
    let ending = ending(&outcome, &dataset.classes, training.epochs);
    let text = format!("{head}\n\n{}\n\n{ending}\n", summary::text(&figures));
    write_atomically(&folder.join(folder::SUMMARY), text.as_bytes())?;
    match options.json {
        true => out(&report.to_string())?,
        false => out(&format!("\n{ending}\nweights and measurements in {}", folder.display()))?,
    }
    if outcome.ended == Ended::Interrupted {
        return Err(Stop::Interrupted);
    }
    let measured = experiment.expect.iter().filter(|expectation| !expectation.fixed);
    let judge = |expectation: &Expectation| expectation.judge(report[expectation.quantity].as_f64()?);
    let broken: Vec<Diagnostic> = measured.filter_map(judge).collect();
    load::print(&loaded.sources, &broken);
    if broken.is_empty() { Ok(()) } else { Err(Stop::Findings) }
}

/// Writes what was asked for: the record, and the file with every default filled in.
fn record(loaded: &Loaded, options: &Options, folder: &Path, source: &str) -> Result<(), Stop> {
    let base = std::fs::canonicalize(loaded.base()).unwrap_or(loaded.base());
    let resolved = format!(
        "# {} with every setting and default, by dslc {}. Paths in it are relative to\n# {}\n\n{source}",
        options.file.display(),
        env!("CARGO_PKG_VERSION"),
        base.display(),
    );
    let record =
        Record { file: options.file.display().to_string(), base, settings: options.settings.clone() };
    let mut record = serde_json::to_vec_pretty(&record).map_err(|e| Stop::Environment(e.to_string()))?;
    record.push(b'\n');
    write_atomically(&folder.join(RECORD), &record)?;
    write_atomically(&folder.join(format!("{}.net", loaded.stem())), resolved.as_bytes())?;
    Ok(())
}

/// The first Ctrl-C (or SIGTERM) asks for an orderly end, the second ends at once.
fn stop_on_signals(interrupt: Arc<AtomicBool>, screen: Screen) -> Result<(), Stop> {
    let handler = move || {
        if interrupt.swap(true, Ordering::Relaxed) {
            screen.clear();
            std::process::exit(130);
        }
        screen.line("stopping after this step, then testing; once more to stop at once");
    };
    ctrlc::set_handler(handler)
        .map_err(|e| Stop::Environment(format!("error: signals cannot be caught: {e}")))
}

fn report(folder: &Path, job: &Job<'_>, dataset: &Dataset, outcome: &Outcome) -> serde_json::Value {
    let (last, test) = (outcome.epochs.last(), &outcome.test);
    json!({
        "run": folder.display().to_string(),
        "model": job.model.name,
        "parameters": job.model.n_parameters(),
        "batch": job.batch,
        "epochs": outcome.epochs.len(),
        "steps": outcome.steps,
        "ended": match outcome.ended {
            Ended::Complete => "complete",
            Ended::Early => "early_stop",
            Ended::Interrupted => "interrupted",
        },
        "train.loss": last.map(|e| e.train_loss),
        "train.accuracy": last.and_then(|e| e.train_accuracy),
        "validation.loss": last.and_then(|e| e.validation.as_ref()).map(|v| v.loss),
        "validation.accuracy": last.and_then(|e| e.validation.as_ref()).and_then(Evaluation::accuracy),
        "train.seconds": outcome.seconds,
        "train.images_per_second": outcome.images_per_second,
        "test.epoch": outcome.tested,
        "test.images": test.images,
        "test.loss": test.loss,
        "test.accuracy": test.accuracy(),
        "test.classes": classes_json(test, &dataset.classes),
        "test.confusion": confusion_json(test),
    })
}

fn head(loaded: &Loaded, dataset: &Dataset, figures: &Figures, memory: u64) -> String {
    let (parameters, flops) = figures.totals();
    let batch = match (figures.batch, figures.batch_bound) {
        (Some(images), Some(bound)) => {
            let images = plural(images as u64, "image", "images");
            format!("batch  {images}, chosen {bound}\n")
        }
        _ => String::new(),
    };
    format!(
        "model  {} ({}): {}, {} FLOPs an image\ndata   {} and {}, {} classes\n{batch}memory {} planned",
        loaded.experiment.model.as_ref().map_or("", |m| m.name.as_str()),
        loaded.path.display(),
        plural(parameters, "parameter", "parameters"),
        short(flops),
        plural(dataset.train.len() as u64, "training image", "training images"),
        plural(dataset.test.len() as u64, "test image", "test images"),
        dataset.classes.len(),
        bytes(memory),
    )
}

/// What is told of a precision that a device does not have.
fn precision_line(device: &Device, asked: Precision) -> String {
    match precision_on(device, asked) {
        found if found == asked => String::new(),
        found => format!("\nprecision {}: {} is for CUDA devices", found.name(), asked.name()),
    }
}

/// Per-class scores, confusions and the totals.
fn ending(outcome: &Outcome, classes: &[String], epochs: usize) -> String {
    let done = outcome.epochs.len();
    let ended = match outcome.ended {
        Ended::Complete => format!("trained {}", plural(done as u64, "epoch", "epochs")),
        Ended::Early => {
            format!("stopped early after epoch {done} of {epochs}, as `early_stop` says; trained")
        }
        Ended::Interrupted => format!("interrupted in epoch {done} of {epochs}; trained"),
    };
    let tested = match outcome.tested < done {
        true => {
            format!("\ntested the weights of epoch {}, the best on the validation images", outcome.tested)
        }
        false => String::new(),
    };
    let seconds = duration(outcome.seconds);
    format!(
        "{}{tested}\n{ended} in {seconds} ({})",
        report_text(&outcome.test, classes),
        speed(outcome.images_per_second),
    )
}
