//! A training that broke → the states in front of the step that broke it: it is trained again from where its states are
//! known, to the same bits, and looked at after each step.

use std::sync::atomic::AtomicBool;

use crate::diag::Fault;
use crate::run::{Backend, Cpu, Session};
use crate::train::checkpoint::{Snapshot, States};
use crate::train::prepared::Prepared;
use crate::train::program::training_graph;
use crate::train::progress::Progress;
use crate::train::trainer::{Epoch, Job, Observer, Start, StepDone};

/// A step whose loss is no number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Broken {
    /// Counted from 1.
    pub epoch: usize,
    /// Images of the epoch in front of the step's batch; all of them where its validation broke.
    pub first: usize,
}

/// Where a training stood in front of a step.
pub struct Before {
    pub progress: Progress,
    pub states: Snapshot,
}

/// Whether every number of every state is finite.
pub fn is_finite(session: &impl States) -> Result<bool, Fault> {
    for state in session.states() {
        if !session.read_state(&state.name)?.iter().all(|number| number.is_finite()) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Prepared<'_> {
    /// Trains again until the step that left a state without all its numbers, or else up to the broken one.
    pub fn replay(self, start: Option<Start<'_>>, broken: Broken) -> Result<Before, Fault> {
        let Job { model, train, batch, .. } = self.course.job;
        let graph = training_graph(model, train, batch)?;
        let mut session = Cpu.compile(vec![graph])?.start(train.seed)?;
        if let Some(start) = &start {
            start.weights.load_whole(&mut session)?;
        }
        let progress = start.as_ref().map(|start| start.progress.clone()).unwrap_or_default();
        let before = Before { progress, states: Snapshot::of(&session)? };
        if is_at(&before.progress, broken) {
            return Ok(before);
        }
        let mut watch = Watch { broken, before, found: Found::No };
        let trained = self.train(start, &AtomicBool::new(false), &mut watch);
        match (watch.found, trained) {
            (Found::Yes, _) => Ok(watch.before),
            (Found::No, Err(fault)) => Err(fault),
            (Found::No, Ok(_)) => Err(Fault::internal("a training that broke does not break again")),
        }
    }
}

fn is_at(progress: &Progress, broken: Broken) -> bool {
    let images = progress.begun.as_ref().map_or(0, |begun| begun.images);
    progress.epochs + 1 == broken.epoch && images == broken.first
}

enum Found {
    Yes,
    No,
}

struct Watch {
    broken: Broken,
    /// The last step's states, all of whose numbers are finite.
    before: Before,
    found: Found,
}

impl Watch {
    /// An error ends the training.
    fn look(&mut self, progress: &Progress, session: &Session) -> Result<(), Fault> {
        if is_finite(session)? {
            self.before = Before { progress: progress.clone(), states: Snapshot::of(session)? };
            if !is_at(progress, self.broken) {
                return Ok(());
            }
        }
        self.found = Found::Yes;
        Err(Fault::internal("the step was found"))
    }
}

impl Observer for Watch {
    fn step(&mut self, _done: &StepDone) {}

    fn wants_state(&mut self) -> bool {
        true
    }

    fn state(&mut self, progress: &Progress, session: &Session) -> Result<(), Fault> {
        self.look(progress, session)
    }

    fn epoch(&mut self, _epoch: &Epoch, progress: &Progress, session: &Session) -> Result<(), Fault> {
        self.look(progress, session)
    }
}
