//! Training images that are learnt and others that are not, no better than by chance: labels that do not belong to their images.

use crate::diag::codes;
use crate::train::warnings::{Warning, Watched, warning};

pub const CODE: &str = codes::SHUFFLED_LABELS;

/// Epochs that a model has to find anything at all.
const PATIENCE: usize = 3;
/// By so much the accuracy in training is above what chance explains.
const LEARNT: f64 = 0.2;

pub fn judge(watched: &Watched<'_>) -> Option<Warning> {
    let (classes, chance) = watched.measured()?;
    let trained = watched.newest()?.train_accuracy?;
    let (part, _) = watched.evaluation?;
    let is_guessed = classes.accuracy <= chance && trained > chance + LEARNT;
    let message = format!(
        "training accuracy is {:.1} %, but {} accuracy only {:.1} %, which is chance: the labels look shuffled",
        100.0 * trained,
        part.name(),
        100.0 * classes.accuracy,
    );
    (watched.epochs.len() >= PATIENCE && is_guessed).then(|| {
        warning(codes::SHUFFLED_LABELS, message)
            .advise("look at some images with their labels: are both in the same order, and is the label's column the right one?")
            .advise("the classes of both parts must be the same, in the same order: `dslc data` lists them")
    })
}
