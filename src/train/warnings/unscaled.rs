//! Images that reach the model far from a mean of 0 and a spread of 1.

use crate::diag::codes;
use crate::train::warnings::{Warning, Watched, warning};

pub const CODE: &str = codes::UNSCALED;

/// Means and spreads beyond this are far off; bytes as they are have a spread of some 70.
const LARGE: f64 = 5.0;
/// A spread below this tells the model next to nothing; bytes that were divided twice have some 0.001.
const SMALL: f64 = 0.02;

pub fn judge(watched: &Watched<'_>) -> Option<Warning> {
    let inputs = watched.inputs?;
    let is_far = inputs.mean.abs() > LARGE || inputs.spread > LARGE || inputs.spread < SMALL;
    let message = format!(
        "the images reach the model with a mean of {:.4} and a spread of {:.4}; models learn best near 0 and 1",
        inputs.mean, inputs.spread
    );
    is_far.then(|| {
        warning(codes::UNSCALED, message).advise(
            "`normalize auto` in `data`; if there is a `normalize` already, its numbers are those of other images",
        )
    })
}
