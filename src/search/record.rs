//! `sweep.json`: what a sweep tries, and what came of it so far. With the trials' own folders, it is all that a sweep needs to
//! continue.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::diag::Fault;
use crate::door::Trained;
use crate::search::place::Kind;
use crate::train::trainer::Epoch;

/// The page beside the record.
pub const PAGE: &str = "sweep.html";
/// By how much trials become fewer and longer in successive halving.
const THIRD: usize = 3;
/// The folders of sweeps.
pub const KIND: Kind<'_> =
    Kind { name: "a sweep", within: "sweeps", record: "sweep.json", command: "dslc sweep" };

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub file: PathBuf,
    /// The file with every default filled in, as it was when the sweep began.
    pub source: String,
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

impl Method {
    /// Which trials there are, in words.
    pub fn words(self) -> &'static str {
        match self {
            Method::Grid => "every combination",
            Method::Random => "random combinations",
            Method::Halving => "random combinations, of which the best third continues each round",
        }
    }
}

/// How far some trials are trained before others are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The epochs that the rung before had; `None` for the first.
    pub before: Option<usize>,
    pub epochs: usize,
    /// How many trials are trained so far: the best of the rung before.
    pub n_best: usize,
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
        KIND.write(folder, self)
    }

    pub fn read(folder: &Path) -> Result<Record, Fault> {
        KIND.read(folder)
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

    /// The rungs in turn: one, or in successive halving several, each of which has a third of the trials for three times as long.
    pub fn rungs(&self) -> Vec<Rung> {
        let (n_trials, epochs) = (self.trials.len(), self.epochs);
        let mut n_rungs = 0u32;
        while self.method == Method::Halving && THIRD.pow(n_rungs + 1) <= n_trials.min(epochs) {
            n_rungs += 1;
        }
        let length = |i: u32| epochs.div_ceil(THIRD.pow(n_rungs - i));
        let rung = |i: u32| Rung {
            before: i.checked_sub(1).map(length),
            epochs: length(i),
            n_best: (n_trials / THIRD.pow(i)).max(1),
        };
        (0..=n_rungs).map(rung).collect()
    }

    /// The trials of a rung, by number: of the first all of them, in their own order.
    pub fn trials_of(&self, rung: &Rung) -> Vec<usize> {
        let mut numbers = match rung.before {
            None => (0..self.trials.len()).collect(),
            Some(before) => self.ranking_within(before),
        };
        numbers.truncate(rung.n_best);
        numbers
    }

    /// Whether a trial has nothing left to do up to an epoch.
    pub fn is_far(&self, number: usize, epochs: usize) -> bool {
        let trial = &self.trials[number];
        let is_over = matches!(trial.state, State::Done | State::Failed);
        is_over || trial.epochs.len() >= epochs && epochs < self.epochs
    }

    /// Whether nothing is left to do.
    pub fn is_complete(&self) -> bool {
        let is_done =
            |rung: &Rung| self.trials_of(rung).into_iter().all(|number| self.is_far(number, rung.epochs));
        self.rungs().iter().all(is_done)
    }
}

#[cfg(test)]
mod tests {
    use super::{Measured, Method, Record, State, Trial};

    fn record(method: Method, trials: Vec<Trial>, epochs: usize) -> Record {
        let (settings, tries) = (Vec::new(), vec!["a=1,2".to_owned()]);
        Record { file: "n.net".into(), source: String::new(), settings, tries, method, epochs, trials }
    }

    #[test]
    fn a_third_goes_on_for_three_times_as_long() {
        let rungs = |method, n_trials: usize, epochs| -> Vec<(usize, usize)> {
            let rungs = record(method, vec![Trial::default(); n_trials], epochs).rungs();
            assert!(rungs.windows(2).all(|two| two[1].before == Some(two[0].epochs)));
            rungs.iter().map(|rung| (rung.epochs, rung.n_best)).collect()
        };
        assert_eq!(rungs(Method::Halving, 20, 30), [(4, 20), (10, 6), (30, 2)]);
        assert_eq!(rungs(Method::Halving, 27, 9), [(1, 27), (3, 9), (9, 3)]);
        assert_eq!(rungs(Method::Halving, 2, 30), [(30, 2)]);
        assert_eq!(rungs(Method::Random, 20, 30), [(30, 20)]);
    }

    /// Six trials of four epochs: all for two epochs, and the best two of them to the end.
    #[test]
    fn halving_is_complete_when_all_of_its_best_are() {
        let losses = |n: usize| vec![Measured { loss: 1.0, accuracy: None }; n];
        let trial = |state, n| Trial { state, epochs: losses(n), ..Trial::default() };
        let mut trials = vec![trial(State::Stopped, 2); 6];
        trials[0] = trial(State::Done, 4);
        let mut halving = record(Method::Halving, trials, 4);
        assert!(!halving.is_complete(), "the second of the best is to be trained");
        halving.trials[1].state = State::Failed;
        assert!(halving.is_complete());
        halving.trials[5] = Trial::default();
        assert!(!halving.is_complete(), "one is not measured yet");
    }

    #[test]
    fn the_best_trial_is_first_and_records_come_back() {
        let measured = |accuracy, loss| Measured { loss, accuracy: Some(accuracy) };
        let trial = |epochs: Vec<Measured>| Trial { epochs, ..Trial::default() };
        let trials = vec![
            trial(vec![measured(0.5, 1.0), measured(0.9, 0.4)]),
            trial(Vec::new()),
            trial(vec![measured(0.9, 0.3)]),
            trial(vec![measured(0.6, 0.1), measured(0.6, f64::NAN)]),
        ];
        let record = record(Method::Halving, trials, 3);
        assert_eq!(record.ranking(), [2, 0, 3, 1]);
        assert_eq!(record.ranking_within(1), [2, 3, 0, 1]);
        let place = tempfile::tempdir().unwrap();
        let finite = Record { trials: record.trials[..3].to_vec(), ..record };
        finite.write(place.path()).unwrap();
        assert_eq!(Record::read(place.path()).unwrap(), finite);
    }
}
