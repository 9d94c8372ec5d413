//! The folder of a run → the newest state in it that is whole, to continue from.

use std::path::{Path, PathBuf};

use crate::data::Dataset;
use crate::diag::{Fault, codes};
use crate::runs::folder::{BEST, Folder, LAST, SUMMARY};
use crate::runs::metrics::Log;
use crate::runs::record::Record;
use crate::train::checkpoint::{PART, Weights};
use crate::train::progress::Progress;
use crate::train::section::TrainSection;
use crate::train::trainer::{Ended, Epoch, Start, ended};

/// A run that can go on. Its folder is taken.
#[derive(Debug)]
pub struct Stopped {
    pub folder: Folder,
    pub record: Record,
    /// `None` where the run stopped before it kept a state: it begins anew.
    state: Option<State>,
    /// What is to be told of damage.
    pub told: Vec<String>,
}

#[derive(Debug)]
struct State {
    weights: Weights,
    progress: Progress,
    best: Option<Weights>,
    /// Whether it is the one in [`LAST`].
    is_last: bool,
}

/// Takes the folder of a run and finds where it can go on.
pub fn stopped(path: &Path) -> Result<Stopped, Fault> {
    found(Folder::reopen(path)?)
}

/// Finds the same, in the folder that another process takes.
pub fn beside(path: &Path) -> Result<Stopped, Fault> {
    found(Folder::beside(path)?)
}

fn found(folder: Folder) -> Result<Stopped, Fault> {
    let path = &folder.path().to_owned();
    let record = Record::read(path)?.ok_or_else(|| Fault::internal("a run without a record"))?;
    if record.source.is_empty() {
        let message = format!(
            "{} was written by an older dslc, which did not record what resuming needs",
            path.display()
        );
        return Err(
            Fault::new(codes::RUN, message).advise(format!("`dslc run {}` trains from scratch", record.file))
        );
    }
    let mut told = Vec::new();
    let last = folder.join(LAST);
    let mut candidates = folder.states().into_iter().map(|(_, path)| path).collect::<Vec<_>>();
    if last.exists() {
        candidates.insert(0, last.clone());
    }
    let mut state = None;
    for candidate in &candidates {
        match whole(&folder, candidate) {
            Ok((weights, progress, best)) => {
                state = Some(State { weights, progress, best, is_last: *candidate == last });
                break;
            }
            Err(fault) => told.push(fault.message),
        }
    }
    match (&state, told.is_empty()) {
        (Some(state), false) => {
            told.push(format!("continuing from {} instead", state.weights.path().display()))
        }
        (None, false) => {
            let fault = Fault::new(codes::RUN, format!("{} contains no intact state", path.display()));
            let fault = told.into_iter().fold(fault, Fault::note);
            return Err(fault.advise(format!("`dslc run {}` trains from scratch", record.file)));
        }
        (_, true) => {}
    }
    Ok(Stopped { folder, record, state, told })
}

/// A state, where it stands, and the best weights that it knows of.
pub(super) type Whole = (Weights, Progress, Option<Weights>);

/// A state with the best weights that it knows of.
pub(super) fn whole(folder: &Folder, path: &Path) -> Result<Whole, Fault> {
    let weights = Weights::open(path)?;
    let lacks = |what: &str| Fault::new(codes::RUN, format!("{} does not record {what}", path.display()));
    let progress = weights.card.progress.clone().ok_or_else(|| lacks("how far training had come"))?;
    let Some(scored) = progress.best else { return Ok((weights, progress, None)) };
    if scored.epoch == progress.epochs && progress.begun.is_none() && scored.epoch == weights.card.epoch {
        // They are the same.
        let best = Weights::open(path)?;
        return Ok((weights, progress, Some(best)));
    }
    let kept =
        folder.bests().into_iter().filter(|(epoch, _)| *epoch == scored.epoch as u64).map(|(_, path)| path);
    let mut found =
        std::iter::once(folder.join(BEST)).chain(kept).filter_map(|path| Weights::open(&path).ok());
    let best = found.find(|best| best.card.epoch == scored.epoch);
    match best {
        Some(best) => Ok((weights, progress, Some(best))),
        None => {
            let message = format!(
                "{} needs the best weights, those of epoch {}, which are gone",
                path.display(),
                scored.epoch
            );
            Err(Fault::new(codes::RUN, message))
        }
    }
}

impl Stopped {
    /// Where the file with every default lies.
    pub fn file(&self) -> PathBuf {
        self.folder.join(&self.record.own_file())
    }

    /// Refuses a run with nothing left to do under this section.
    pub fn refuse_complete(&self, train: &TrainSection) -> Result<(), Fault> {
        let progress = self.progress();
        let ended = ended(train, &progress).filter(|_| progress.begun.is_none());
        // A run without a summary was stopped before its test.
        let Some(ended) = ended.filter(|_| self.folder.join(SUMMARY).exists()) else { return Ok(()) };
        let (path, epochs) = (self.folder.path().display(), progress.epochs);
        Err(match ended {
            Ended::Early => {
                let message = format!("{path} stopped early, after epoch {epochs}, as `early_stop` says");
                let advice = "`--set train.early_stop.patience=N` with a larger N to train on";
                Fault::new(codes::RUN, message).advise(advice)
            }
            Ended::Complete | Ended::Interrupted => {
                let message = format!("{path} is complete: {epochs} of {} epochs", train.epochs);
                let advice = format!("`--set train.epochs={}` to train longer", 2 * epochs.max(1));
                Fault::new(codes::RUN, message).advise(advice)
            }
        })
    }

    /// Whether it kept no state, and begins again.
    pub fn is_new(&self) -> bool {
        self.state.is_none()
    }

    /// Refuses data whose classes are called otherwise, or come in another order, than those that the weights were trained on.
    pub fn refuse_other_classes(&self, dataset: &Dataset) -> Result<(), Fault> {
        let Some(state) = &self.state else { return Ok(()) };
        let known = &state.weights.card.classes;
        match known.is_empty() || known == dataset.classes() {
            true => Ok(()),
            false => Err(Fault::new(codes::CLASSES, "the data have other classes than when the run began")
                .note(format!("then: {}", known.join(", ")))
                .note(format!("now:  {}", dataset.classes().join(", ")))
                .advise("the names and the order of then, or a new run")),
        }
    }

    /// Where it stands.
    pub fn progress(&self) -> Progress {
        self.state.as_ref().map(|state| state.progress.clone()).unwrap_or_default()
    }

    /// The step of the state in [`LAST`], if that is whole.
    pub fn kept(&self) -> Option<u64> {
        self.state.as_ref().filter(|state| state.is_last).map(|state| state.progress.step)
    }

    /// The log without what came after the state, and the epochs in it.
    pub fn log(&self) -> Result<(Log, Vec<Epoch>), Fault> {
        Log::reopen(self.folder.path(), self.progress().epochs)
    }

    /// The beginning for a training that goes on.
    pub fn start(&self, epochs: Vec<Epoch>) -> Option<Start<'_>> {
        let State { weights, progress, best, .. } = self.state.as_ref()?;
        Some(Start { progress: progress.clone(), weights, best: best.as_ref(), epochs })
    }

    /// Puts the best weights of the state back in their place, where newer ones have taken it.
    pub fn restore_best(&self) -> Result<(), Fault> {
        let Some(best) = self.state.as_ref().and_then(|state| state.best.as_ref()) else { return Ok(()) };
        let to = self.folder.join(BEST);
        let unmoved = |e: std::io::Error| {
            Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", to.display()))
        };
        // The file of the best may be of another epoch.
        let is_there = Weights::open(&to).is_ok_and(|own| own.card.epoch == best.card.epoch);
        match best.path() == to || is_there {
            true => Ok(()),
            false => {
                let part = self.folder.join(&format!("{BEST}{PART}"));
                let copied = std::fs::copy(best.path(), &part);
                copied.and_then(|_| std::fs::rename(&part, &to)).map_err(unmoved)
            }
        }
    }
}
