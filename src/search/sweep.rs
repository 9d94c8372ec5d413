//! A file and settings to try → trials in folders of their own, one after another, and which did best. A sweep that was stopped
//! continues from its record to the same end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::diag::{Fault, Severity, codes};
use crate::door::{Checked, Follow, Options, check, resume, train};
use crate::experiment::disk::RECORD;
use crate::experiment::loaded::{Loaded, load_text};
use crate::experiment::resolved::Settled;
use crate::runs::record::OTHER_DATA;
use crate::runs::resume::stopped;
use crate::runs::story::recorded;
use crate::runs::train::Signals;
use crate::search::page::page;
use crate::search::place::Place;
use crate::search::record::{KIND, Method, PAGE, Record, State, Trial};
use crate::search::space::{self, Axis};
use crate::tensor::device::Choice;
use crate::train::checkpoint::write_atomically;
use crate::train::trainer::{Epoch, StepDone};

/// What is asked of a new sweep.
#[derive(Clone, Debug)]
pub struct Asked {
    pub file: PathBuf,
    pub settings: Vec<String>,
    pub tries: Vec<String>,
    /// `None` is a grid if that has no more trials than are wanted, otherwise random.
    pub method: Option<Method>,
    /// How many trials; `None` is all of a grid, or [`RUNS`].
    pub runs: Option<usize>,
    pub seed: u64,
    pub out: Option<PathBuf>,
}

/// How many random trials there are by default.
pub const RUNS: usize = 20;

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
    /// Its time is up.
    Budget,
    Interrupted,
}

/// Who follows a sweep.
pub trait Watch {
    /// A trial begins or continues, up to an epoch.
    fn begins(&mut self, _record: &Record, _number: usize, _epochs: usize) {}
    /// It has come so far.
    fn ends(&mut self, _record: &Record, _number: usize) {}
    /// Something besides the trials, such as a page that cannot be written.
    fn say(&mut self, _text: &str) {}
}

/// Chooses the trials, checks each, and claims a folder for them.
///
/// # Errors
/// Settings that are none; a trial that does not check; a file without validation images to compare by; a folder that is
/// taken.
pub fn begin(asked: &Asked, base: &Loaded) -> Result<(Place, Record), Fault> {
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
        source: base.resolved(Settled::default()),
        settings: asked.settings.clone(),
        tries: asked.tries.clone(),
        method,
        epochs: training.epochs,
        trials,
    };
    let trials = (0..record.trials.len()).map(|number| Record::place(Path::new(""), number));
    let written: Vec<PathBuf> = trials.chain([PathBuf::from(PAGE)]).collect();
    let place = KIND.claim(asked.out.as_deref(), &base.stem(), &written)?;
    record.write(&place.folder)?;
    Ok((place, record))
}

/// Takes the folder of a sweep, to continue it.
pub fn reopen(folder: &Path) -> Result<(Place, Record), Fault> {
    Record::read(folder)?;
    let place = KIND.reopen(folder)?;
    // What another process wrote until then counts.
    let record = Record::read(folder)?;
    Ok((place, record))
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

/// Refuses a file that was edited since the sweep began: trials of two files cannot be compared.
fn refuse_other_file(record: &Record) -> Result<(), Fault> {
    if check(&record.file, &record.settings)?.resolved() == record.source {
        return Ok(());
    }
    let message = format!("{} has changed since the sweep began", record.file.display());
    let fault = Fault::new(codes::RUN, message).note("trials of different files cannot be compared");
    Err(fault.advise("undo the change, or start a new sweep"))
}

/// Refuses a trial on data other than those of the first trial that has a run, unless the sweep tries what the data depend on.
fn refuse_other_data(folder: &Path, record: &Record, number: usize) -> Result<(), Fault> {
    let has_one_set = record.tries.iter().all(|tried| tried.trim_start().starts_with("train."));
    let data = |number: usize| recorded(&Record::place(folder, number)).ok().map(|run| run.record.data);
    let mut others = (0..record.trials.len()).filter(|&other| other != number);
    let first = others.find_map(|other| Some((other, data(other)?)));
    let Some(((first, was), is)) = first.zip(data(number)).filter(|((_, was), is)| has_one_set && was != is)
    else {
        return Ok(());
    };
    let message = format!("the data have changed between trial {} and trial {}", first + 1, number + 1);
    let fault = Fault::new(codes::RUN, message).note(format!("then: {was}")).note(format!("now:  {is}"));
    Err(fault.advise("the same files as before, or a new sweep"))
}

/// Carries out what is left of a sweep; the record on disk is always that of the last trial that ended, and so is the page.
///
/// # Errors
/// A file or data other than those that the sweep began with; a record that cannot be written.
pub fn carry_out(
    place: &Place,
    record: &mut Record,
    way: &Way<'_>,
    watch: &mut dyn Watch,
) -> Result<Ended, Fault> {
    let folder = place.folder.as_path();
    let deadline = way.budget.map(|budget| Instant::now() + budget);
    for rung in record.rungs() {
        let epochs = rung.epochs;
        for number in record.trials_of(&rung) {
            if record.is_far(number, epochs) {
                continue;
            }
            if way.signals.end.load(Ordering::Relaxed) {
                return Ok(Ended::Interrupted);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Ended::Budget);
            }
            refuse_other_file(record)?;
            watch.begins(record, number, epochs);
            let stopped = step(folder, record, number, epochs, (way, deadline))?;
            if let Err(fault) = refuse_other_data(folder, record, number) {
                // It does not count: once the data are right again, it is trained again.
                let _ = std::fs::remove_dir_all(Record::place(folder, number));
                return Err(fault);
            }
            record.write(folder)?;
            if let Err(fault) = write_atomically(&folder.join(PAGE), page(folder, record).as_bytes()) {
                watch.say(&fault.message);
            }
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

/// Trains one trial up to an epoch. What goes wrong in it is recorded, except that its data are no longer those that it
/// began with: that is a fault of the whole sweep.
fn step(
    folder: &Path,
    record: &mut Record,
    number: usize,
    epochs: usize,
    (way, deadline): (&Way<'_>, Option<Instant>),
) -> Result<Stopped, Fault> {
    let place = Record::place(folder, number);
    let until = (epochs < record.epochs).then_some(epochs);
    let mut limits = Limits { until, deadline, signals: way.signals, stopped: Stopped::Not };
    if is_complete(&place) {
        // It ended, and the sweep was stopped before it recorded that. It is trained again.
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
    let why = match way.signals.end.load(Ordering::Relaxed) {
        true => Stopped::User,
        false => limits.stopped,
    };
    if why != Stopped::User {
        way.signals.stop.store(false, Ordering::Relaxed);
    }
    let trial = &mut record.trials[number];
    match trained {
        Ok(trained) => trial.take(&trained),
        Err(fault) if fault.message == OTHER_DATA => return Err(fault),
        Err(fault) => {
            trial.state = State::Failed;
            trial.failure = Some(fault.message);
        }
    }
    Ok(why)
}

/// Whether a folder has a run with nothing left to do.
fn is_complete(place: &Path) -> bool {
    let Ok(run) = stopped(place) else { return false };
    let loaded = load_text(&run.file(), run.record.source.clone(), &[]);
    loaded.experiment.train.is_some_and(|train| run.refuse_complete(&train).is_err())
}

/// Ends a trial after an epoch, or when the time is up.
struct Limits<'a> {
    until: Option<usize>,
    deadline: Option<Instant>,
    signals: &'a Signals,
    stopped: Stopped,
}

impl Limits<'_> {
    fn stop(&mut self, why: Stopped) {
        self.signals.stop.store(true, Ordering::Relaxed);
        self.stopped = why;
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
