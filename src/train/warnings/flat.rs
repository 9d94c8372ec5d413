//! A loss that stays that of guessing: the model learns nothing.

use crate::diag::codes;
use crate::train::warnings::{Warning, Watched, dead_units, warning};

pub const CODE: &str = codes::FLAT;

/// Epochs, all of whose losses
const PATIENCE: usize = 2;
/// are this near to that of guessing, as a part of it.
const NEAR: f64 = 0.03;

pub fn judge(watched: &Watched<'_>) -> Option<Warning> {
    let guessing = watched.guessing()?;
    // Why it learns nothing has been told.
    if watched.was_told(dead_units::CODE) || watched.epochs.len() < PATIENCE {
        return None;
    }
    let newest = watched.newest()?.train_loss;
    let is_flat = watched.epochs.iter().all(|epoch| (epoch.train_loss / guessing - 1.0).abs() < NEAR);
    let n = watched.labels.classes.iter().filter(|(_, count)| *count > 0).count();
    let message = format!(
        "the model learns nothing: the loss stays at {newest:.3}, and guessing among {n} classes has {guessing:.3}"
    );
    let rate = watched.train.optimizer.args.number("lr").ok()?;
    is_flat.then(|| {
        warning(codes::FLAT, message)
            .advise(format!(
                "another learning rate: 10 times smaller (`lr={:.0e}`), then 10 times larger",
                rate / 10.0
            ))
            .advise("look at some images with their labels: do they belong together?")
    })
}
