//! `schedule cosine_restarts`: half cosines, one after another (Loshchilov and Hutter, 2017).

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::schedules::{FINAL, Progress, Schedule, WARMUP, half_cosine};

pub struct CosineRestarts;

static SPEC: Spec = Spec {
    name: "cosine_restarts",
    summary: "the learning rate falls along half a cosine, again and again",
    docs: "`final + (1 - final) (1 + cos(π t)) / 2` with `t` from 0 to 1 in each cycle. The first cycle has `every` epochs, and each next one `factor` times as many. As PyTorch's CosineAnnealingWarmRestarts, step by step.",
    params: &[
        keyword("every", Kind::Count, Preset::Required, "epochs of the first cycle"),
        keyword("factor", Kind::Count, Preset::Count(1), "how many times longer each next cycle is"),
        FINAL,
        WARMUP,
    ],
    example: "schedule cosine_restarts every=10 factor=2",
    elsewhere: &["CosineAnnealingWarmRestarts", "CosineDecayRestarts", "sgdr", "SGDR"],
};

impl Schedule for CosineRestarts {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, start: u64) -> Result<f64, Fault> {
        let (every, growth) = (args.whole("every")? as u64, args.whole("factor")? as u64);
        let mut length = every.saturating_mul(progress.steps_per_epoch.max(1));
        let mut inside = progress.step - start;
        while inside >= length {
            inside = match growth {
                1 => inside % length,
                _ => inside - length,
            };
            length = length.saturating_mul(growth);
        }
        Ok(half_cosine(1.0, args.number("final")?, inside as f64 / length as f64))
    }
}
