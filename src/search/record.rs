//! `sweep.json`: what a sweep tries, and what came of it so far. With the trials' own folders, it is all that a sweep needs to
//! continue.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::diag::{Fault, codes};
use crate::door::Trained;
use crate::train::checkpoint::write_atomically;
use crate::train::trainer::Epoch;

/// The record's file in the sweep's folder.
pub const SWEEP: &str = "sweep.json";
/// The page beside it.
pub const PAGE: &str = "sweep.html";
/// No record is longer.
const MAX_RECORD: u64 = 1 << 28;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub file: PathBuf,
    /// Overrides that every trial has.
    pub settings: Vec<String>,
    /// What is tried, as it was asked for.
    pub tries: Vec<String>,
    pub method: Method,
    /// Epochs of a whole trial.
    pub epochs: usize,
    pub trials: Vec<Trial>,
}

/// How trials are chosen, and how far each is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Every combination.
    Grid,
    Random,
    /// Random ones, the best third of which is trained on each time, three times as long.
    Halving,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its own overrides.
    pub settings: Vec<String>,
    pub state: State,
    /// Measurements on the validation images, epoch by epoch.
    pub epochs: Vec<Measured>,
    /// Of the best weights on the test images, once it has ended.
    pub test: Option<Measured>,
    pub seconds: f64,
    pub failure: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Waiting,
    /// Trained in part.
    Stopped,
    Done,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub loss: f64,
    pub accuracy: Option<f64>,
}

impl Measured {
    /// The larger, the better: accuracies, and among equal ones losses.
    fn key(&self) -> (f64, f64) {
        (self.accuracy.unwrap_or(0.0), -self.loss)
    }

    pub fn is_better(&self, other: &Measured) -> bool {
        self.key().partial_cmp(&other.key()).is_some_and(std::cmp::Ordering::is_gt)
    }
}

impl Trial {
    /// The best of the first `epochs` epochs.
    pub fn best_within(&self, epochs: usize) -> Option<Measured> {
        let own = self.epochs.iter().take(epochs).copied().filter(|own| own.loss.is_finite());
        own.reduce(|best, own| if own.is_better(&best) { own } else { best })
    }

    pub fn best(&self) -> Option<Measured> {
        self.best_within(usize::MAX)
    }

    /// Takes in what a training came to.
    pub fn take(&mut self, trained: &Trained) {
        self.epochs = trained.epochs.iter().filter_map(measured).collect();
        self.seconds = trained.epochs.iter().map(|epoch| epoch.seconds).sum();
        self.state = if trained.interrupted { State::Stopped } else { State::Done };
        let test = Measured { loss: trained.test.loss, accuracy: trained.test.accuracy() };
        self.test = (!trained.interrupted).then_some(test);
    }
}

fn measured(epoch: &Epoch) -> Option<Measured> {
    epoch.validation.as_ref().map(|score| Measured { loss: score.loss, accuracy: score.accuracy })
}

impl Record {
    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(Fault::internal)?;
        bytes.push(b'\n');
        write_atomically(&folder.join(SWEEP), &bytes)
    }

    pub fn read(folder: &Path) -> Result<Record, Fault> {
        let path = folder.join(SWEEP);
        let refuse = |e: &dyn std::fmt::Display| {
            let fault = Fault::new(codes::RUN, format!("{} cannot be read: {e}", path.display()));
            fault.advise("the folder of a sweep, such as sweeps/mnist-1")
        };
        let size = std::fs::metadata(&path).map_err(|e| refuse(&e))?.len();
        if size > MAX_RECORD {
            return Err(refuse(&"it is too large"));
        }
        let bytes = std::fs::read(&path).map_err(|e| refuse(&e))?;
        serde_json::from_slice(&bytes).map_err(|e| refuse(&e))
    }

    /// The folder of a trial.
    pub fn place(folder: &Path, number: usize) -> PathBuf {
        folder.join(format!("trial-{:03}", number + 1))
    }

    /// The trials' numbers, the best first; those without a measurement last.
    pub fn ranking(&self) -> Vec<usize> {
        self.ranking_within(usize::MAX)
    }

    /// The same by the first `epochs` epochs.
    pub fn ranking_within(&self, epochs: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..self.trials.len()).collect();
        let score = |&number: &usize| self.trials[number].best_within(epochs);
        // A stable order: of equal ones the earlier is first.
        numbers.sort_by(|a, b| match (score(a), score(b)) {
            (Some(a), Some(b)) if a.is_better(&b) => std::cmp::Ordering::Less,
            (Some(a), Some(b)) if b.is_better(&a) => std::cmp::Ordering::Greater,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        });
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::{Measured, Method, Record, Trial};

    #[test]
    fn the_best_trial_is_first_and_records_come_back() {
        let measured = |accuracy, loss| Measured { loss, accuracy: Some(accuracy) };
        let trial = |epochs: Vec<Measured>| Trial { epochs, ..Trial::default() };
        let record = Record {
            file: "n.net".into(),
            settings: Vec::new(),
            tries: vec!["a=1,2".to_owned()],
            method: Method::Halving,
            epochs: 3,
            trials: vec![
                trial(vec![measured(0.5, 1.0), measured(0.9, 0.4)]),
                trial(Vec::new()),
                trial(vec![measured(0.9, 0.3)]),
                trial(vec![measured(0.6, 0.1), measured(0.6, f64::NAN)]),
            ],
        };
        assert_eq!(record.ranking(), [2, 0, 3, 1]);
        assert_eq!(record.ranking_within(1), [2, 3, 0, 1]);
        let place = tempfile::tempdir().unwrap();
        let finite = Record { trials: record.trials[..3].to_vec(), ..record };
        finite.write(place.path()).unwrap();
        assert_eq!(Record::read(place.path()).unwrap(), finite);
    }
}
