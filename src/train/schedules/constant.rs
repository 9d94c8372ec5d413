//! `schedule constant`: the learning rate stays.

use crate::diag::Fault;
use crate::spec::{Args, Spec};
use crate::train::schedules::{Progress, Schedule, WARMUP};

pub struct Constant;

static SPEC: Spec = Spec {
    name: "constant",
    summary: "the learning rate stays",
    docs: "After the warm-up, if there is one.",
    params: &[WARMUP],
    example: "schedule constant",
    elsewhere: &["ConstantLR", "fixed"],
};

impl Schedule for Constant {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, _args: &Args, _progress: Progress, _start: u64) -> Result<f64, Fault> {
        Ok(1.0)
    }
}
