//! The loop: epochs of steps, validation after each, the best weights kept, and the test with them at the end.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::data::Dataset;
use crate::data::loader::{self, Loader, Mode};
use crate::data::section::DataSection;
use crate::diag::{Fault, codes};
use crate::graph::StateKind;
use crate::layers::lowering::STEP;
use crate::model::Model;
use crate::run::stock::Stock;
use crate::run::{Session, StateInfo, Target};
use crate::tensor::Device;
use crate::train::evaluate::evaluate;
use crate::train::feed::{self, Feed};
use crate::train::metrics::Evaluation;
use crate::train::programs::{Programs, Sizes};
use crate::train::schedules::{self, Progress};
use crate::train::section::{Monitor, TrainSection};
use crate::train::{auto_batch, budget, kept};

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
    /// Whether a step that is done now is of interest. Where steps go on while the host does something else, the others are
    /// not waited for.
    fn is_due(&self) -> bool {
        true
    }

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
    /// Bytes of memory beside what the graphs need, where somebody tells.
    spare: Option<u64>,
    /// Where the sets begin among the images that the device keeps, if it does.
    starts: Option<Vec<usize>>,
}

/// The sets of images, in the order in which a device keeps them.
const TRAIN: usize = 0;
const TEST: usize = 1;

/// A step whose numbers were not read yet.
struct Open {
    images: usize,
    step: u64,
    learning_rate: f64,
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
    programs.check_steps(job.model, sizes)?;
    let needed = budget::check(&programs.graphs, job.device, job.train.precision, available)
        .map_err(|fault| with_fitting_batch(fault, job, sizes, available))?;
    let spare = available.map(|available| available - needed);
    Ok(Prepared { job, dataset, programs, train_images, validation_images, spare, starts: None })
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

impl<'a> Prepared<'a> {
    /// Bytes that the run takes for states and values, and for images that stay on a GPU.
    pub fn bytes(&self) -> Result<u64, Fault> {
        let stock = match self.job.device {
            Device::Cuda(_) => self.stock()?.map_or(Ok(0), |stock| kept::bytes(&stock))?,
            Device::Cpu | Device::Metal(_) => 0,
        };
        Ok(budget::needed(&self.programs.graphs, self.job.device, self.job.train.precision)? + stock)
    }

    /// The images that a device keeps to make its batches itself: all of them, if it can make them and has the memory.
    fn stock(&self) -> Result<Option<Stock<'a>>, Fault> {
        let sets = [&self.dataset.train, &self.dataset.test];
        kept::stock(self.job.data, &sets, &self.programs.modes(), self.job.train.seed, self.spare)
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
        let stock = match target {
            Target::Machine(_) => self.stock()?,
            Target::Cpu | Target::Reference(_) => None,
        };
        self.starts = stock.as_ref().map(Stock::starts);
        let mut session = Session::with_stock(self.programs.take(), target, train.seed, stock)?;
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
                false => Some(self.measure(&mut session, TRAIN, &self.validation_images)?),
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
        let test = self.measure(&mut session, TEST, &all)?;
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
        let Job { train, batch: size, .. } = self.job;
        let trained = |batch: &&[u32]| self.programs.training(batch.len()).is_some();
        let steps_per_epoch = self.train_images.chunks(size).filter(trained).count() as u64;
        let total = steps_per_epoch.saturating_mul(train.epochs as u64);
        let order = loader::epoch_order(&self.train_images, train.seed, number as u32);
        let begin = Instant::now();
        let correct = train.classifies()?.then_some(0.0);
        let mut pass = Pass { correct, ..Pass::default() };
        let mut open = Vec::new();
        let way = feed::Pass { order: &order, batch: size, epoch: number as u32, mode: Mode::Train };
        self.feed(TRAIN)?.batches(
            session,
            way,
            &|images| self.programs.training(images),
            &mut |session, graph, batch| {
                let progress = Progress { step: *step, total, steps_per_epoch };
                let factor = schedules::factor(train.schedule.what, &train.schedule.args, progress)?;
                pass.learning_rate = train.optimizer.args.number("lr")? * factor;
                session.write(graph, STEP, |out| out[0] = *step as f32)?;
                let optimizer = &train.optimizer;
                for (name, value) in optimizer.what.scalars(&optimizer.args, pass.learning_rate, *step + 1)? {
                    session.write(graph, name, |out| out[0] = value as f32)?;
                }
                session.step(graph)?;
                session.note(graph)?;
                *step += 1;
                open.push(Open { images: batch.len(), step: *step, learning_rate: pass.learning_rate });
                if session.is_done() || observer.is_due() {
                    pass.settle(session, &mut open, number)?;
                    observer.step(&StepDone {
                        epoch: number,
                        images: pass.seen,
                        epoch_images: order.len(),
                        loss: pass.loss_sum / pass.seen as f64,
                        accuracy: pass.correct.map(|correct| correct / pass.seen as f64),
                        images_per_second: pass.seen as f64 / positive(begin.elapsed()),
                    });
                }
                pass.interrupted = interrupt.load(Ordering::Relaxed);
                Ok(if pass.interrupted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            },
        )?;
        pass.settle(session, &mut open, number)?;
        Ok(pass)
    }

    /// How the images of a set reach a session.
    fn feed(&self, set: usize) -> Result<Feed<'a>, Fault> {
        let images = if set == TRAIN { &self.dataset.train } else { &self.dataset.test };
        let loader = Loader::new(self.job.data, images)?;
        let stock = self.starts.as_ref().and_then(|starts| starts.get(set)).copied();
        Ok(Feed { loader, stock, seed: self.job.train.seed })
    }

    /// The larger, the better.
    fn score(&self, validation: &Evaluation) -> f64 {
        match self.job.train.early_stop.map_or(Monitor::Loss, |stop| stop.monitor) {
            Monitor::Loss => -validation.loss,
            Monitor::Accuracy => validation.accuracy().unwrap_or(f64::NAN),
        }
    }

    fn measure(&self, session: &mut Session, set: usize, indices: &[u32]) -> Result<Evaluation, Fault> {
        evaluate(session, &self.programs, &self.feed(set)?, indices, self.job)
    }
}

impl Pass {
    /// Takes in what the open steps left.
    fn settle(&mut self, session: &mut Session, open: &mut Vec<Open>, epoch: usize) -> Result<(), Fault> {
        let noted = session.noted()?;
        // The loss, and where there are classes how many were found.
        let n = 1 + usize::from(self.correct.is_some());
        if noted.len() != n * open.len() {
            return Err(Fault::internal(format!("{} numbers of {} steps", noted.len(), open.len())));
        }
        for (Open { images, step, learning_rate }, numbers) in open.drain(..).zip(noted.chunks_exact(n)) {
            let loss = f64::from(numbers[0]);
            if !loss.is_finite() {
                return Err(diverged(loss, epoch, step, learning_rate));
            }
            self.loss_sum += loss * images as f64;
            if let Some(correct) = &mut self.correct {
                *correct += f64::from(numbers[1]);
            }
            self.seen += images;
        }
        Ok(())
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
