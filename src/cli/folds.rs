//! `dslc run FILE --folds N`: cross-validation as a table with mean and spread.

use std::sync::Arc;

use serde_json::json;

use crate::cli::out::{err, out};
use crate::cli::progress::Progress;
use crate::cli::table::{duration, loss, percent, table, thousands};
use crate::cli::{Stop, signals};
use crate::data::Dataset;
use crate::data::section::DataSection;
use crate::diag::Fault;
use crate::experiment::Experiment;
use crate::experiment::loaded::Loaded;
use crate::runs::train::Signals;
use crate::search::folds::{Fold, cross_validate, mean_and_spread};
use crate::tensor::Device;
use crate::train::auto_batch;
use crate::train::programs::Sizes;
use crate::train::trainer::Job;

/// Trains a network for each fold and prints what they come to.
pub fn run(
    loaded: &Loaded,
    data: &DataSection,
    mut dataset: Dataset,
    device: &Device,
    n: usize,
    json: bool,
) -> Result<(), Stop> {
    let Experiment { model: Some(model), train: Some(train), .. } = &loaded.experiment else {
        return Err(Fault::internal("a file that is not whole").into());
    };
    let train = &train.settled(data);
    if train.weights.is_some() {
        let message =
            "error: each fold is trained from scratch, but `weights` in `train` names weights to begin with";
        return Err(Stop::Environment(format!("{message}\n  try: leave `weights` out")));
    }
    let batch = auto_batch::batch(model, train, Sizes::of(&dataset), device)?.images;
    let job = Job { model, data, train, batch, device };
    let signals = Arc::new(Signals::default());
    signals::listen(&signals, &Progress::new(1).screen())?;
    let mut tell = |number: usize, fold: &Fold| {
        let accuracy =
            fold.accuracy.map_or_else(String::new, |accuracy| format!(" accuracy {}", percent(accuracy)));
        err(&format!(
            "fold {}/{n}  loss {}{accuracy}  {}",
            number + 1,
            loss(fold.loss),
            duration(fold.seconds)
        ));
    };
    let folds = cross_validate(job, &mut dataset, n, &signals.stop, &mut tell)?;
    let losses: Vec<f64> = folds.iter().map(|fold| fold.loss).collect();
    let accuracies: Vec<f64> = folds.iter().filter_map(|fold| fold.accuracy).collect();
    if json {
        let fold = |fold: &Fold| {
            json!({
                "train_images": fold.images[0], "images": fold.images[1], "epoch": fold.epoch, "loss": fold.loss,
                "accuracy": fold.accuracy, "seconds": fold.seconds,
            })
        };
        let both = |numbers: &[f64]| {
            let (mean, spread) = mean_and_spread(numbers);
            if numbers.is_empty() { json!(null) } else { json!({ "mean": mean, "std": spread }) }
        };
        let folds: Vec<_> = folds.iter().map(fold).collect();
        out(&json!({ "folds": folds, "loss": both(&losses), "accuracy": both(&accuracies) }).to_string())?;
    } else {
        out(&text(&folds, &losses, &accuracies))?;
    }
    if folds.len() < n { Err(Stop::Interrupted) } else { Ok(()) }
}

fn text(folds: &[Fold], losses: &[f64], accuracies: &[f64]) -> String {
    let row = |(number, fold): (usize, &Fold)| {
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
