//! `schedule one_cycle`: up and down once (Smith and Topin, 2018).

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::schedules::{Progress, Schedule, WARMUP, half_cosine};

pub struct OneCycle;

static SPEC: Spec = Spec {
    name: "one_cycle",
    summary: "the learning rate rises, and falls to almost nothing, once",
    docs: "From `lr / divide` up to `lr` in the `rise` share of the run, then down to `lr / divide / divide_end`, both along half a cosine. As PyTorch's OneCycleLR.\n\n\
           With `cycle_momentum=true` the momentum of `sgd`, or `beta1` of `adam`, `adamw` and `lamb`, falls from `highest` to `lowest` while the learning rate rises, and comes back.",
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
            "how many times smaller than `lr` it begins",
        ),
        keyword(
            "divide_end",
            Kind::Number { min: 1.0, max: 1e9 },
            Preset::Number(1e4),
            "how many times smaller than at the beginning it ends",
        ),
        keyword(
            "cycle_momentum",
            Kind::Bool,
            Preset::Bool(false),
            "whether the momentum falls while the learning rate rises, and rises while it falls",
        ),
        keyword("highest", MOMENTUM, Preset::Number(0.95), "the momentum at the beginning and the end"),
        keyword("lowest", MOMENTUM, Preset::Number(0.85), "the momentum at the highest learning rate"),
        WARMUP,
    ],
    example: "schedule one_cycle rise=0.2",
    elsewhere: &["OneCycleLR", "onecycle", "1cycle"],
};

const MOMENTUM: Kind = Kind::Number { min: 0.0, max: 0.9999 };

impl Schedule for OneCycle {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, start: u64) -> Result<f64, Fault> {
        let first = 1.0 / args.number("divide")?;
        let last = first / args.number("divide_end")?;
        Ok(match half(args, progress, start)? {
            Half::Rise(share) => half_cosine(first, 1.0, share),
            Half::Fall(share) => half_cosine(1.0, last, share),
        })
    }

    fn momentum(&self, args: &Args, progress: Progress, start: u64) -> Result<Option<f64>, Fault> {
        if !args.bool("cycle_momentum")? {
            return Ok(None);
        }
        let (highest, lowest) = (args.number("highest")?, args.number("lowest")?);
        Ok(Some(match half(args, progress, start)? {
            Half::Rise(share) => half_cosine(highest, lowest, share),
            Half::Fall(share) => half_cosine(lowest, highest, share),
        }))
    }
}

/// A part of the cycle, and the share of it that is done.
enum Half {
    Rise(f64),
    Fall(f64),
}

fn half(args: &Args, progress: Progress, start: u64) -> Result<Half, Fault> {
    let length = progress.total.saturating_sub(start) as f64;
    let (step, top) = ((progress.step - start) as f64, args.number("rise")? * length - 1.0);
    Ok(match step <= top {
        true => Half::Rise(step / top.max(f64::MIN_POSITIVE)),
        false => Half::Fall((step - top) / (length - 1.0 - top).max(f64::MIN_POSITIVE)),
    })
}
