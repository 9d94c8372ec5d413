//! A training far above what it is measured on: the images are learnt by heart.

use crate::diag::codes;
use crate::train::trainer::Part;
use crate::train::warnings::{Warning, Watched, labels, warning};

pub const CODE: &str = codes::OVERFITTING;

const PATIENCE: usize = 3;
/// A gap between the accuracies that is large, and losses that are far apart.
const GAP: f64 = 0.15;
const TIMES: f64 = 3.0;
/// So far has the loss risen again since its best.
const RISEN: f64 = 1.2;

pub fn judge(watched: &Watched<'_>) -> Option<Warning> {
    if watched.was_told(labels::CODE) || watched.epochs.len() < PATIENCE {
        return None;
    }
    let newest = watched.newest()?;
    let (part, evaluation) = watched.evaluation?;
    let past = watched.epochs.iter().filter_map(|epoch| epoch.validation.as_ref()).map(|score| score.loss);
    let has_risen = match part {
        Part::Validation => evaluation.loss > RISEN * past.fold(f64::INFINITY, f64::min),
        // The best weights are tested: what could have risen has been put aside.
        Part::Test => past.count() == 0,
    };
    let is_far = evaluation.loss > TIMES * newest.train_loss.max(0.0);
    let gap = match (newest.train_accuracy, evaluation.accuracy()) {
        (Some(trained), Some(found)) => trained - found > GAP,
        _ => true,
    };
    let message = format!(
        "the model is overfitting: the training loss is {:.4}, the {} loss {:.4}",
        newest.train_loss,
        part.name(),
        evaluation.loss
    );
    (is_far && gap && has_risen).then(|| {
        warning(codes::OVERFITTING, message)
            .advise("more images, or `augment { … }` in `data`, which varies the ones you have")
            .advise("`dropout` before the last `linear`, `weight_decay`, or a smaller model")
            .advise("`early_stop patience=5` ends the run when it no longer improves")
    })
}
