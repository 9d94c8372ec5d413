//! `loss l1`: the mean absolute distance to numbers, to an image, to the label as a one-hot vector, or to the input itself.

use crate::diag::Fault;
use crate::graph::Value;
use crate::spec::{Args, Spec};
use crate::train::losses::SHARE;
use crate::train::losses::distance::{Distance, TARGET};
use crate::train::losses::formula::Formula;

pub static L1: Distance = Distance { spec: &SPEC, cost };

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

fn cost(_args: &Args, difference: Value, formula: &mut Formula<'_>) -> Result<Value, Fault> {
    formula.absolute(difference)
}
