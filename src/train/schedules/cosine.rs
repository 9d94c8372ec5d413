//! `schedule cosine`: the learning rate falls along half a cosine (Loshchilov and Hutter, 2017).

use std::f64::consts::PI;

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::schedules::{Progress, Schedule, WARMUP};

pub struct Cosine;

static SPEC: Spec = Spec {
    name: "cosine",
    summary: "the learning rate falls along half a cosine to the end of the run",
    docs: "`final + (1 - final) (1 + cos(π t)) / 2` with `t` from 0 after the warm-up to 1 at the end.",
    params: &[
        WARMUP,
        keyword(
            "final",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(0.0),
            "the share that is left at the end",
        ),
    ],
    example: "schedule cosine warmup=5%",
    elsewhere: &["CosineAnnealingLR", "cosine_decay", "CosineDecay"],
};

impl Schedule for Cosine {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, start: u64) -> Result<f64, Fault> {
        let floor = args.number("final")?;
        Ok(floor + (1.0 - floor) * 0.5 * (1.0 + (PI * progress.share_after(start)).cos()))
    }
}
