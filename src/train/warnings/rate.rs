//! A loss that rises from the beginning: the learning rate is too high.

use crate::diag::codes;
use crate::train::warnings::{Warning, Watched, unscaled, warning};

pub const CODE: &str = codes::RATE_TOO_HIGH;

/// A first epoch with a mean loss of so many times that of guessing has risen: a fresh model begins near it.
const ABOVE_GUESSING: f64 = 1.5;
/// A second epoch with a loss of so many times that of the first one.
const ABOVE_FIRST: f64 = 1.15;

pub fn judge(watched: &Watched<'_>) -> Option<Warning> {
    // Large inputs have large losses at first, whatever the rate.
    if watched.was_told(unscaled::CODE) {
        return None;
    }
    let message = match watched.epochs {
        [first] => {
            let guessing = watched.guessing()?;
            let rose = first.train_loss > ABOVE_GUESSING * guessing;
            let loss = first.train_loss;
            rose.then(|| {
                format!(
                    "the loss rose in the first epoch: its mean is {loss:.4}, and guessing has {guessing:.4}"
                )
            })
        }
        [first, second] => {
            let rose = first.train_loss > 0.0 && second.train_loss > ABOVE_FIRST * first.train_loss;
            rose.then(|| {
                format!(
                    "the loss rose from {:.4} in the first epoch to {:.4}",
                    first.train_loss, second.train_loss
                )
            })
        }
        _ => None,
    }?;
    let rate = watched.train.optimizer.args.number("lr").ok()?;
    Some(
        warning(codes::RATE_TOO_HIGH, message)
            .advise(format!("a smaller learning rate, such as `lr={:.0e}`", rate / 10.0))
            .advise("`schedule cosine warmup=5%`, or a `batch_norm` after each convolution"),
    )
}
