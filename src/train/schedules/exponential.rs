//! `schedule exponential`: the learning rate falls by a factor every epoch.

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::schedules::{Progress, Schedule, WARMUP};

pub struct Exponential;

static SPEC: Spec = Spec {
    name: "exponential",
    summary: "the learning rate falls by a factor every epoch",
    docs: "`lr gamma^k` in the epoch with the number `k`, from 0. As PyTorch's ExponentialLR.",
    params: &[
        keyword("gamma", Kind::Number { min: 0.0, max: 1.0 }, Preset::Required, "the factor of an epoch"),
        WARMUP,
    ],
    example: "schedule exponential gamma=0.95",
    elsewhere: &["ExponentialLR", "exponential_decay", "ExponentialDecay"],
};

impl Schedule for Exponential {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, _start: u64) -> Result<f64, Fault> {
        let epoch = progress.step / progress.steps_per_epoch.max(1);
        Ok(args.number("gamma")?.powi(epoch.min(i32::MAX as u64) as i32))
    }
}
