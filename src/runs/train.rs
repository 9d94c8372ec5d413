//! A prepared training and a folder → the training, recorded in the folder.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use crate::data::Dataset;
use crate::diag::{Fault, codes};
use crate::kernels::cpu::{simd, threads};
use crate::run::Session;
use crate::runs::folder::{Folder, METRICS, SUMMARY};
use crate::runs::metrics::Log;
use crate::runs::record::Machine;
use crate::runs::recorder::{Recorder, Viewer};
use crate::runs::report::report;
use crate::runs::resume::Stopped;
use crate::runs::spare::Spare;
use crate::train::checkpoint::Card;
use crate::train::trainer::{Job, Outcome, Prepared};

/// What may be asked of a training from outside, at any time.
#[derive(Debug, Default)]
pub struct Signals {
    /// Stop after this step.
    pub stop: AtomicBool,
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
    pub folder: &'a Folder,
    /// The file with every default filled in.
    pub source: &'a str,
    /// The run that is gone on with.
    pub stopped: Option<&'a Stopped>,
    /// A folder for copies of the run, if its own disk refuses to be written to.
    pub spare: Option<&'a Path>,
}

/// Trains, from the beginning or from where the run stopped.
pub fn train<'a>(
    prepared: Prepared<'_>,
    job: Job<'_>,
    dataset: &Dataset,
    recording: Recording<'a>,
    signals: &'a Signals,
    viewer: &'a mut dyn Viewer,
) -> Result<Finished<'a>, Fault> {
    let Recording { folder, source, stopped, spare } = recording;
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
                return Err(Fault::new(codes::UNWRITTEN, message));
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
        ..Card::default()
    };
    let start = stopped.and_then(|stopped| stopped.start(epochs));
    let renamed = start.as_ref().and_then(|start| prepared.renamed(start.weights));
    if let Some(renamed) = renamed {
        viewer.say(&renamed);
    }
    let recorder = Recorder::new(folder, log, card, job.train.checkpoint, stopped, viewer, &signals.save);
    let mut recorder = recorder.with_spare(spare);
    let (session, outcome) = prepared.train(start, &signals.stop, &mut recorder)?;
    let mut report = report(&job, dataset.classes(), &outcome);
    report["run"] = json!(folder.path().display().to_string());
    Ok(Finished { outcome, report, session, recorder })
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
        device: device.to_owned(),
        instructions: simd::chosen()?.name().to_owned(),
        threads: threads::start()?,
    })
}
