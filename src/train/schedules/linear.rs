//! `schedule linear`: the learning rate moves along a straight line.

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::schedules::{FINAL, Progress, Schedule, WARMUP};

pub struct Linear;

static SPEC: Spec = Spec {
    name: "linear",
    summary: "the learning rate moves along a straight line to the end of the run",
    docs: "From `first` after the warm-up to `final` at the end of the run. As PyTorch's LinearLR over the whole run, step by step.",
    params: &[
        keyword(
            "first",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(1.0),
            "the fraction of `lr` at the beginning",
        ),
        FINAL,
        WARMUP,
    ],
    example: "schedule linear final=0.1",
    elsewhere: &["LinearLR", "linear_decay"],
};

impl Schedule for Linear {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, start: u64) -> Result<f64, Fault> {
        let (first, last) = (args.number("first")?, args.number("final")?);
        Ok(first + (last - first) * progress.share_after(start))
    }
}
