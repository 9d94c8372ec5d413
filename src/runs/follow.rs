//! A prepared training → the same training without a record, in a process that shares its work with the one that records it.

use std::sync::atomic::AtomicBool;

use crate::diag::Fault;
use crate::run::Session;
use crate::runs::resume::Stopped;
use crate::train::prepared::Prepared;
use crate::train::progress::Progress;
use crate::train::trainer::{Ended, Epoch, Observer, StepDone};

/// Trains, from the beginning or from where the run stopped. Every decision is the same as in the process that records, as each
/// is made from the same numbers.
pub fn follow(
    prepared: Prepared<'_>,
    stopped: Option<&Stopped>,
    interrupt: &AtomicBool,
) -> Result<Ended, Fault> {
    // Nobody here looks at the epochs that are over.
    let start = stopped.and_then(|stopped| stopped.start(Vec::new()));
    let (_, outcome) = prepared.train(start, interrupt, &mut Silent)?;
    Ok(outcome.ended)
}

/// Tells nobody of anything.
struct Silent;

impl Observer for Silent {
    fn step(&mut self, _done: &StepDone) {}

    fn is_due(&self) -> bool {
        false
    }

    /// They take a step, in which all must take part.
    fn wants_answers(&self) -> bool {
        true
    }

    fn epoch(&mut self, _epoch: &Epoch, _progress: &Progress, _session: &Session) -> Result<(), Fault> {
        Ok(())
    }
}
