//! Learning-rate schedules: the share of the learning rate that holds at a step. One file each.

pub mod by_epoch;
pub mod constant;
pub mod cosine;
pub mod cosine_restarts;
pub mod exponential;
pub mod linear;
pub mod multistep;
pub mod one_cycle;
pub mod plateau;
pub mod polynomial;
pub mod step;

use std::f64::consts::PI;

use crate::diag::Fault;
use crate::spec::section::Registry;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword};
use crate::train::progress::Plateau;

pub static SCHEDULES: &[&dyn Schedule] = &[
    &constant::Constant,
    &step::Step,
    &multistep::Multistep,
    &exponential::Exponential,
    &linear::Linear,
    &polynomial::Polynomial,
    &cosine::Cosine,
    &cosine_restarts::CosineRestarts,
    &one_cycle::OneCycle,
    &by_epoch::ByEpoch,
    &plateau::Plateau,
];

pub static REGISTRY: Registry = Registry {
    title: "Schedules",
    intro: "The name after `schedule`.",
    one: "schedule",
    specs: || SCHEDULES.iter().map(|schedule| schedule.spec()).collect(),
};

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub total: u64,
    pub steps_per_epoch: u64,
    /// What a schedule that watches the validation loss has come to.
    pub plateau: f64,
}

impl Progress {
    /// How much of the run from step `start` on is done: 0 to 1.
    fn share_after(self, start: u64) -> f64 {
        let length = self.total.saturating_sub(start).max(1);
        ((self.step - start) as f64 / length as f64).min(1.0)
    }
}

pub trait Schedule: Sync {
    fn spec(&self) -> &'static Spec;

    /// The factor on the learning rate behind the warm-up, which is over at `start`.
    fn factor(&self, args: &Args, progress: Progress, start: u64) -> Result<f64, Fault>;

    /// The momentum behind the warm-up, where it moves it.
    fn momentum(&self, _args: &Args, _progress: Progress, _start: u64) -> Result<Option<f64>, Fault> {
        Ok(None)
    }

    /// Whether it watches the validation loss.
    fn watches(&self) -> bool {
        false
    }

    /// Where it stands behind an epoch with this validation loss.
    fn behind(&self, _args: &Args, state: Plateau, _loss: f64) -> Result<Plateau, Fault> {
        Ok(state)
    }
}

impl std::fmt::Debug for dyn Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec().name)
    }
}

/// The parameter that every schedule has.
pub const WARMUP: Param = keyword(
    "warmup",
    Kind::Number { min: 0.0, max: 1.0 },
    Preset::Number(0.0),
    "the share of the run in which the learning rate rises from 0, such as 5%",
);

/// The parameter of those that fall towards the end.
pub const FINAL: Param = keyword(
    "final",
    Kind::Number { min: 0.0, max: 1.0 },
    Preset::Number(0.0),
    "the fraction of `lr` that is left at the end",
);

/// Half a cosine from one number to another, at a share of the way from 0 to 1.
fn half_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * share.min(1.0)).cos())
}

/// The factor on the learning rate: a straight rise during the warm-up, then the schedule's own.
pub fn factor(schedule: &dyn Schedule, args: &Args, progress: Progress) -> Result<f64, Fault> {
    let start = (args.number("warmup")? * progress.total as f64).ceil() as u64;
    if progress.step < start {
        return Ok((progress.step + 1) as f64 / start as f64);
    }
    schedule.factor(args, progress, start)
}

/// The momentum of a step, where the schedule moves it: in the warm-up that behind it.
pub fn momentum(schedule: &dyn Schedule, args: &Args, progress: Progress) -> Result<Option<f64>, Fault> {
    let start = (args.number("warmup")? * progress.total as f64).ceil() as u64;
    schedule.momentum(args, Progress { step: progress.step.max(start), ..progress }, start)
}
