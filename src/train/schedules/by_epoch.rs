//! `schedule by_epoch`: factors on the learning rate, one an epoch.

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, positional};
use crate::train::schedules::{Progress, Schedule, WARMUP};

pub struct ByEpoch;

static SPEC: Spec = Spec {
    name: "by_epoch",
    summary: "the learning rate is multiplied by a number for each epoch",
    docs: "The first number applies to the first epoch, and so on; the last one applies until the end. With `lr=1` the numbers \
           are the learning rates themselves.",
    params: &[
        positional(
            "factors",
            Kind::Numbers,
            Preset::Required,
            "numbers of at least 0, such as `[0.1, 1, 1, 0.1]`",
        ),
        WARMUP,
    ],
    example: "schedule by_epoch [0.1, 1, 1, 0.1]",
    elsewhere: &["LambdaLR", "LearningRateScheduler", "MultiplicativeLR"],
};

impl Schedule for ByEpoch {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, _start: u64) -> Result<f64, Fault> {
        let factors = args.numbers("factors")?;
        let epoch = (progress.step / progress.steps_per_epoch.max(1)) as usize;
        Ok(factors.get(epoch).or(factors.last()).copied().unwrap_or(1.0))
    }
}
