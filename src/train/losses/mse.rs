//! `loss mse`: the mean squared distance to numbers, to an image, to the label as a one-hot vector, or to the input itself.

use crate::diag::Fault;
use crate::graph::Value;
use crate::ops::activation::square::SQUARE;
use crate::spec::{Args, Spec};
use crate::train::losses::SHARE;
use crate::train::losses::distance::{Distance, TARGET};
use crate::train::losses::formula::Formula;

pub static MSE: Distance = Distance { spec: &SPEC, cost };

static SPEC: Spec = Spec {
    name: "mse",
    summary: "mean squared distance to numbers, to an image, to the label as a one-hot vector, or to the input itself",
    docs: "The mean over all numbers of the output of `(output - target)²`. With `target=input` the target is the image as \
           it reaches the model, pixels from 0 to 1, and the output has its shape.",
    params: &[TARGET, SHARE],
    example: "loss mse",
    elsewhere: &["MSELoss", "mean_squared_error", "l2", "EuclideanLoss", "sse"],
};

fn cost(_args: &Args, difference: Value, formula: &mut Formula<'_>) -> Result<Value, Fault> {
    formula.of(&SQUARE, difference)
}
