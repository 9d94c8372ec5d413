//! `dslc run FILE`: train, test, and leave a folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::cli::folder::{self, Record};
use crate::cli::load::{self, Loaded};
use crate::cli::progress::Follower;
use crate::cli::table::{bytes, duration, percent, short, table, thousands};
use crate::cli::{Stop, summary};
use crate::data::Dataset;
use crate::data::section::DataSection;
use crate::experiment::resolved;
use crate::train::checkpoint::write_atomically;
use crate::train::metrics::Evaluation;
use crate::train::trainer::{Ended, Job, Outcome, train};

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
    let dataset = load_data(&loaded, data, &loaded.base())?;
    let figures = summary::figures(model, &loaded.sources, Some(training))?;
    let folder = folder::create(options.out.as_deref(), &loaded.stem())?;
    let source = resolved::text(experiment);
    let base = std::fs::canonicalize(loaded.base()).unwrap_or(loaded.base());
    let record =
        Record { file: options.file.display().to_string(), base, settings: options.settings.clone() };
    let record = serde_json::to_vec_pretty(&record).map_err(|e| Stop::Environment(e.to_string()))?;
    write_atomically(&folder.join(folder::RECORD), &record)?;
    write_atomically(&folder.join(format!("{}.net", loaded.stem())), source.as_bytes())?;
    eprintln!("{}", head(&loaded, &dataset, &figures));
    eprintln!("folder {}\n", folder.display());

    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupt);
    let handler = move || {
        // The first signal asks for an orderly end, the second ends at once.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step; once more to stop at once");
    };
    ctrlc::set_handler(handler)
        .map_err(|e| Stop::Environment(format!("error: signals cannot be caught: {e}")))?;

    let mut follower = Follower::new(&folder, &model.name, &source, training.epochs, true)?;
    let job = Job { model, data, train: training };
    let trained = train(&job, &dataset, &interrupt, &mut follower);
    follower.finish();
    let (_, outcome) = trained?;
    let test = &outcome.test;
    let report = json!({
        "run": folder.display().to_string(),
        "model": model.name,
        "parameters": model.n_parameters(),
        "epochs": outcome.epochs.len(),
        "steps": outcome.steps,
        "ended": match outcome.ended { Ended::Complete => "complete", Ended::Early => "early_stop", Ended::Interrupted => "interrupted" },
        "train.loss": outcome.epochs.last().map(|e| e.train_loss),
        "train.accuracy": outcome.epochs.last().map(|e| e.train_accuracy),
        "train.seconds": outcome.seconds,
        "train.images_per_second": outcome.images_per_second,
        "test.images": test.images,
        "test.loss": test.loss,
        "test.accuracy": test.accuracy,
        "test.classes": classes_json(test, &dataset.classes),
        "test.confusion": confusion_rows(test),
    });
    let mut event = report.clone();
    event["event"] = json!("end");
    follower.record(&event)?;
    let ending = ending(&outcome, &dataset.classes);
    let text = format!("{}\n\n{}\n\n{ending}\n", head(&loaded, &dataset, &figures), summary::text(&figures));
    write_atomically(&folder.join(folder::SUMMARY), text.as_bytes())?;
    match options.json {
        true => println!("{report}"),
        false => println!("\n{ending}\n\nweights and measurements: {}", folder.display()),
    }
    if outcome.ended == Ended::Interrupted { Err(Stop::Interrupted) } else { Ok(()) }
}

/// Opens the data; a fault is shown at the `source` line.
pub fn load_data(loaded: &Loaded, data: &DataSection, base: &std::path::Path) -> Result<Dataset, Stop> {
    let span = data.args.span("path").unwrap_or(data.source_span);
    data.source.load(&data.args, base).map_err(|fault| loaded.fault_at(&fault, span))
}

fn head(loaded: &Loaded, dataset: &Dataset, figures: &summary::Figures) -> String {
    let (parameters, flops, memory) = figures.totals();
    format!(
        "model  {} ({}): {} parameters, {} FLOPs an image\ndata   {} training and {} test images, {} classes\nmemory {} planned",
        loaded.experiment.model.as_ref().map_or("", |m| m.name.as_str()),
        loaded.path.display(),
        thousands(parameters),
        short(flops),
        thousands(dataset.train.len() as u64),
        thousands(dataset.test.len() as u64),
        dataset.classes.len(),
        bytes(memory),
    )
}

/// Per-class scores, confusions and the totals.
fn ending(outcome: &Outcome, classes: &[String]) -> String {
    let ended = match outcome.ended {
        Ended::Complete => "",
        Ended::Early => "stopped early: no better for as long as `early_stop` waits\n\n",
        Ended::Interrupted => "interrupted: these are the weights of the last step\n\n",
    };
    format!(
        "{ended}{}\n\ntest accuracy {} ({} of {} images), loss {:.4}\ntrained {} in {} ({:.0} images/s)",
        scores(&outcome.test, classes),
        percent(outcome.test.accuracy),
        thousands((outcome.test.accuracy * outcome.test.images as f64).round() as u64),
        thousands(outcome.test.images as u64),
        outcome.test.loss,
        match outcome.epochs.len() {
            1 => "1 epoch".to_owned(),
            n => format!("{n} epochs"),
        },
        duration(outcome.seconds),
        outcome.images_per_second,
    )
}

/// A row a class: precision, recall, and what its images were taken for.
pub fn scores(test: &Evaluation, classes: &[String]) -> String {
    let confusion = &test.confusion;
    let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), percent);
    let mut head = vec!["class", "precision", "recall", "images"];
    // A matrix wider than a terminal helps nobody; the JSON has it whole.
    let matrix = confusion.n_classes() <= 20;
    if matrix {
        head.push(" taken for:");
        head.extend(classes.iter().skip(1).map(String::as_str));
        head[4] = classes.first().map_or("", String::as_str);
    }
    let row = |(i, name): (usize, &String)| {
        let class = confusion.class(i);
        let mut row =
            vec![name.clone(), share(class.precision), share(class.recall), thousands(class.support)];
        if matrix {
            row.extend((0..confusion.n_classes()).map(|k| match confusion.count(i, k) {
                0 => "·".to_owned(),
                n => n.to_string(),
            }));
        }
        row
    };
    let table = table(&head, 1, classes.iter().enumerate().map(row).collect());
    if matrix {
        format!("{table}\n(right of `images`: what the class's images were taken for)")
    } else {
        table
    }
}

/// Precision, recall and support of each class.
pub fn classes_json(test: &Evaluation, classes: &[String]) -> serde_json::Value {
    let class = |(i, name): (usize, &String)| {
        let score = test.confusion.class(i);
        json!({ "class": name, "precision": score.precision, "recall": score.recall, "images": score.support })
    };
    classes.iter().enumerate().map(class).collect()
}

/// Rows are true classes, columns predicted ones.
pub fn confusion_rows(test: &Evaluation) -> Vec<Vec<u64>> {
    let n = test.confusion.n_classes();
    (0..n).map(|truth| (0..n).map(|predicted| test.confusion.count(truth, predicted)).collect()).collect()
}
