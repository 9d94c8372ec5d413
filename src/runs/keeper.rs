//! The states of a training → files of weights in its run's folder: the newest state, those before it, and the best weights
//! that each of them knows of.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::diag::{Fault, codes};
use crate::run::Session;
use crate::runs::folder::{BEST, Folder, LAST};
use crate::runs::resume::Stopped;
use crate::train::checkpoint::{Card, Judged, Snapshot, States, save};
use crate::train::progress::Progress;
use crate::train::replay::is_finite;
use crate::train::section::Checkpointing;

pub struct Keeper<'a> {
    folder: &'a Folder,
    /// What all weights of the run have in common.
    card: Card,
    checkpointing: Checkpointing,
    /// The step of the state in [`LAST`], if that is whole.
    kept: Option<u64>,
    /// The epoch of the weights in [`BEST`], if they are the best on the validation images.
    best: Option<usize>,
    /// Best weights that could not be written yet.
    waiting: Option<(Snapshot, Card)>,
    /// The best epoch that each state of this process knows of, by its step.
    known: BTreeMap<u64, usize>,
}

impl<'a> Keeper<'a> {
    /// `stopped` is the run that continues.
    pub fn new(
        folder: &'a Folder,
        card: Card,
        checkpointing: Checkpointing,
        stopped: Option<&Stopped>,
    ) -> Keeper<'a> {
        Keeper {
            folder,
            card,
            checkpointing,
            kept: stopped.and_then(Stopped::kept),
            best: stopped.and_then(|run| run.progress().best).map(|best| best.epoch),
            waiting: None,
            known: BTreeMap::new(),
        }
    }

    /// Between a state and the next one inside an epoch.
    pub fn pause(&self) -> Duration {
        self.checkpointing.every
    }

    /// Writes the weights of the best epoch so far. A copy of what cannot be written waits for the next state, as the session's
    /// own numbers change.
    pub fn keep_best(&mut self, progress: &Progress, session: &Session) -> Result<(), Fault> {
        let (judged, card) = (Judged::of(session), self.card(progress));
        self.waiting = match self.write_best(&judged, &card) {
            Ok(()) => None,
            Err(_) => Some((Snapshot::of(&judged)?, card)),
        };
        Ok(())
    }

    /// Writes the state and the best weights that it knows of into another folder.
    pub fn copy_to(&self, place: &Path, progress: &Progress, session: &Session) -> Result<(), Fault> {
        let card = self.card(progress);
        match &self.waiting {
            Some((weights, card)) => save(&place.join(BEST), weights, card)?,
            None if progress.best.is_none() => save(&place.join(BEST), &Judged::of(session), &card)?,
            None => {
                let best = self.folder.join(BEST);
                std::fs::copy(&best, place.join(BEST)).map_err(|e| {
                    Fault::new(codes::UNWRITTEN, format!("{} cannot be copied: {e}", best.display()))
                })?;
            }
        }
        save(&place.join(LAST), session, &card)
    }

    /// Writes the state, and before it the best weights that it knows of.
    pub fn keep_state(&mut self, progress: &Progress, session: &Session) -> Result<(), Fault> {
        if !is_finite(session)? {
            // The state before it is the last one to go on from.
            return Ok(());
        }
        if let Some((weights, card)) = self.waiting.take() {
            let written = self.write_best(&weights, &card);
            self.waiting = written.is_err().then_some((weights, card));
            written?;
        }
        let card = self.card(progress);
        if progress.best.is_none() {
            save(&self.folder.join(BEST), &Judged::of(session), &card)?;
        }
        if let Some(step) = self.kept.filter(|_| self.checkpointing.keep > 1) {
            self.folder.keep_state(step)?;
        }
        save(&self.folder.join(LAST), session, &card)?;
        self.kept = Some(progress.step);
        self.known.insert(progress.step, progress.best.map_or(0, |best| best.epoch));
        self.forget();
        Ok(())
    }

    /// Writes best weights, and keeps those before for the states that know of them.
    fn write_best(&mut self, weights: &impl States, card: &Card) -> Result<(), Fault> {
        if let Some(epoch) = self.best.filter(|_| self.folder.join(BEST).exists()) {
            self.folder.keep_best(epoch)?;
        }
        save(&self.folder.join(BEST), weights, card)?;
        self.best = Some(card.epoch);
        Ok(())
    }

    /// Removes the oldest states, and the best weights that no state knows of any more. A file too many does no harm.
    fn forget(&self) {
        let states = self.folder.states();
        let (stay, go) = states.split_at(states.len().min(self.checkpointing.keep - 1));
        let known = |step: u64| self.known.get(&step).copied().unwrap_or(0);
        let oldest = stay.iter().map(|(step, _)| known(*step)).chain(self.best).min().unwrap_or(0);
        let bests = self.folder.bests();
        let unknown =
            bests.iter().filter(|(epoch, _)| *epoch < oldest as u64 || Some(*epoch as usize) == self.best);
        for (_, path) in go.iter().chain(unknown) {
            let _ = std::fs::remove_file(path);
        }
    }

    fn card(&self, progress: &Progress) -> Card {
        let epoch = progress.epochs + usize::from(progress.begun.is_some());
        Card { step: progress.step, epoch, progress: Some(progress.clone()), ..self.card.clone() }
    }
}
