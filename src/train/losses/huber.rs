//! `loss huber`: squared distance near the target, absolute distance far from it (Huber, 1964).

use crate::diag::Fault;
use crate::graph::Value;
use crate::ops::activation::relu::RELU;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::losses::SHARE;
use crate::train::losses::distance::{Distance, TARGET};
use crate::train::losses::formula::Formula;

pub static HUBER: Distance = Distance { spec: &SPEC, cost };

static SPEC: Spec = Spec {
    name: "huber",
    summary: "squared distance near the target, absolute distance far from it",
    docs: "The mean over all numbers of the output of `e² / 2` where `|e| <= delta`, and of `delta (|e| - delta / 2)` beyond, \
           with `e = output - target`: outliers pull less than with `mse`. Same as `HuberLoss` in PyTorch.",
    params: &[
        keyword(
            "delta",
            Kind::Number { min: 1e-6, max: 1e9 },
            Preset::Number(1.0),
            "the distance at which squared becomes absolute",
        ),
        TARGET,
        SHARE,
    ],
    example: "loss huber delta=0.5",
    elsewhere: &["HuberLoss", "SmoothL1Loss", "smooth_l1", "huber_loss"],
};

fn cost(args: &Args, difference: Value, formula: &mut Formula<'_>) -> Result<Value, Fault> {
    let distance = formula.absolute(difference)?;
    // m (|e| - m / 2) with m = min(|e|, delta)
    let beyond = formula.affine(distance, 1.0, -args.number("delta")? as f32)?;
    let beyond = formula.of(&RELU, beyond)?;
    let near = formula.subtract(distance, beyond)?;
    let half = formula.affine(near, 0.5, 0.0)?;
    let rest = formula.subtract(distance, half)?;
    formula.multiply(near, rest)
}
