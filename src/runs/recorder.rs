//! Follows a training: has its states kept, logs its measurements, shows them, and tells a viewer.
//!
//! The files are written in an order that can be cut anywhere: the best weights, the epoch's line, then the state that
//! knows of both. A training that continues makes again, to the same bits, what came after its newest state. A disk that
//! refuses does not end the training: the state is written when there is room.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::diag::{Fault, codes};
use crate::report::State;
use crate::run::Session;
use crate::runs::folder::{Folder, METRICS, SUMMARY};
use crate::runs::keeper::Keeper;
use crate::runs::metrics::{self, Log};
use crate::runs::sight::Sight;
use crate::runs::spare::Spare;
use crate::runs::views::Views;
use crate::train::checkpoint::write_atomically;
use crate::train::progress::Progress;
use crate::train::replay::Broken;
use crate::train::trainer::{Epoch, Measured, Observer, Side, StepDone};
use crate::train::warnings::Warning;

/// How long a refused state waits.
const RETRY: Duration = Duration::from_secs(30);

/// Who shows a training to people.
pub trait Viewer {
    /// Whether a step that is done now would be shown.
    fn is_due(&self) -> bool;
    fn step(&mut self, done: &StepDone);
    fn epoch(&mut self, epoch: &Epoch);
    /// Something besides the figures, in words.
    fn say(&mut self, text: &str);
}

pub struct Recorder<'a> {
    folder: &'a Folder,
    log: Log,
    keeper: Keeper<'a>,
    viewer: &'a mut dyn Viewer,
    /// Set from outside where a state is wanted now.
    wanted: &'a AtomicBool,
    /// When the next state is.
    due: Instant,
    /// Why the newest state is not on disk, if it is not.
    refused: Option<Fault>,
    sight: Sight<'a>,
    views: Views,
    /// Whether the views could be written.
    is_shown: bool,
    /// Where states go that the run's own disk refuses.
    spare: Option<Spare>,
    /// The copy of the run with the newest state, where that is only there.
    copy: Option<PathBuf>,
    /// Where the loss is no number, if there is such a step.
    pub broken: Option<Broken>,
}

impl<'a> Recorder<'a> {
    pub fn new(
        folder: &'a Folder,
        log: Log,
        keeper: Keeper<'a>,
        viewer: &'a mut dyn Viewer,
        wanted: &'a AtomicBool,
        sight: Sight<'a>,
        views: Views,
    ) -> Recorder<'a> {
        let due = Instant::now() + keeper.pause();
        Recorder {
            folder,
            log,
            keeper,
            viewer,
            wanted,
            due,
            refused: None,
            sight,
            views,
            is_shown: true,
            spare: None,
            copy: None,
            broken: None,
        }
    }

    /// States that the run's own disk refuses go there.
    pub fn with_spare(self, spare: Option<Spare>) -> Recorder<'a> {
        Recorder { spare, ..self }
    }

    /// Writes the summary and the last event; refuses if one of them or the newest state is not on disk.
    pub fn finish(mut self, summary: &str, event: &Value) -> Result<(), Fault> {
        let event = &self.warned(event.clone(), None);
        let summarised = write_atomically(&self.folder.join(SUMMARY), summary.as_bytes());
        let written = match self.refused.take() {
            Some(fault) => Err(fault),
            None => summarised.and_then(|()| self.log.append(event)),
        };
        self.sight.settle(event["test.epoch"].as_u64().unwrap_or_default() as usize);
        let state = if event["ended"] == "interrupted" { State::Stopped } else { State::Finished };
        self.show(event.clone(), state);
        written.map_err(|fault| {
            let run = self.folder.path().display();
            let fault = Fault { remedies: Vec::new(), ..fault };
            if let Some(copy) = &self.copy {
                let copy = copy.display();
                return fault
                    .note(format!("the weights and the newest state are in {copy}"))
                    .advise(format!("`dslc resume {copy}`: it makes up for what is missing"));
            }
            fault
                .advise(format!(
                    "`dslc resume {run}` once the folder can be written to: it makes up for what is missing"
                ))
                .advise(format!("`cp -r {run} DIR` onto another disk, then `dslc resume DIR`"))
        })
    }

    /// Tells the viewer something in words.
    pub fn say(&mut self, text: &str) {
        self.viewer.say(text);
    }

    /// Writes that the training ended with a fault.
    pub fn fail(&mut self, fault: &Fault) {
        let event = json!({ "event": "failed", "code": fault.code, "message": fault.message });
        // The fault itself is what the user sees.
        let _ = self.log.append(&event);
        self.show(event, State::Failed);
    }

    /// Shows an event. A disk that refuses it is reported once.
    fn show(&mut self, event: Value, state: State) {
        let shown = self.views.show(self.folder.path(), event, state, &self.sight.details);
        if let Err(fault) = &shown
            && self.is_shown
        {
            self.viewer.say(&format!("{}; training continues", fault.message));
        }
        self.is_shown = shown.is_ok();
    }

    /// Tells the viewer what there is to warn of after an epoch, or after the test, and adds it to the event.
    fn warned(&mut self, mut event: Value, epoch: Option<&Epoch>) -> Value {
        let warnings = self.sight.warnings(epoch);
        for Warning { code, message, advice } in &warnings {
            let advice: String = advice.iter().map(|advice| format!("\n  try: {advice}")).collect();
            self.viewer.say(&format!("warning[{code}]: {message}{advice}"));
        }
        if !warnings.is_empty() {
            let told = |Warning { code, message, advice }: &Warning| json!({ "code": code, "message": message, "advice": advice });
            event["warnings"] = warnings.iter().map(told).collect();
        }
        event
    }

    /// Looks at what the epoch left. A look that fails is the last one.
    fn look(&mut self, epoch: usize, step: u64, session: &Session) {
        self.sight.settle(epoch);
        if let Err(fault) = self.sight.look(session, epoch, step) {
            self.viewer
                .say(&format!("the layers cannot be looked at: {}; training continues", fault.message));
            self.sight.close_probe();
        }
    }

    /// Writes a copy of the run elsewhere, if there is a place for it.
    fn save_elsewhere(&mut self, progress: &Progress, session: &Session) -> Result<(), Fault> {
        let Recorder { spare, keeper, log, .. } = self;
        let Some(spare) = spare else { return Ok(()) };
        let lines = log.whole();
        let copy = spare.write(|place| {
            let metrics = place.join(METRICS);
            std::fs::write(&metrics, lines).map_err(|e| {
                Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", metrics.display()))
            })?;
            keeper.copy_to(place, progress, session)
        });
        self.copy = Some(copy?.to_owned());
        Ok(())
    }

    /// Notes whether the newest state is on disk.
    fn settle(&mut self, saved: Result<(), Fault>, progress: &Progress, session: &Session) {
        let elsewhere = match saved {
            Ok(()) => Ok(()),
            Err(_) => {
                self.copy = None;
                self.save_elsewhere(progress, session)
            }
        };
        let now = Instant::now();
        match saved {
            Ok(()) => {
                if self.refused.take().is_some() {
                    self.viewer.say("saving works again: the state is on disk");
                }
                self.copy = None;
                self.due = now + self.keeper.pause();
            }
            Err(fault) => {
                let seconds = RETRY.as_secs();
                let copy = match (elsewhere, &self.copy) {
                    (Err(also), _) => format!("\n  {also}"),
                    (Ok(()), Some(copy)) => format!("\n  saved in {} instead", copy.display()),
                    (Ok(()), None) => String::new(),
                };
                self.viewer
                    .say(&format!("{fault}{copy}\n  training continues; the next attempt is in {seconds} s"));
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

    fn broke(&mut self, broken: Broken) {
        self.broken = Some(broken);
    }

    fn last_step(&mut self, side: Side, session: &Session) -> Result<(), Fault> {
        self.sight.last_step(side, session)
    }

    fn wants_answers(&self) -> bool {
        true
    }

    fn measured(&mut self, measured: &Measured<'_>) {
        self.sight.measured(measured);
    }

    fn wants_state(&mut self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed) || Instant::now() >= self.due
    }

    fn state(&mut self, progress: &Progress, session: &Session) -> Result<(), Fault> {
        let saved = self.keeper.keep_state(progress, session);
        self.settle(saved, progress, session);
        Ok(())
    }

    fn epoch(&mut self, epoch: &Epoch, progress: &Progress, session: &Session) -> Result<(), Fault> {
        self.viewer.epoch(epoch);
        self.look(epoch.number, progress.step, session);
        let event = self.warned(metrics::event(epoch, progress.step), Some(epoch));
        if epoch.best && progress.best.is_some() {
            self.keeper.keep_best(progress, session)?;
        }
        // What cannot be written waits.
        let logged = self.log.append(&event);
        let saved = self.keeper.keep_state(progress, session).and(logged);
        self.settle(saved, progress, session);
        self.show(event, State::Running);
        Ok(())
    }
}
