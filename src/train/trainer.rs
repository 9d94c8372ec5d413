//! The loop: epochs of steps, validation after each, the best weights kept, and the test with them at the end.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::Dataset;
use crate::data::loader::{Loader, Mode};
use crate::data::parts::training_order;
use crate::data::section::DataSection;
use crate::diag::Fault;
use crate::graph::StateKind;
use crate::layers::lowering::STEP;
use crate::model::Model;
use crate::run::{Backend, Session, StateInfo, on};
use crate::tensor::Device;
use crate::train::checkpoint::Weights;
use crate::train::evaluate::evaluate;
use crate::train::feed::{self, Feed, InStock};
use crate::train::metrics::{Evaluation, Score};
use crate::train::numbers::{Numbers, Place};
use crate::train::pass::Pass;
use crate::train::programs::Programs;
use crate::train::progress::{Begun, Progress, Scored};
use crate::train::replay::Broken;
use crate::train::schedules;
use crate::train::section::TrainSection;
use crate::train::window::Windows;
use crate::train::worst::answers;

/// What is to be trained, checked before.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    pub model: &'a Model,
    pub data: &'a DataSection,
    pub train: &'a TrainSection,
    /// How many images a step sees.
    pub batch: usize,
    /// Where it runs.
    pub device: &'a Device,
}

impl Job<'_> {
    /// What runs it.
    pub fn backend(&self) -> Box<dyn Backend> {
        on(self.device, self.train.precision)
    }
}

/// What an epoch came to.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Counted from 1.
    pub number: usize,
    pub train_loss: f64,
    /// Where there are classes to find, here and below.
    pub train_accuracy: Option<f64>,
    pub validation: Option<Score>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Time spent in training steps, data included.
    pub seconds: f64,
    pub images_per_second: f64,
    /// Whether these are the best weights so far.
    pub best: bool,
}

/// A step that was just done.
#[derive(Clone, Copy, Debug)]
pub struct StepDone {
    pub epoch: usize,
    /// Images seen in this epoch.
    pub images: usize,
    pub epoch_images: usize,
    /// Means over the epoch so far.
    pub loss: f64,
    pub accuracy: Option<f64>,
    pub images_per_second: f64,
}

/// A part of the data that was measured, with the weights of this moment.
pub struct Measured<'a> {
    pub part: Part,
    pub evaluation: &'a Evaluation,
    /// The model's output for the first images of `evaluation.worst`.
    pub answers: Vec<Vec<f32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Validation,
    Test,
}

/// Before or behind a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    Behind,
}

/// Who follows a run. Errors stop it.
pub trait Observer {
    /// Whether a step that is done now is of interest. Where steps go on while the host does something else, the others are
    /// not waited for.
    fn is_due(&self) -> bool {
        true
    }

    fn step(&mut self, done: &StepDone);

    /// Whether the training's state is to be saved behind the step that was just done.
    fn wants_state(&mut self) -> bool {
        false
    }

    /// The state inside an epoch, because the observer wants it or the training is interrupted; `session` holds the numbers.
    fn state(&mut self, _progress: &Progress, _session: &Session) -> Result<(), Fault> {
        Ok(())
    }

    /// The loss is no number any more; the training ends.
    fn broke(&mut self, _broken: Broken) {}

    /// Around the last step of each epoch.
    fn last_step(&mut self, _side: Side, _session: &Session) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether the answers of [`Measured`] are of interest.
    fn wants_answers(&self) -> bool {
        false
    }

    /// After the validation of an epoch, in front of [`Observer::epoch`], and after the test.
    fn measured(&mut self, _measured: &Measured<'_>) {}

    /// After an epoch; `session` holds its weights.
    fn epoch(&mut self, epoch: &Epoch, progress: &Progress, session: &Session) -> Result<(), Fault>;
}

/// An earlier training to continue.
pub struct Start<'a> {
    pub progress: Progress,
    /// Every state at that point.
    pub weights: &'a Weights,
    /// The weights of `progress.best`.
    pub best: Option<&'a Weights>,
    /// The epochs behind it.
    pub epochs: Vec<Epoch>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whole epochs, those of an earlier training that was continued among them.
    pub epochs: Vec<Epoch>,
    /// The epoch behind them that was interrupted.
    pub begun: Option<Begun>,
    pub steps: u64,
    /// Training time without validation and test.
    pub seconds: f64,
    pub images_per_second: f64,
    /// The epoch whose weights were tested, counted from 1: the best one where validation images tell, else the last, which is
    /// not whole where the run was interrupted in it.
    pub tested: usize,
    pub test: Evaluation,
    pub ended: Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Complete,
    /// No new best for `patience` epochs.
    Early,
    /// The user asked for it.
    Interrupted,
}

/// What a run goes by while its session steps.
pub(in crate::train) struct Course<'a> {
    pub job: Job<'a>,
    pub dataset: &'a Dataset,
    /// Their graphs were compiled.
    pub programs: Programs,
    pub in_stock: InStock,
}

/// The weights of the best epoch so far, where validation images tell which it is.
struct Best {
    scored: Scored,
    weights: Vec<(String, Vec<f32>)>,
}

impl<'a> Course<'a> {
    /// Trains with a session that stands at its beginning, or goes on from `start`.
    pub fn train(
        self,
        mut session: Session,
        start: Option<Start<'_>>,
        interrupt: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<(Session, Outcome), Fault> {
        let train = self.job.train;
        let (mut progress, mut epochs, mut best) = (Progress::default(), Vec::new(), None);
        if let Some(start) = start {
            start.weights.load_whole(&mut session)?;
            best = Best::of(&start, &session)?;
            (progress, epochs) = (start.progress, start.epochs);
        }
        let ended = loop {
            let begun = progress.begun.take();
            if begun.is_none() {
                if let Some(ended) = ended(train, &progress) {
                    break ended;
                }
                if session.any(interrupt.load(Ordering::Relaxed))? {
                    break Ended::Interrupted;
                }
            }
            let pass = self.pass(&mut session, &mut progress, begun, interrupt, observer)?;
            if pass.interrupted {
                progress.begun = Some(pass.begun);
                observer.state(&progress, &session)?;
                break Ended::Interrupted;
            }
            let seen = pass.begun.images;
            let closed = self.close(pass, &mut progress, &mut best, &mut session, observer);
            if closed.is_err() {
                observer.broke(Broken { epoch: progress.epochs, first: seen });
            }
            let epoch = closed?;
            observer.epoch(&epoch, &progress, &session)?;
            epochs.push(epoch);
        };
        let last = progress.epochs + usize::from(progress.begun.is_some());
        let tested = best.as_ref().map_or(last, |best| best.scored.epoch);
        if let Some(best) = best.filter(|best| best.scored.epoch < last) {
            best.weights.iter().try_for_each(|(name, numbers)| session.write_state(name, numbers))?;
        }
        let test = self.measure(&mut session, Part::Test, observer)?;
        let begun = progress.begun;
        let part = begun.clone().unwrap_or_default();
        let seconds = epochs.iter().map(|epoch| epoch.seconds).sum::<f64>() + part.seconds;
        let images = epochs.iter().map(|epoch| epoch.seconds * epoch.images_per_second).sum::<f64>();
        let images_per_second = (images + part.images as f64) / seconds.max(1e-9);
        let steps = progress.step;
        Ok((session, Outcome { epochs, begun, steps, seconds, images_per_second, tested, test, ended }))
    }

    /// That of the next step.
    pub fn learning_rate(&self, progress: &Progress) -> Result<f64, Fault> {
        Ok(self.job.train.optimizer.args.number("lr")? * self.place(progress)?.factor)
    }

    /// Where the schedule stands in the next step.
    pub(in crate::train) fn place(&self, progress: &Progress) -> Result<Place, Fault> {
        let train = self.job.train;
        let steps_per_epoch = self.windows().n_updates() as u64;
        let total = steps_per_epoch.saturating_mul(train.epochs as u64);
        let plateau = progress.plateau.factor;
        let place = schedules::Progress { step: progress.step, total, steps_per_epoch, plateau };
        let (what, args) = (train.schedule.what, &train.schedule.args);
        Ok(Place {
            factor: schedules::factor(what, args, place)?,
            momentum: schedules::momentum(what, args, place)?,
        })
    }

    pub(in crate::train) fn windows(&self) -> Windows {
        let Job { train, batch, .. } = self.job;
        self.programs.windows(self.dataset.parts.train.len(), batch, train.accumulate)
    }

    /// An epoch behind its last step: measured on the validation images, and counted.
    fn close(
        &self,
        pass: Passed,
        progress: &mut Progress,
        best: &mut Option<Best>,
        session: &mut Session,
        observer: &mut dyn Observer,
    ) -> Result<Epoch, Fault> {
        let Passed { begun, seen, .. } = pass;
        progress.epochs += 1;
        let number = progress.epochs;
        let validation = match self.dataset.parts.validation.is_empty() {
            true => None,
            false => Some(self.measure(session, Part::Validation, observer)?),
        };
        // Without validation images the last weights count as the best.
        let is_best = match &validation {
            Some(validation) => {
                let scored = Scored { epoch: number, score: self.job.train.score(validation) };
                let is_best = best.as_ref().is_none_or(|best| scored.score > best.scored.score);
                if is_best {
                    *best = Some(Best::now(scored, session)?);
                }
                is_best
            }
            None => true,
        };
        progress.best = best.as_ref().map(|best| best.scored);
        if let Some(validation) = &validation {
            let schedule = &self.job.train.schedule;
            progress.plateau = schedule.what.behind(&schedule.args, progress.plateau, validation.loss)?;
        }
        let share = |sum: f64| sum / seen.max(1) as f64;
        Ok(Epoch {
            number,
            train_loss: share(begun.loss_sum),
            train_accuracy: begun.correct.map(share),
            validation: validation.as_ref().map(Score::of),
            learning_rate: begun.learning_rate,
            seconds: begun.seconds,
            images_per_second: seen as f64 / begun.seconds.max(1e-9),
            best: is_best,
        })
    }

    /// Every image of the epoch behind `progress` once, in the epoch's order; those of `begun` were seen before.
    fn pass(
        &self,
        session: &mut Session,
        progress: &mut Progress,
        begun: Option<Begun>,
        interrupt: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Passed, Fault> {
        let Job { train, batch: size, .. } = self.job;
        let number = progress.epochs + 1;
        let order = training_order(self.job.data, self.dataset, train.seed, number as u32)?;
        let correct = train.classifies()?.then_some(0.0);
        let begun = begun.unwrap_or(Begun { correct, ..Begun::default() });
        let way = feed::Pass {
            order: &order,
            from: begun.images,
            batch: size,
            epoch: number as u32,
            mode: Mode::Train,
        };
        // Where the next batch begins, in images of the epoch.
        let mut first = begun.images;
        let (windows, numbers) = (self.windows(), Numbers::of(self.job.model, train));
        let graph = |first: usize, images: usize| match windows.closes(first) {
            true => self.programs.training(images),
            false => self.programs.gathering(images),
        };
        let mut pass = Pass::new(number, begun);
        let gone = self.feed()?.batches(session, way, &graph, &mut |session, graph, batch| {
            let step = progress.step;
            let place = self.place(progress)?;
            let learning_rate = train.optimizer.args.number("lr")? * place.factor;
            // No two batches have the same random numbers.
            let drawn = windows.number(step, first);
            session.write(graph, STEP, |out| out[0] = drawn as f32)?;
            if windows.closes(first) {
                let images = windows.images_beside(first);
                for (name, value) in numbers.at(place, step + 1, images)? {
                    session.write(graph, &name, |out| out[0] = value as f32)?;
                }
                progress.step += 1;
            }
            let is_last = first / size + 1 == windows.n_batches;
            if is_last {
                observer.last_step(Side::Before, session)?;
            }
            session.step(graph)?;
            session.note(graph)?;
            if is_last {
                observer.last_step(Side::Behind, session)?;
            }
            first += batch.len();
            pass.push(batch.len(), step + 1, learning_rate);
            // All processes take in the same steps.
            if session.is_done() || session.any(observer.is_due())? {
                pass.settle(session)?;
                observer.step(&pass.done(order.len()));
            }
            pass.interrupted = session.any(interrupt.load(Ordering::Relaxed))?;
            if observer.wants_state() && !pass.interrupted {
                pass.settle(session)?;
                observer.state(&Progress { begun: Some(pass.begun()), ..progress.clone() }, session)?;
            }
            Ok(if pass.interrupted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        let gone = gone.and_then(|()| pass.settle(session));
        if let (Err(_), Some(first)) = (&gone, pass.broken) {
            observer.broke(Broken { epoch: number, first });
        }
        gone?;
        Ok(Passed { begun: pass.begun(), seen: pass.seen(), interrupted: pass.interrupted })
    }

    /// How samples reach a session.
    pub(in crate::train) fn feed(&self) -> Result<Feed<'a>, Fault> {
        let loader = Loader::new(self.job.data, &self.dataset.samples)?;
        let train = self.job.train;
        Ok(Feed { loader, in_stock: self.in_stock, seed: train.seed, mix: train.mix.as_ref() })
    }

    fn measure(
        &self,
        session: &mut Session,
        part: Part,
        observer: &mut dyn Observer,
    ) -> Result<Evaluation, Fault> {
        let indices = match part {
            Part::Validation => &self.dataset.parts.validation,
            Part::Test => &self.dataset.parts.test,
        };
        let feed = self.feed()?;
        let evaluation = evaluate(session, &self.programs, &feed, indices, self.job)?;
        let answers = match observer.wants_answers() {
            true => answers(session, &self.programs, &feed, &evaluation.worst)?,
            false => Vec::new(),
        };
        observer.measured(&Measured { part, evaluation: &evaluation, answers });
        Ok(evaluation)
    }
}

/// What a pass over the training images came to.
struct Passed {
    begun: Begun,
    seen: usize,
    interrupted: bool,
}

/// How a training ends that stands between two epochs, if it does.
pub fn ended(train: &TrainSection, progress: &Progress) -> Option<Ended> {
    let waited = progress.epochs - progress.best.map_or(0, |best| best.epoch);
    if progress.epochs >= train.epochs {
        return Some(Ended::Complete);
    }
    train.early_stop.is_some_and(|stop| waited >= stop.patience).then_some(Ended::Early)
}

impl Best {
    fn now(scored: Scored, session: &Session) -> Result<Best, Fault> {
        let kept = session.states().iter().filter(|state| state.kind != StateKind::Moment);
        let read = |state: &StateInfo| Ok((state.name.clone(), session.read_state(&state.name)?));
        Ok(Best { scored, weights: kept.map(read).collect::<Result<_, Fault>>()? })
    }

    /// That of an earlier training.
    fn of(start: &Start<'_>, session: &Session) -> Result<Option<Best>, Fault> {
        let Some(scored) = start.progress.best else { return Ok(None) };
        let best = start.best.ok_or_else(|| Fault::internal("the best weights were not given"))?;
        let kept = session.states().iter().filter(|state| state.kind != StateKind::Moment);
        let read = |state: &StateInfo| {
            Some((state.name.clone(), best.state(state).transpose()?)).map(|(name, found)| Ok((name, found?)))
        };
        Ok(Some(Best { scored, weights: kept.filter_map(read).collect::<Result<_, Fault>>()? }))
    }
}
