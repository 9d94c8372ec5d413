//! A prepared training and a folder → the training, recorded in the folder.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use crate::data::Dataset;
use crate::diag::{Fault, codes};
use crate::kernels::cpu::{simd, threads};
use crate::run::Session;
use crate::runs::folder::{FAILURE, Folder, LAST, METRICS, SUMMARY};
use crate::runs::keeper::Keeper;
use crate::runs::metrics::Log;
use crate::runs::record::{Machine, Record};
use crate::runs::recorder::{Recorder, Viewer};
use crate::runs::report::report;
use crate::runs::resume::{self, Stopped};
use crate::runs::sight::{Known, Sight};
use crate::runs::spare::Spare;
use crate::runs::story;
use crate::runs::views::Views;
use crate::source::Span;
use crate::train::checkpoint::{Card, write_atomically};
use crate::train::hunt::hunt;
use crate::train::prepared::Prepared;
use crate::train::probe::Probe;
use crate::train::replay::Broken;
use crate::train::trainer::{Job, Outcome, Start};

/// What may be asked of a training from outside, at any time.
#[derive(Debug, Default)]
pub struct Signals {
    /// Stop after this step.
    pub stop: AtomicBool,
    /// The user wants everything to stop. A sweep, by contrast, sets `stop` to end one trial and then clears it.
    pub end: AtomicBool,
    /// Keep the state after this step.
    pub save: AtomicBool,
}

/// A training that has ended. [`Finished::close`] records it.
pub struct Finished<'a> {
    pub outcome: Outcome,
    /// The figures of the run.
    pub report: Value,
    /// With the weights that were tested.
    pub session: Session,
    recorder: Recorder<'a>,
}

/// What is recorded where.
pub struct Recording<'a> {
    /// A look into the layers, where there is memory for it.
    pub probe: Option<Probe<'a>>,
    pub folder: &'a Folder,
    /// The file with every default filled in.
    pub source: &'a str,
    /// The run that continues.
    pub stopped: Option<&'a Stopped>,
    /// A folder for copies of the run, if its own disk refuses to be written to.
    pub spare: Option<&'a Path>,
}

/// Trains, from the beginning or from where the run stopped.
pub fn train<'a>(
    prepared: Prepared<'_>,
    job: Job<'a>,
    dataset: &'a Dataset,
    recording: Recording<'a>,
    signals: &'a Signals,
    viewer: &'a mut dyn Viewer,
) -> Result<Finished<'a>, Failed> {
    let Recording { probe, folder, source, stopped, spare } = recording;
    let spare = spare.map(|within| Spare::of(folder, within)).transpose()?;
    let (log, epochs) = match stopped {
        Some(stopped) => stopped.log()?,
        None => (Log::create(folder.path())?, Vec::new()),
    };
    if let Some(stopped) = stopped {
        stopped.restore_best()?;
        // It is of the end that comes, and tells that there was one.
        match std::fs::remove_file(folder.join(SUMMARY)) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                let message = format!("{} cannot be removed: {e}", folder.join(SUMMARY).display());
                return Err(Fault::new(codes::UNWRITTEN, message).into());
            }
            Ok(()) | Err(_) => {}
        }
        if epochs.len() < stopped.progress().epochs {
            let (found, all) = (epochs.len(), stopped.progress().epochs);
            viewer.say(&format!("{METRICS} has only {found} of the {all} epochs so far"));
        }
    }
    let card = Card {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: job.model.name.clone(),
        source: source.to_owned(),
        classes: if job.train.reproduces()? { Vec::new() } else { dataset.classes().to_vec() },
        outputs: job.data.names_of_outputs(),
        ..Card::default()
    };
    let record = Record::read(folder.path())?.unwrap_or_default();
    let before = if stopped.is_none() { story::before(folder.path(), &record) } else { None };
    let events = story::events(folder.path());
    let start = stopped.and_then(|stopped| stopped.start(epochs.clone()));
    if let Some(renamed) = start.as_ref().and_then(|start| prepared.renamed(start.weights)) {
        viewer.say(&renamed);
    }
    let known = match stopped {
        None => Known::default(),
        Some(_) => Known { details: story::details(folder.path()), epochs, told: story::told(&events) },
    };
    let sight = Sight::new(job, dataset, probe, known, before)?;
    let views = Views::new(record, events, job.train.logs);
    let keeper = Keeper::new(folder, card, job.train.checkpoint, stopped);
    let recorder = Recorder::new(folder, log, keeper, viewer, &signals.save, sight, views);
    let mut recorder = recorder.with_spare(spare);
    let trained = prepared.train(start, &signals.stop, &mut recorder);
    if let Err(fault) = &trained {
        recorder.fail(fault);
    }
    let (session, outcome) = match (trained, recorder.broken) {
        (Err(fault), Some(broken)) => {
            return Err(explain(fault, broken, (job, dataset), folder, &mut recorder));
        }
        (trained, _) => trained?,
    };
    let mut report = report(&job, dataset.classes(), &outcome);
    report["run"] = json!(folder.path().display().to_string());
    Ok(Finished { outcome, report, session, recorder })
}

/// Why a training failed.
#[derive(Debug)]
pub struct Failed {
    pub fault: Fault,
    /// The place of the file that it is about, where that is one line.
    pub span: Option<Span>,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        Failed { fault, span: None }
    }
}

/// Looks for where the first number came about that is none, and keeps what was found in the folder.
fn explain(
    fault: Fault,
    broken: Broken,
    (job, dataset): (Job<'_>, &Dataset),
    folder: &Folder,
    recorder: &mut Recorder<'_>,
) -> Failed {
    recorder.say("the loss is not a number any more; looking for where that began");
    let state = newest(folder);
    let start = state.as_ref().map(|(weights, progress, best)| Start {
        progress: progress.clone(),
        weights,
        best: best.as_ref(),
        epochs: Vec::new(),
    });
    let found = hunt(job, dataset, start, broken);
    match found {
        Ok(Some(found)) => {
            let told = found.told(job.model, fault);
            let path = folder.join(FAILURE);
            let bytes = format!("{:#}\n", found.json(job.model));
            let fault = match write_atomically(&path, bytes.as_bytes()) {
                Ok(()) => told.note(format!(
                    "the largest numbers of each layer and all images of the batch: {}",
                    path.display()
                )),
                Err(_) => told,
            };
            Failed { fault, span: found.span(job.model) }
        }
        Ok(None) => Failed::from(fault.note("evaluated node by node, the step gives only finite numbers")),
        Err(other) => Failed::from(fault.note(format!("where it began was not found: {other}"))),
    }
}

/// The newest state of the folder whose numbers are all finite.
fn newest(folder: &Folder) -> Option<resume::Whole> {
    let last = folder.join(LAST);
    let older = folder.states().into_iter().map(|(_, path)| path);
    let states = std::iter::once(last).filter(|last| last.exists()).chain(older);
    let mut whole = states.map(|path| resume::whole(folder, &path)).filter_map(Result::ok);
    whole.next()
}

impl Finished<'_> {
    /// Writes the summary and, last, that the training has ended.
    pub fn close(self, summary: &str) -> Result<(), Fault> {
        let mut event = self.report;
        event["event"] = json!("end");
        self.recorder.finish(summary, &event)
    }
}

/// What computes on a device of this name.
pub fn machine(device: &str) -> Result<Machine, Fault> {
    Ok(Machine {
        dslc: env!("CARGO_PKG_VERSION").to_owned(),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        device: device.to_owned(),
        instructions: simd::chosen()?.name().to_owned(),
        threads: threads::start()?,
    })
}
