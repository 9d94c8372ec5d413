//! `loss mse`: the mean squared distance to numbers, to an image, to the label as a one-hot vector, or to the input itself.

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::ops::activation::square::SQUARE;
use crate::spec::{Args, Spec};
use crate::train::losses::distance::{self, TARGET, difference};
use crate::train::losses::formula::Formula;
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides, Target};

pub struct MeanSquaredError;

static SPEC: Spec = Spec {
    name: "mse",
    summary: "mean squared distance to numbers, to an image, to the label as a one-hot vector, or to the input itself",
    docs: "The mean over all numbers of the output of `(output - target)²`. With `target=input` the target is the image as \
           it reaches the model, pixels from 0 to 1, and the output has its shape.",
    params: &[TARGET, SHARE],
    example: "loss mse",
    elsewhere: &["MSELoss", "mean_squared_error", "l2", "EuclideanLoss", "sse"],
};

impl Loss for MeanSquaredError {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target(&self, args: &Args) -> Result<Target, Fault> {
        distance::target(args)
    }

    fn takes(&self) -> &'static [Task] {
        distance::TASKS
    }

    fn check(&self, _args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        distance::check(SPEC.name, sides)
    }

    fn lower(&self, _args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let difference = difference(given, formula)?;
        let square = formula.of(&SQUARE, difference)?;
        Ok(Losses { sums: formula.mean(square)?, weights: None })
    }
}
