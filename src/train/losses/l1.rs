//! `loss l1`: the mean absolute distance to numbers, to an image, to the label as a one-hot vector, or to the input itself.

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::spec::{Args, Spec};
use crate::train::losses::distance::{self, TARGET, difference};
use crate::train::losses::formula::Formula;
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides, Target};

pub struct MeanAbsoluteError;

static SPEC: Spec = Spec {
    name: "l1",
    summary: "mean absolute distance to numbers, to an image, to the label as a one-hot vector, or to the input itself",
    docs: "The mean over all numbers of the output of `|output - target|`, whose slope at 0 counts as 0, as in PyTorch. With \
           `target=input` the target is the image as it reaches the model, pixels from 0 to 1, and the output has its \
           shape.",
    params: &[TARGET, SHARE],
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

    fn takes(&self) -> &'static [Task] {
        distance::TASKS
    }

    fn check(&self, _args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        distance::check(SPEC.name, sides)
    }

    fn lower(&self, _args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let difference = difference(given, formula)?;
        let absolute = formula.absolute(difference)?;
        Ok(Losses { sums: formula.mean(absolute)?, weights: None })
    }
}
