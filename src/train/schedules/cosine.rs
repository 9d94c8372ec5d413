//! `schedule cosine`: the learning rate falls along half a cosine (Loshchilov and Hutter, 2017).

use crate::diag::Fault;
use crate::spec::{Args, Spec};
use crate::train::schedules::{FINAL, Progress, Schedule, WARMUP, half_cosine};

pub struct Cosine;

static SPEC: Spec = Spec {
    name: "cosine",
    summary: "the learning rate falls along half a cosine to the end of the run",
    docs: "`final + (1 - final) (1 + cos(π t)) / 2` with `t` from 0 after the warm-up to 1 at the end.",
    params: &[WARMUP, FINAL],
    example: "schedule cosine warmup=5%",
    elsewhere: &["CosineAnnealingLR", "cosine_decay", "CosineDecay"],
};

impl Schedule for Cosine {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, start: u64) -> Result<f64, Fault> {
        Ok(half_cosine(1.0, args.number("final")?, progress.share_after(start)))
    }
}
