//! `schedule one_cycle`: up and down once (Smith and Topin, 2018).

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::schedules::{Progress, Schedule, WARMUP, half_cosine};

pub struct OneCycle;

static SPEC: Spec = Spec {
    name: "one_cycle",
    summary: "the learning rate rises, and falls to almost nothing, once",
    docs: "From `lr / divide` up to `lr` in the `rise` share of the run, then down to `lr / divide / divide_end`, both along half a cosine. As PyTorch's OneCycleLR without its cycle of momentum.",
    params: &[
        keyword(
            "rise",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(0.3),
            "the share of the run in which the learning rate rises",
        ),
        keyword(
            "divide",
            Kind::Number { min: 1.0, max: 1e9 },
            Preset::Number(25.0),
            "how many times smaller it begins",
        ),
        keyword(
            "divide_end",
            Kind::Number { min: 1.0, max: 1e9 },
            Preset::Number(1e4),
            "how many times smaller than at the beginning it ends",
        ),
        WARMUP,
    ],
    example: "schedule one_cycle rise=0.2",
    elsewhere: &["OneCycleLR", "onecycle", "1cycle"],
};

impl Schedule for OneCycle {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, start: u64) -> Result<f64, Fault> {
        let first = 1.0 / args.number("divide")?;
        let last = first / args.number("divide_end")?;
        let length = progress.total.saturating_sub(start) as f64;
        let (step, top) = ((progress.step - start) as f64, args.number("rise")? * length - 1.0);
        let (from, to, share) = match step <= top {
            true => (first, 1.0, step / top.max(f64::MIN_POSITIVE)),
            false => (1.0, last, (step - top) / (length - 1.0 - top).max(f64::MIN_POSITIVE)),
        };
        Ok(half_cosine(from, to, share))
    }
}
