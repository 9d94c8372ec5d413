//! A file and settings to try → trials in folders of their own, one after another, and which did best. A sweep that was stopped
//! goes on from its record to the same end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::diag::{Fault, Severity, codes};
use crate::door::{Checked, Follow, Options, check, resume, train};
use crate::experiment::disk::RECORD;
use crate::experiment::loaded::{Loaded, load_text};
use crate::runs::folder::short;
use crate::runs::resume::stopped;
use crate::runs::train::Signals;
use crate::search::record::{Method, Record, SWEEP, State, Trial};
use crate::search::space::{self, Axis};
use crate::tensor::device::Choice;
use crate::train::trainer::{Epoch, StepDone};

/// What is asked of a new sweep.
#[derive(Clone, Debug)]
pub struct Asked {
    pub file: PathBuf,
    pub settings: Vec<String>,
    pub tries: Vec<String>,
    /// `None` is a grid where that is no more than is wanted, else random.
    pub method: Option<Method>,
    /// How many trials; `None` is all of a grid, or [`RUNS`].
    pub runs: Option<usize>,
    pub seed: u64,
    pub out: Option<PathBuf>,
}

/// Trials that are not counted otherwise.
pub const RUNS: usize = 20;
/// By how much trials become fewer and longer in successive halving.
const THIRD: usize = 3;

/// How a sweep is carried out.
pub struct Way<'a> {
    pub device: Choice,
    /// From now on.
    pub budget: Option<Duration>,
    pub signals: &'a Arc<Signals>,
}

/// Why a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Complete,
    /// Its time is over.
    Budget,
    Interrupted,
}

/// Who follows a sweep.
pub trait Watch {
    /// A trial begins or goes on, up to an epoch.
    fn begins(&mut self, _record: &Record, _number: usize, _epochs: usize) {}
    /// It has come so far.
    fn ends(&mut self, _record: &Record, _number: usize) {}
}

/// Chooses the trials, checks each, and claims a folder for them.
///
/// # Errors
/// Settings that are none; a trial that does not check; a file without validation images to compare by; a folder that is
/// taken.
pub fn begin(asked: &Asked, base: &Loaded) -> Result<(PathBuf, Record), Fault> {
    let axes: Vec<Axis> = asked.tries.iter().map(|text| space::parse(text)).collect::<Result<_, _>>()?;
    if axes.is_empty() {
        let fault = Fault::new(codes::BAD_VALUE, "a sweep needs a setting to try");
        return Err(fault.advise("`--try train.optimizer.lr=1e-4..1e-1`"));
    }
    let (Some(data), Some(training)) = (&base.experiment.data, &base.experiment.train) else {
        return Err(Fault::new(codes::MISSING_SECTION, "a sweep needs `data` and `train`"));
    };
    if data.watches() == Some(false) {
        let message = "a sweep compares trials on validation images, and `data` sets none aside";
        let fault = Fault::new(codes::TRAINING_NEEDS, message);
        return Err(fault
            .note("to choose by the test images would make their result too good")
            .advise("`validation 10%` in `data`, or `--set data.validation=10%`"));
    }
    let method = match asked.method {
        Some(method) => method,
        None if axes.iter().all(Axis::is_list) => {
            let all = space::grid(&axes)?.len();
            if asked.runs.is_none_or(|runs| all <= runs) { Method::Grid } else { Method::Random }
        }
        None => Method::Random,
    };
    let mut chosen = match method {
        Method::Grid => space::grid(&axes)?,
        Method::Random | Method::Halving => space::random(&axes, asked.runs.unwrap_or(RUNS), asked.seed),
    };
    if method == Method::Grid {
        chosen.truncate(asked.runs.unwrap_or(usize::MAX));
    }
    for own in &chosen {
        right(&checked(&asked.file, &asked.settings, own)?, own)?;
    }
    let trials = chosen.into_iter().map(|settings| Trial { settings, ..Trial::default() }).collect();
    let record = Record {
        file: std::fs::canonicalize(&asked.file).unwrap_or(asked.file.clone()),
        settings: asked.settings.clone(),
        tries: asked.tries.clone(),
        method,
        epochs: training.epochs,
        trials,
    };
    let folder = claim(asked.out.as_deref(), &base.stem())?;
    record.write(&folder)?;
    Ok((folder, record))
}

fn checked(file: &Path, settings: &[String], own: &[String]) -> Result<Checked, Fault> {
    check(file, &[settings, own].concat())
}

/// Refuses a trial whose file has errors.
fn right(file: &Checked, own: &[String]) -> Result<(), Fault> {
    match file.findings().iter().find(|finding| finding.severity == Severity::Error) {
        None => Ok(()),
        Some(finding) => {
            let message = format!("with {}: {}", own.join(" "), finding.message);
            Err(Fault::new(finding.code, message).advise("other values for `--try`"))
        }
    }
}

/// Makes `sweeps/NAME-N` with the first free N, or exactly `out`.
fn claim(out: Option<&Path>, name: &str) -> Result<PathBuf, Fault> {
    let cannot = |path: &Path, why: &dyn std::fmt::Display| {
        Fault::new(codes::RUN, format!("the sweep's folder {} cannot be made: {why}", path.display()))
            .advise("`--out DIR` with a folder that you may write to")
    };
    if let Some(out) = out {
        std::fs::create_dir_all(out).map_err(|e| cannot(out, &e))?;
        return match out.join(SWEEP).exists() {
            true => Err(cannot(out, &"it already contains a sweep")
                .advise(format!("`dslc sweep {}` continues it", out.display()))),
            false => Ok(out.to_owned()),
        };
    }
    let sweeps = Path::new("sweeps");
    std::fs::create_dir_all(sweeps).map_err(|e| cannot(sweeps, &e))?;
    for n in 1..=1_000_000 {
        let path = sweeps.join(format!("{}-{n}", short(name)));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(cannot(&path, &e)),
        }
    }
    Err(cannot(sweeps, &"there are a million sweeps"))
}

/// How far trials are trained in turn: epochs, and how many of the best go so far.
fn rungs(method: Method, n_trials: usize, epochs: usize) -> Vec<(usize, usize)> {
    if method != Method::Halving {
        return vec![(epochs, n_trials)];
    }
    let mut n_rungs = 0u32;
    while THIRD.pow(n_rungs + 1) <= n_trials.min(epochs) {
        n_rungs += 1;
    }
    let rung = |i: u32| (epochs.div_ceil(THIRD.pow(n_rungs - i)), (n_trials / THIRD.pow(i)).max(1));
    (0..=n_rungs).map(rung).collect()
}

/// Carries out what is left of a sweep; the record on disk is always that of the last trial that ended.
pub fn carry_out(
    folder: &Path,
    record: &mut Record,
    way: &Way<'_>,
    watch: &mut dyn Watch,
) -> Result<Ended, Fault> {
    let deadline = way.budget.map(|budget| Instant::now() + budget);
    let mut before = usize::MAX;
    for (epochs, n_best) in rungs(record.method, record.trials.len(), record.epochs) {
        // The first rung has all of them in their own order.
        let mut numbers = match before {
            usize::MAX => (0..record.trials.len()).collect(),
            before => record.ranking_within(before),
        };
        numbers.truncate(n_best);
        before = epochs;
        for number in numbers {
            let trial = &record.trials[number];
            let is_far = trial.epochs.len() >= epochs && epochs < record.epochs;
            if is_far || matches!(trial.state, State::Done | State::Failed) {
                continue;
            }
            if way.signals.stop.load(Ordering::Relaxed) {
                return Ok(Ended::Interrupted);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Ended::Budget);
            }
            watch.begins(record, number, epochs);
            let stopped = step(folder, record, number, epochs, (way, deadline));
            record.write(folder)?;
            watch.ends(record, number);
            match stopped {
                Stopped::User => return Ok(Ended::Interrupted),
                Stopped::Deadline => return Ok(Ended::Budget),
                Stopped::Not | Stopped::Rung => {}
            }
        }
    }
    Ok(Ended::Complete)
}

/// What stopped a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    Not,
    Rung,
    Deadline,
    User,
}

/// Trains one trial up to an epoch.
fn step(
    folder: &Path,
    record: &mut Record,
    number: usize,
    epochs: usize,
    (way, deadline): (&Way<'_>, Option<Instant>),
) -> Stopped {
    let place = Record::place(folder, number);
    let until = (epochs < record.epochs).then_some(epochs);
    let mut limits = Limits { until, deadline, signals: way.signals, stopped: Stopped::Not };
    if is_complete(&place) {
        // It ended, and the sweep was stopped before it took that in. What it learnt it learns again.
        let _ = std::fs::remove_dir_all(&place);
    }
    let trained = match place.join(RECORD).exists() {
        true => resume(&place, way.signals, &mut limits),
        false => checked(&record.file, &record.settings, &record.trials[number].settings).and_then(|file| {
            let options =
                Options { out: Some(place.clone()), device: way.device, signals: Arc::clone(way.signals) };
            train(&file, &options, &mut limits)
        }),
    };
    let why = match (limits.stopped, way.signals.stop.load(Ordering::Relaxed)) {
        (Stopped::Not, true) => Stopped::User,
        (why, _) => why,
    };
    if why != Stopped::User {
        way.signals.stop.store(false, Ordering::Relaxed);
    }
    let trial = &mut record.trials[number];
    match trained {
        Ok(trained) => trial.take(&trained),
        Err(fault) => {
            trial.state = State::Failed;
            trial.failure = Some(fault.message);
        }
    }
    why
}

/// Whether a folder has a run with nothing left to do.
fn is_complete(place: &Path) -> bool {
    let Ok(run) = stopped(place) else { return false };
    let loaded = load_text(&run.file(), run.record.source.clone(), &[]);
    loaded.experiment.train.is_some_and(|train| run.refuse_complete(&train).is_err())
}

/// Ends a trial behind an epoch, or when the time is over.
struct Limits<'a> {
    until: Option<usize>,
    deadline: Option<Instant>,
    signals: &'a Signals,
    stopped: Stopped,
}

impl Limits<'_> {
    fn stop(&mut self, why: Stopped) {
        // What the user has asked for before stays.
        if !self.signals.stop.swap(true, Ordering::Relaxed) {
            self.stopped = why;
        }
    }
}

impl Follow for Limits<'_> {
    fn step(&mut self, _done: &StepDone) {
        if self.stopped == Stopped::Not && self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.stop(Stopped::Deadline);
        }
    }

    fn epoch(&mut self, epoch: &Epoch) {
        if self.stopped == Stopped::Not && self.until == Some(epoch.number) {
            self.stop(Stopped::Rung);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, rungs};

    #[test]
    fn a_third_goes_on_for_three_times_as_long() {
        assert_eq!(rungs(Method::Halving, 20, 30), [(4, 20), (10, 6), (30, 2)]);
        assert_eq!(rungs(Method::Halving, 27, 9), [(1, 27), (3, 9), (9, 3)]);
        assert_eq!(rungs(Method::Halving, 2, 30), [(30, 2)]);
        assert_eq!(rungs(Method::Random, 20, 30), [(30, 20)]);
    }
}
