//! `loss huber`: squared distance near the target, absolute distance far from it (Huber, 1964).

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::ops::activation::relu::RELU;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::losses::distance::{self, TARGET, difference};
use crate::train::losses::formula::Formula;
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides, Target};

pub struct Huber;

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

impl Loss for Huber {
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

    fn lower(&self, args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let difference = difference(given, formula)?;
        let distance = formula.absolute(difference)?;
        // m (|e| - m / 2) with m = min(|e|, delta)
        let beyond = formula.affine(distance, 1.0, -args.number("delta")? as f32)?;
        let beyond = formula.of(&RELU, beyond)?;
        let near = formula.subtract(distance, beyond)?;
        let half = formula.affine(near, 0.5, 0.0)?;
        let rest = formula.subtract(distance, half)?;
        let own = formula.multiply(near, rest)?;
        Ok(Losses { sums: formula.mean(own)?, weights: None })
    }
}
