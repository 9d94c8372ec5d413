//! Follows a training: keeps its states, its best weights and its measurements in the run's folder, and tells a viewer.
//!
//! The files are written in an order that can be cut anywhere: the best weights, the epoch's line, then the state that
//! knows of both. What stands behind the newest state is made again, the same, by a training that goes on from it. A disk
//! that refuses does not end the training: it goes on, and the state is written when there is room.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::diag::{Fault, codes};
use crate::run::Session;
use crate::runs::folder::{BEST, CHECKPOINTS, Folder, LAST, PREVIOUS};
use crate::runs::metrics::{self, Log};
use crate::train::checkpoint::{Card, save};
use crate::train::progress::Progress;
use crate::train::section::Checkpointing;
use crate::train::trainer::{Epoch, Observer, StepDone};

/// How long a refused state waits.
const RETRY: Duration = Duration::from_secs(30);

/// Who shows a training to people.
pub trait Viewer {
    /// Whether a step that is done now would be shown.
    fn is_due(&self) -> bool;
    fn step(&mut self, done: &StepDone);
    fn epoch(&mut self, epoch: &Epoch);
    /// Something beside the figures, in words.
    fn say(&mut self, text: &str);
}

pub struct Recorder<'a> {
    folder: &'a Folder,
    log: Log,
    /// What all weights of the run have in common.
    card: Card,
    checkpointing: Checkpointing,
    viewer: &'a mut dyn Viewer,
    /// Set from outside where a state is wanted now.
    wanted: &'a AtomicBool,
    /// Steps behind the state in [`LAST`], where that is whole.
    kept: Option<u64>,
    due: Instant,
    /// Why the newest state is not on disk, if it is not.
    refused: Option<Fault>,
}

impl<'a> Recorder<'a> {
    /// `kept` is the number of steps behind the state that is in the folder already.
    pub fn new(
        folder: &'a Folder,
        log: Log,
        card: Card,
        checkpointing: Checkpointing,
        kept: Option<u64>,
        viewer: &'a mut dyn Viewer,
        wanted: &'a AtomicBool,
    ) -> Recorder<'a> {
        let due = Instant::now() + checkpointing.every;
        Recorder { folder, log, card, checkpointing, viewer, wanted, kept, due, refused: None }
    }

    /// Writes the last event; refuses if the newest state is not on disk.
    pub fn finish(mut self, event: &Value) -> Result<(), Fault> {
        match self.refused {
            Some(fault) => {
                let resume = format!(
                    "`dslc resume {}` goes on from the state before, when there is room",
                    self.folder.path().display()
                );
                Err(fault.advise(resume))
            }
            None => self.log.append(event),
        }
    }

    fn save(&mut self, progress: &Progress, session: &Session) -> Result<(), Fault> {
        let card = self.card(progress);
        if progress.best.is_none() {
            save(&self.folder.join(BEST), session, &card)?;
        }
        self.keep_last()?;
        save(&self.folder.join(LAST), session, &card)?;
        self.kept = Some(progress.step);
        // The state knows of the best weights: those before are of no more use.
        let _ = std::fs::remove_file(self.folder.join(PREVIOUS));
        Ok(())
    }

    fn card(&self, progress: &Progress) -> Card {
        let epoch = progress.epochs + usize::from(progress.begun.is_some());
        Card { step: progress.step, epoch, progress: Some(progress.clone()), ..self.card.clone() }
    }

    /// Takes the state in [`LAST`] among those before it, and forgets the oldest.
    fn keep_last(&mut self) -> Result<(), Fault> {
        let last = self.folder.join(LAST);
        let before = self.checkpointing.keep.saturating_sub(1);
        let Some(step) = self.kept.filter(|_| before > 0 && last.exists()) else { return Ok(()) };
        let folder = self.folder.join(CHECKPOINTS);
        let to = folder.join(format!("step-{step:010}.safetensors"));
        let linked = std::fs::create_dir_all(&folder).and_then(|()| match std::fs::hard_link(&last, &to) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            // Some disks have no links.
            Err(_) => std::fs::copy(&last, &to).map(|_| ()),
            Ok(()) => Ok(()),
        });
        linked
            .map_err(|e| Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", to.display())))?;
        let states = states(self.folder);
        for (_, path) in states.iter().skip(before) {
            // One too many does no harm.
            let _ = std::fs::remove_file(path);
        }
        Ok(())
    }

    /// Notes whether the newest state is on disk.
    fn settle(&mut self, saved: Result<(), Fault>) {
        let now = Instant::now();
        match saved {
            Ok(()) => {
                if self.refused.take().is_some() {
                    self.viewer.say("the state is on disk again");
                }
                self.due = now + self.checkpointing.every;
            }
            Err(fault) => {
                let seconds = RETRY.as_secs();
                self.viewer.say(&format!("{fault}\n  training goes on, and tries again in {seconds} s"));
                self.refused = Some(fault);
                self.due = now + RETRY;
            }
        }
    }
}

impl Observer for Recorder<'_> {
    fn is_due(&self) -> bool {
        self.viewer.is_due()
    }

    fn step(&mut self, done: &StepDone) {
        self.viewer.step(done);
    }

    fn wants_state(&mut self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed) || Instant::now() >= self.due
    }

    fn state(&mut self, progress: &Progress, session: &Session) -> Result<(), Fault> {
        let saved = self.save(progress, session);
        self.settle(saved);
        Ok(())
    }

    fn epoch(&mut self, epoch: &Epoch, progress: &Progress, session: &Session) -> Result<(), Fault> {
        self.viewer.epoch(epoch);
        let mut record = || {
            let best = self.folder.join(BEST);
            if epoch.best && progress.best.is_some() {
                if best.exists() {
                    let renamed = std::fs::rename(&best, self.folder.join(PREVIOUS));
                    renamed.map_err(|e| {
                        Fault::new(codes::UNWRITTEN, format!("{} cannot be moved: {e}", best.display()))
                    })?;
                }
                save(&best, session, &self.card(progress))?;
            }
            self.log.append(&metrics::event(epoch, progress.step))?;
            self.save(progress, session)
        };
        let saved = record();
        self.settle(saved);
        Ok(())
    }
}

/// The states before the last one, the newest first, with the number of steps behind each.
pub fn states(folder: &Folder) -> Vec<(u64, PathBuf)> {
    let entries = std::fs::read_dir(folder.join(CHECKPOINTS)).into_iter().flatten().flatten();
    let step = |path: &PathBuf| {
        path.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
    };
    let mut states: Vec<(u64, PathBuf)> =
        entries.filter_map(|entry| Some((step(&entry.path())?, entry.path()))).collect();
    states.sort_by(|a, b| b.cmp(a));
    states
}
