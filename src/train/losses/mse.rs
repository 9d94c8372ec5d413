//! `loss mse`: the mean squared distance to the label as a one-hot vector, or to the image itself.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::ops::activation::square::SQUARE;
use crate::shape::Shape;
use crate::spec::{Args, Spec};
use crate::train::losses::distance::{self, TARGET, difference, mean};
use crate::train::losses::{Loss, Target};

pub struct MeanSquaredError;

static SPEC: Spec = Spec {
    name: "mse",
    summary: "mean squared distance to the label as a one-hot vector, or to the image itself",
    docs: "The mean over all numbers of the output of `(output - target)²`. With `target=input` the target is the image as \
           it reaches the model, pixels from 0 to 1, and the output has its shape.",
    params: &[TARGET],
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

    fn check(&self, args: &Args, output: &Shape, _last: &str) -> Result<(), Fault> {
        distance::check(SPEC.name, args, output)
    }

    fn lower(
        &self,
        args: &Args,
        output: Value,
        target: Value,
        builder: &mut Builder,
    ) -> Result<Value, Fault> {
        let difference = difference(args, output, target, builder)?;
        let square = builder.apply(&SQUARE, Attrs::new(), &[difference])?;
        mean(square, builder)
    }
}
