//! `schedule polynomial`: the learning rate falls to an end as a power of what is left.

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::schedules::{FINAL, Progress, Schedule, WARMUP};

pub struct Polynomial;

static SPEC: Spec = Spec {
    name: "polynomial",
    summary: "the learning rate falls along a power of what is left of the run",
    docs: "`final + (1 - final) (1 - t)^power` with `t` from 0 after the warm-up to 1 at the end. As PyTorch's PolynomialLR, step by step.",
    params: &[
        keyword("power", Kind::Number { min: 0.0, max: 100.0 }, Preset::Number(1.0), "1 is a straight line"),
        FINAL,
        WARMUP,
    ],
    example: "schedule polynomial power=0.9",
    elsewhere: &["PolynomialLR", "poly", "polynomial_decay", "PolynomialDecay"],
};

impl Schedule for Polynomial {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, start: u64) -> Result<f64, Fault> {
        let floor = args.number("final")?;
        Ok(floor + (1.0 - floor) * (1.0 - progress.share_after(start)).powf(args.number("power")?))
    }
}
