//! `loss l1`: the mean absolute distance to the label as a one-hot vector, or to the image itself.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::ops::activation::relu::RELU;
use crate::ops::binary::{ADD, MULTIPLY};
use crate::shape::Shape;
use crate::spec::{Args, Spec};
use crate::train::losses::distance::{self, TARGET, difference, mean};
use crate::train::losses::{Loss, Target};

pub struct MeanAbsoluteError;

static SPEC: Spec = Spec {
    name: "l1",
    summary: "mean absolute distance to the label as a one-hot vector, or to the image itself",
    docs: "The mean over all numbers of the output of `|output - target|`, whose slope at 0 counts as 0, as in PyTorch. With \
           `target=input` the target is the image as it reaches the model, pixels from 0 to 1, and the output has its \
           shape.",
    params: &[TARGET],
    example: "loss l1",
    elsewhere: &["L1Loss", "mae", "mean_absolute_error", "MeanAbsoluteError"],
};

impl Loss for MeanAbsoluteError {
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
        let minus_one = builder.scalar(-1.0);
        let opposite = builder.apply(&MULTIPLY, Attrs::new(), &[difference, minus_one])?;
        let above = builder.apply(&RELU, Attrs::new(), &[difference])?;
        let below = builder.apply(&RELU, Attrs::new(), &[opposite])?;
        let absolute = builder.apply(&ADD, Attrs::new(), &[above, below])?;
        mean(absolute, builder)
    }
}
