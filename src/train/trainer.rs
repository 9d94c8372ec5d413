//! The loop: epochs of steps, validation after each, the best weights kept, and the test with them at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::data::loader::{self, Loader, Mode};
use crate::data::section::DataSection;
use crate::data::{Dataset, Images};
use crate::diag::{Fault, codes};
use crate::graph::StateKind;
use crate::layers::lowering::STEP;
use crate::model::Model;
use crate::model::lower::IMAGES;
use crate::run::{Session, StateInfo, Target};
use crate::tensor::Device;
use crate::train::checkpoint::Weights;
use crate::train::metrics::{Classes, Confusion, Evaluation};
use crate::train::program::{CORRECT, LABELS, LOSS, LOSSES, SCORES};
use crate::train::programs::{Programs, Sizes};
use crate::train::schedules::{self, Progress};
use crate::train::section::{Monitor, TrainSection};
use crate::train::{auto_batch, budget};

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

/// What an epoch came to.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Counted from 1.
    pub number: usize,
    pub train_loss: f64,
    /// Where there are classes to find, here and below.
    pub train_accuracy: Option<f64>,
    pub validation: Option<Evaluation>,
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

/// Who follows a run. Errors stop it.
pub trait Observer {
    fn step(&mut self, done: &StepDone);
    /// After an epoch; `session` holds its weights.
    fn epoch(&mut self, epoch: &Epoch, session: &Session, step: u64) -> Result<(), Fault>;
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub epochs: Vec<Epoch>,
    pub steps: u64,
    /// Training time without validation and test.
    pub seconds: f64,
    pub images_per_second: f64,
    /// The epoch whose weights were tested: the best one where validation images tell, else the last.
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

/// A run that fits the machine's memory and is ready to begin.
pub struct Prepared<'a> {
    job: Job<'a>,
    dataset: &'a Dataset,
    programs: Programs,
    train_images: Vec<u32>,
    validation_images: Vec<u32>,
}

/// What a pass over the training images came to.
#[derive(Default)]
struct Pass {
    loss_sum: f64,
    /// `None` where there are no classes to find.
    correct: Option<f64>,
    seen: usize,
    learning_rate: f64,
    interrupted: bool,
}

/// The weights of the best epoch so far, where validation images tell which it is.
#[derive(Default)]
struct Best {
    epoch: usize,
    score: Option<f64>,
    weights: Vec<(String, Vec<f32>)>,
}

/// Splits the images and compiles the programs; allocates nothing of what the training needs.
pub fn prepare<'a>(job: Job<'a>, dataset: &'a Dataset) -> Result<Prepared<'a>, Fault> {
    prepare_within(job, dataset, budget::available(job.device))
}

/// The same where so many bytes are available; `None` is as many as it takes.
pub fn prepare_within<'a>(
    job: Job<'a>,
    dataset: &'a Dataset,
    available: Option<u64>,
) -> Result<Prepared<'a>, Fault> {
    let (train_images, validation_images) = loader::split(job.data, dataset.train.len(), job.train.seed)?;
    if train_images.is_empty() {
        return Err(Fault::new(codes::DATA_FILE, "the data set has no training images"));
    }
    let sizes = Sizes { train: train_images.len(), evaluated: [validation_images.len(), dataset.test.len()] };
    let programs = Programs::new(job.model, job.train, job.batch, sizes)?;
    budget::check(&programs.graphs, job.device, job.train.precision, available)
        .map_err(|fault| with_fitting_batch(fault, job, sizes, available))?;
    Ok(Prepared { job, dataset, programs, train_images, validation_images })
}

/// A fault of memory with the largest batch that fits, where one does.
fn with_fitting_batch(fault: Fault, job: Job<'_>, sizes: Sizes, available: Option<u64>) -> Fault {
    let Some(limit) = available.filter(|_| fault.code == codes::TOO_BIG) else { return fault };
    let needed = |images: usize| {
        let programs = Programs::new(job.model, job.train, images, sizes)?;
        budget::needed(&programs.graphs, job.device, job.train.precision)
    };
    match auto_batch::fitting(job.batch, limit, needed) {
        Some(images) => {
            let advice = format!("`--set train.batch={images}`, the largest that fits");
            Fault { remedies: Vec::new(), ..fault }.advise(advice)
        }
        None => fault,
    }
}

impl Prepared<'_> {
    /// Bytes that the run takes for states and values.
    pub fn bytes(&self) -> Result<u64, Fault> {
        budget::needed(&self.programs.graphs, self.job.device, self.job.train.precision)
    }

    /// Trains, and evaluates on the test images at the end; `interrupt` stops it after the current step.
    pub fn train(
        self,
        interrupt: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<(Session, Outcome), Fault> {
        let target = Target::on(self.job.device, self.job.train.precision)?;
        self.train_on(target, interrupt, observer)
    }

    /// The same on a target that was made before.
    pub fn train_on(
        mut self,
        target: Target,
        interrupt: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<(Session, Outcome), Fault> {
        let train = self.job.train;
        let mut session = Session::new(self.programs.take(), target, train.seed)?;
        let mut epochs: Vec<Epoch> = Vec::new();
        let mut best = Best::default();
        let (mut step, mut all_seconds, mut all_images) = (0u64, 0.0, 0usize);
        let mut ended = Ended::Complete;
        for number in 1..=train.epochs {
            let begin = Instant::now();
            let pass = self.epoch(&mut session, number, &mut step, interrupt, observer)?;
            let seconds = positive(begin.elapsed());
            all_seconds += seconds;
            all_images += pass.seen;
            let validation = match self.validation_images.is_empty() || pass.interrupted {
                true => None,
                false => Some(self.measure(&mut session, &self.dataset.train, &self.validation_images)?),
            };
            // Without validation images the last weights count as the best.
            let is_best = match &validation {
                Some(validation) => best.challenge(number, self.score(validation), &session)?,
                None => self.validation_images.is_empty(),
            };
            let epoch = Epoch {
                number,
                train_loss: pass.loss_sum / pass.seen.max(1) as f64,
                train_accuracy: pass.correct.map(|correct| correct / pass.seen.max(1) as f64),
                validation,
                learning_rate: pass.learning_rate,
                seconds,
                images_per_second: pass.seen as f64 / seconds,
                best: is_best,
            };
            observer.epoch(&epoch, &session, step)?;
            epochs.push(epoch);
            if pass.interrupted || (interrupt.load(Ordering::Relaxed) && number < train.epochs) {
                ended = Ended::Interrupted;
                break;
            }
            let waited = number - best.epoch;
            if train.early_stop.is_some_and(|stop| waited >= stop.patience) && number < train.epochs {
                ended = Ended::Early;
                break;
            }
        }
        let mut tested = epochs.len();
        if best.epoch > 0 && best.epoch < tested {
            tested = best.epoch;
            best.weights.iter().try_for_each(|(name, numbers)| session.write_state(name, numbers))?;
        }
        let all: Vec<u32> = (0..self.dataset.test.len() as u32).collect();
        let test = self.measure(&mut session, &self.dataset.test, &all)?;
        let images_per_second = all_images as f64 / all_seconds.max(1e-9);
        let seconds = all_seconds;
        Ok((session, Outcome { epochs, steps: step, seconds, images_per_second, tested, test, ended }))
    }

    /// Every training image once, in the epoch's order.
    fn epoch(
        &self,
        session: &mut Session,
        number: usize,
        step: &mut u64,
        interrupt: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Pass, Fault> {
        let Job { data, train, batch: size, .. } = self.job;
        let images = Loader::new(data, &self.dataset.train)?;
        let trained = |batch: &&[u32]| self.programs.training(batch.len()).is_some();
        let steps_per_epoch = self.train_images.chunks(size).filter(trained).count() as u64;
        let total = steps_per_epoch.saturating_mul(train.epochs as u64);
        let order = loader::epoch_order(&self.train_images, train.seed, number as u32);
        let begin = Instant::now();
        let classifies = train.classifies()?;
        let mut pass = Pass { correct: classifies.then_some(0.0), ..Pass::default() };
        for batch in order.chunks(size) {
            let Some(graph) = self.programs.training(batch.len()) else { continue };
            let progress = Progress { step: *step, total, steps_per_epoch };
            let factor = schedules::factor(train.schedule.what, &train.schedule.args, progress)?;
            pass.learning_rate = train.optimizer.args.number("lr")? * factor;
            write_batch(session, graph, &images, batch, number as u32, Mode::Train, train.seed)?;
            session.write(graph, STEP, |out| out[0] = *step as f32)?;
            let optimizer = &train.optimizer;
            for (name, value) in optimizer.what.scalars(&optimizer.args, pass.learning_rate, *step + 1)? {
                session.write(graph, name, |out| out[0] = value as f32)?;
            }
            session.step(graph)?;
            *step += 1;
            let loss = f64::from(session.read(graph, LOSS)?[0]);
            if !loss.is_finite() {
                return Err(diverged(loss, number, *step, pass.learning_rate));
            }
            pass.loss_sum += loss * batch.len() as f64;
            if let Some(correct) = &mut pass.correct {
                *correct += f64::from(session.read(graph, CORRECT)?[0]);
            }
            pass.seen += batch.len();
            observer.step(&StepDone {
                epoch: number,
                images: pass.seen,
                epoch_images: order.len(),
                loss: pass.loss_sum / pass.seen as f64,
                accuracy: pass.correct.map(|correct| correct / pass.seen as f64),
                images_per_second: pass.seen as f64 / positive(begin.elapsed()),
            });
            if interrupt.load(Ordering::Relaxed) {
                pass.interrupted = true;
                break;
            }
        }
        Ok(pass)
    }

    /// The larger, the better.
    fn score(&self, validation: &Evaluation) -> f64 {
        match self.job.train.early_stop.map_or(Monitor::Loss, |stop| stop.monitor) {
            Monitor::Loss => -validation.loss,
            Monitor::Accuracy => validation.accuracy().unwrap_or(f64::NAN),
        }
    }

    fn measure(&self, session: &mut Session, images: &Images, indices: &[u32]) -> Result<Evaluation, Fault> {
        measure(session, &self.programs, self.job, images, indices)
    }
}

impl Best {
    /// Takes the session's weights if `score` is higher than any before.
    fn challenge(&mut self, epoch: usize, score: f64, session: &Session) -> Result<bool, Fault> {
        if score.is_nan() || self.score.is_some_and(|best| score <= best) {
            return Ok(false);
        }
        let kept = session.states().iter().filter(|state| state.kind != StateKind::Moment);
        let read = |state: &StateInfo| Ok((state.name.clone(), session.read_state(&state.name)?));
        *self = Best { epoch, score: Some(score), weights: kept.map(read).collect::<Result<_, Fault>>()? };
        Ok(true)
    }
}

fn positive(duration: Duration) -> f64 {
    duration.as_secs_f64().max(1e-9)
}

fn diverged(loss: f64, epoch: usize, step: u64, learning_rate: f64) -> Fault {
    let message = format!(
        "the loss became {loss} in step {step} (epoch {epoch}), at a learning rate of {learning_rate:.3e}"
    );
    let fault = Fault::new(codes::TRAINING_NEEDS, message).label("the steps grow without bound");
    let fault = match epoch {
        0 | 1 => fault,
        _ => fault.note(format!("the weights of epoch {} are kept in the run's folder", epoch - 1)),
    };
    fault
        .advise(format!("a smaller learning rate, such as `lr={:.0e}`", learning_rate / 10.0))
        .advise("`schedule cosine warmup=5%`, or a `batch_norm` behind each convolution")
}

fn write_batch(
    session: &mut Session,
    graph: usize,
    images: &Loader<'_>,
    batch: &[u32],
    epoch: u32,
    mode: Mode,
    seed: u64,
) -> Result<(), Fault> {
    let mut labels = vec![0.0; batch.len()];
    let mut result = Ok(());
    session.write(graph, IMAGES, |out| {
        result = images.fill(batch, epoch, mode, seed, out, &mut labels);
    })?;
    result?;
    session.write(graph, LABELS, |out| out.copy_from_slice(&labels))
}

fn measure(
    session: &mut Session,
    programs: &Programs,
    job: Job<'_>,
    images: &Images,
    indices: &[u32],
) -> Result<Evaluation, Fault> {
    let loader = Loader::new(job.data, images)?;
    evaluate(session, programs, &loader, indices, job)
}

/// Loss, and accuracy and confusions where there are classes to find, over the images at `indices`.
fn evaluate(
    session: &mut Session,
    programs: &Programs,
    loader: &Loader<'_>,
    indices: &[u32],
    job: Job<'_>,
) -> Result<Evaluation, Fault> {
    if indices.is_empty() {
        return Err(Fault::new(codes::DATA_FILE, "there are no images to measure on"));
    }
    let train = job.train;
    let classifies = train.classifies()?;
    let mut confusion = Confusion::new(job.data.classes());
    let (mut loss, mut correct) = (0.0f64, 0.0f64);
    for batch in indices.chunks(job.batch) {
        let graph = programs
            .evaluation(batch.len())
            .ok_or_else(|| Fault::internal(format!("no graph evaluates {} images", batch.len())))?;
        let mut labels = vec![0.0; batch.len()];
        let mut result = Ok(());
        session.write(graph, IMAGES, |out| {
            result = loader.fill(batch, 0, Mode::Eval, train.seed, out, &mut labels);
        })?;
        result?;
        session.write(graph, LABELS, |out| out.copy_from_slice(&labels))?;
        session.step(graph)?;
        loss += session.read(graph, LOSSES)?.iter().map(|&l| f64::from(l)).sum::<f64>();
        if !classifies {
            continue;
        }
        correct += session.read(graph, CORRECT)?.iter().map(|&c| f64::from(c)).sum::<f64>();
        let scores = session.read(graph, SCORES)?;
        for (scores, &label) in scores.chunks(scores.len() / batch.len()).zip(&labels) {
            confusion.add(label as usize, argmax(scores));
        }
    }
    let images = indices.len();
    let classes = classifies.then(|| Classes { accuracy: correct / images as f64, confusion });
    Ok(Evaluation { images, loss: loss / images as f64, classes })
}

/// The first position of the largest number.
pub fn argmax(numbers: &[f32]) -> usize {
    (0..numbers.len()).fold(0, |best, i| if numbers[i] > numbers[best] { i } else { best })
}

/// Measures given weights on all of `images`.
pub fn evaluate_only(job: Job<'_>, images: &Images, weights: &Weights) -> Result<Evaluation, Fault> {
    let sizes = Sizes { train: 0, evaluated: [images.len(), 0] };
    let mut programs = Programs::new(job.model, job.train, job.batch, sizes)?;
    programs.graphs.iter().try_for_each(|graph| weights.fit(graph))?;
    let mut session = budget::open(programs.take(), job.device, job.train.precision, job.train.seed)?;
    weights.load(&mut session)?;
    let all: Vec<u32> = (0..images.len() as u32).collect();
    measure(&mut session, &programs, job, images, &all)
}
