//! `dslc run FILE --folds N`: cross-validation as a table with mean and spread; `dslc resume DIR` continues it.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::cli::out::{err, out};
use crate::cli::progress::Progress;
use crate::cli::table::{duration, loss, percent, table, thousands};
use crate::cli::{Stop, devices, load, memory, signals};
use crate::data::Dataset;
use crate::data::section::DataSection;
use crate::diag::Fault;
use crate::door::check_text;
use crate::experiment::Experiment;
use crate::experiment::loaded::{Loaded, load_text};
use crate::experiment::resolved::Settled;
use crate::runs::train::Signals;
use crate::search::folds::{self, PAGE, Record, Scored, Tell, cross_validate, mean_and_spread};
use crate::search::place::{self, Place};
use crate::tensor::device::Choice;

/// How folds are trained and told.
pub struct Way<'a> {
    /// Their folder, instead of the next free one.
    pub out: Option<&'a Path>,
    pub device: Choice,
    pub json: bool,
}

/// Trains a network for each fold and prints what they come to.
pub fn run(
    loaded: &Loaded,
    data: &DataSection,
    dataset: Dataset,
    n: usize,
    way: &Way<'_>,
) -> Result<(), Stop> {
    let Experiment { train: Some(train), .. } = &loaded.experiment else {
        return Err(Fault::internal("a file that is not whole").into());
    };
    if train.weights.is_some() {
        let message =
            "error: each fold is trained from scratch, but `weights` in `train` names weights to begin with";
        return Err(Stop::Environment(format!("{message}\n  try: leave `weights` out")));
    }
    // Before a folder is made.
    crate::data::folds::divide(&dataset, n, train.seed)?;
    let record = Record {
        file: std::fs::canonicalize(&loaded.path).unwrap_or(loaded.path.clone()),
        source: loaded.resolved(Settled::default()),
        n,
    };
    let place = record.begin(way.out, &loaded.stem())?;
    go((&place, &record), (data, dataset), train.seed, way)
}

/// Continues the folds in a folder.
pub fn resume(folder: &Path, device: Option<Choice>, json: bool) -> Result<(), Stop> {
    let (place, record) = Record::reopen(folder)?;
    let loaded = load_text(&record.file, record.source.clone(), &[]);
    load::report_errors(&loaded)?;
    let seed = loaded.experiment.train.as_ref().map_or(0, |train| train.seed);
    let device = device.unwrap_or_else(|| place::device(&folds::place(folder, 0)));
    devices::open(device)?;
    let ((data, dataset), _) = memory::reading(|| loaded.data())?;
    go((&place, &record), (&data, dataset), seed, &Way { out: None, device, json })
}

fn go(
    (place, record): (&Place, &Record),
    on: (&DataSection, Dataset),
    seed: u64,
    way: &Way<'_>,
) -> Result<(), Stop> {
    let n = record.n;
    err(&format!("folder {}\n", place.folder.display()));
    let file = check_text(&record.file, record.source.clone(), &[]);
    let signals = Arc::new(Signals::default());
    signals::listen(&signals, &Progress::new(1).screen())?;
    let own = folds::Way { device: way.device, signals: &signals };
    let folds = cross_validate((place, record), &file, on, seed, &own, &mut Lines { n })?;
    let losses: Vec<f64> = folds.iter().map(|fold| fold.loss).collect();
    let accuracies: Vec<f64> = folds.iter().filter_map(|fold| fold.accuracy).collect();
    if way.json {
        let fold = |fold: &Scored| {
            json!({
                "train_images": fold.images[0], "images": fold.images[1], "epoch": fold.epoch, "loss": fold.loss,
                "accuracy": fold.accuracy, "seconds": fold.seconds,
            })
        };
        let both = |numbers: &[f64]| {
            let (mean, spread) = mean_and_spread(numbers);
            if numbers.is_empty() { json!(null) } else { json!({ "mean": mean, "std": spread }) }
        };
        let all: Vec<_> = folds.iter().map(fold).collect();
        out(&json!({ "folds": all, "loss": both(&losses), "accuracy": both(&accuracies) }).to_string())?;
    } else if !folds.is_empty() {
        let page = place.folder.join(PAGE);
        out(&format!("{}\npage: {}", text(&folds, &losses, &accuracies), page.display()))?;
    }
    if folds.len() < n {
        err(&format!("`dslc resume {}` continues from here", place.folder.display()));
        return Err(Stop::Interrupted);
    }
    Ok(())
}

/// A line a fold on standard error.
struct Lines {
    n: usize,
}

impl Tell for Lines {
    fn fold(&mut self, number: usize, fold: &Scored) {
        let accuracy =
            fold.accuracy.map_or_else(String::new, |accuracy| format!(" accuracy {}", percent(accuracy)));
        err(&format!(
            "fold {}/{}  loss {}{accuracy}  {}",
            number + 1,
            self.n,
            loss(fold.loss),
            duration(fold.seconds)
        ));
    }

    fn say(&mut self, text: &str) {
        err(text);
    }
}

fn text(folds: &[Scored], losses: &[f64], accuracies: &[f64]) -> String {
    let row = |(number, fold): (usize, &Scored)| {
        vec![
            (number + 1).to_string(),
            thousands(fold.images[0] as u64),
            thousands(fold.images[1] as u64),
            fold.epoch.to_string(),
            loss(fold.loss),
            fold.accuracy.map_or_else(String::new, percent),
            duration(fold.seconds),
        ]
    };
    let head = ["fold", "trained on", "measured on", "best epoch", "loss", "accuracy", "time"];
    let mut text = table(&head, 1, folds.iter().enumerate().map(row).collect());
    let (mean, spread) = mean_and_spread(losses);
    text.push_str(&format!("\n\nloss {} ± {}", loss(mean), loss(spread)));
    if !accuracies.is_empty() {
        let (mean, spread) = mean_and_spread(accuracies);
        text.push_str(&format!(", accuracy {} ± {}", percent(mean), percent(spread)));
    }
    text.push_str(": mean and standard deviation over the folds");
    text
}
