//! `schedule step`: the learning rate drops every few epochs.

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::schedules::{Progress, Schedule, WARMUP};

pub struct Step;

static SPEC: Spec = Spec {
    name: "step",
    summary: "the learning rate drops every few epochs",
    docs: "`lr gamma^k` after `k` times `every` epochs.",
    params: &[
        keyword("every", Kind::Count, Preset::Required, "epochs between two drops"),
        keyword("gamma", Kind::Number { min: 0.0, max: 1.0 }, Preset::Number(0.1), "the factor of a drop"),
        WARMUP,
    ],
    example: "schedule step every=10 gamma=0.5",
    elsewhere: &["StepLR", "steps", "step_decay"],
};

impl Schedule for Step {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, _start: u64) -> Result<f64, Fault> {
        let drops = progress.step / progress.steps_per_epoch.max(1) / args.whole("every")? as u64;
        Ok(args.number("gamma")?.powi(drops.min(i32::MAX as u64) as i32))
    }
}
