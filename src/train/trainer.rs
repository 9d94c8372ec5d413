//! The loop: epochs of steps, validation after each, the best and the last weights kept, the test at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::data::loader::{self, Loader, Mode};
use crate::data::section::DataSection;
use crate::data::{Dataset, Images};
use crate::diag::{Fault, codes};
use crate::graph::Graph;
use crate::layers::lowering::STEP;
use crate::model::Model;
use crate::model::lower::IMAGES;
use crate::run::{Session, Target};
use crate::train::metrics::{Confusion, Evaluation};
use crate::train::program::{
    CORRECT, LABELS, LOSS, LOSSES, SCORES, evaluation_graph, optimized, training_graph,
};
use crate::train::schedules::{self, Progress};
use crate::train::section::{Monitor, TrainSection};

/// What is to be trained, checked before.
pub struct Job<'a> {
    pub model: &'a Model,
    pub data: &'a DataSection,
    pub train: &'a TrainSection,
}

/// What an epoch came to.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Counted from 1.
    pub number: usize,
    pub train_loss: f64,
    pub train_accuracy: f64,
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
    pub accuracy: f64,
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

/// The graphs of one session: training and evaluation, for whole batches and for what is left of an epoch.
pub struct Programs {
    pub graphs: Vec<Graph>,
    train: Vec<(usize, usize)>,
    evaluate: Vec<(usize, usize)>,
}

impl Programs {
    /// Graphs for batches of `train.batch` and for the remainders of these set sizes.
    pub fn new(
        model: &Model,
        train: &TrainSection,
        n_train: usize,
        n_evaluate: &[usize],
    ) -> Result<Programs, Fault> {
        let mut programs = Programs { graphs: Vec::new(), train: Vec::new(), evaluate: Vec::new() };
        let batch = train.batch;
        for size in [batch, n_train % batch] {
            if size == 0 || size > n_train {
                continue;
            }
            match training_graph(model, train, size).and_then(optimized) {
                Ok(graph) => {
                    let at = programs.push(graph);
                    programs.train.push((size, at));
                }
                // A last batch of one image has no variance: that batch is left out.
                Err(fault) if fault.code == codes::SINGLE_VALUE_NORM && size < batch => {}
                Err(fault) => return Err(fault),
            }
        }
        for size in std::iter::once(batch).chain(n_evaluate.iter().map(|n| n % batch)) {
            let wanted = size > 0 && n_evaluate.iter().any(|&n| n >= size);
            if wanted && !programs.evaluate.iter().any(|(own, _)| *own == size) {
                let graph = optimized(evaluation_graph(model, train, size)?)?;
                let at = programs.push(graph);
                programs.evaluate.push((size, at));
            }
        }
        Ok(programs)
    }

    fn push(&mut self, graph: Graph) -> usize {
        self.graphs.push(graph);
        self.graphs.len() - 1
    }

    fn take(&mut self) -> Vec<Graph> {
        std::mem::take(&mut self.graphs)
    }
}

fn graph_for(programs: &[(usize, usize)], size: usize) -> Option<usize> {
    programs.iter().find(|(own, _)| *own == size).map(|(_, graph)| *graph)
}

/// Trains, and evaluates on the test images at the end; `interrupt` stops it after the current step.
pub fn train(
    job: &Job<'_>,
    dataset: &Dataset,
    interrupt: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<(Session, Outcome), Fault> {
    let (data, train) = (job.data, job.train);
    let (train_images, validation_images) = loader::split(data, dataset.train.len(), train.seed)?;
    if train_images.is_empty() {
        return Err(Fault::new(codes::DATA_FILE, "the data set has no training images"));
    }
    let sizes = [validation_images.len(), dataset.test.len()];
    let mut programs = Programs::new(job.model, train, train_images.len(), &sizes)?;
    let mut session = Session::new(programs.take(), Target::Cpu, train.seed)?;
    let images = Loader::new(data, &dataset.train)?;

    let batches = train_images.chunks(train.batch).filter(|b| graph_for(&programs.train, b.len()).is_some());
    let steps_per_epoch = batches.count() as u64;
    let total = steps_per_epoch * train.epochs as u64;
    let mut epochs: Vec<Epoch> = Vec::new();
    let (mut step, mut best, mut since_best) = (0u64, None, 0usize);
    let (mut all_seconds, mut all_images) = (0.0, 0usize);
    let mut ended = Ended::Complete;
    for number in 1..=train.epochs {
        let order = loader::epoch_order(&train_images, train.seed, number as u32);
        let begin = Instant::now();
        let (mut loss_sum, mut correct, mut seen, mut learning_rate) = (0.0, 0.0, 0usize, 0.0);
        for batch in order.chunks(train.batch) {
            let Some(graph) = graph_for(&programs.train, batch.len()) else { continue };
            let progress = Progress { step, total, steps_per_epoch };
            let factor = schedules::factor(train.schedule.what, &train.schedule.args, progress)?;
            learning_rate = train.optimizer.args.number("lr")? * factor;
            write_batch(&mut session, graph, &images, batch, number as u32, Mode::Train, train.seed)?;
            session.write(graph, STEP, |out| out[0] = step as f32)?;
            for (name, value) in
                train.optimizer.what.scalars(&train.optimizer.args, learning_rate, step + 1)?
            {
                session.write(graph, name, |out| out[0] = value as f32)?;
            }
            session.step(graph)?;
            step += 1;
            let loss = f64::from(session.read(graph, LOSS)?[0]);
            if !loss.is_finite() {
                return Err(diverged(loss, number, step, learning_rate));
            }
            loss_sum += loss * batch.len() as f64;
            correct += f64::from(session.read(graph, CORRECT)?[0]);
            seen += batch.len();
            observer.step(&StepDone {
                epoch: number,
                images: seen,
                epoch_images: order.len(),
                loss: loss_sum / seen as f64,
                accuracy: correct / seen as f64,
                images_per_second: seen as f64 / positive(begin.elapsed()),
            });
            if interrupt.load(Ordering::Relaxed) {
                ended = Ended::Interrupted;
                break;
            }
        }
        let seconds = positive(begin.elapsed());
        all_seconds += seconds;
        all_images += seen;
        let validation = match validation_images.is_empty() || ended == Ended::Interrupted {
            true => None,
            false => Some(measure(&mut session, &programs, data, &dataset.train, &validation_images, train)?),
        };
        let monitor = train.early_stop.map_or(Monitor::Loss, |stop| stop.monitor);
        let score = validation.as_ref().map(|v| match monitor {
            Monitor::Loss => -v.loss,
            Monitor::Accuracy => v.accuracy,
        });
        // Without validation images the last weights count as the best.
        let is_best = match (score, best) {
            (Some(score), Some(best)) => score > best,
            (Some(_), None) => true,
            (None, _) => validation_images.is_empty(),
        };
        if is_best {
            best = score;
            since_best = 0;
        } else {
            since_best += 1;
        }
        let epoch = Epoch {
            number,
            train_loss: loss_sum / seen.max(1) as f64,
            train_accuracy: correct / seen.max(1) as f64,
            validation,
            learning_rate,
            seconds,
            images_per_second: seen as f64 / seconds,
            best: is_best,
        };
        observer.epoch(&epoch, &session, step)?;
        epochs.push(epoch);
        if ended == Ended::Interrupted {
            break;
        }
        if train.early_stop.is_some_and(|stop| since_best >= stop.patience) && number < train.epochs {
            ended = Ended::Early;
            break;
        }
    }
    let all: Vec<u32> = (0..dataset.test.len() as u32).collect();
    let test = measure(&mut session, &programs, data, &dataset.test, &all, train)?;
    let images_per_second = all_images as f64 / all_seconds.max(1e-9);
    Ok((session, Outcome { epochs, steps: step, seconds: all_seconds, images_per_second, test, ended }))
}

fn positive(duration: Duration) -> f64 {
    duration.as_secs_f64().max(1e-9)
}

fn diverged(loss: f64, epoch: usize, step: u64, learning_rate: f64) -> Fault {
    let message = format!(
        "the loss became {loss} in step {step} (epoch {epoch}), at a learning rate of {learning_rate}"
    );
    Fault::new(codes::TRAINING_NEEDS, message)
        .note("the weights of the last whole epoch are kept in the run's folder")
        .advise(format!("a smaller learning rate, such as lr={}", learning_rate / 10.0))
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
    data: &DataSection,
    images: &Images,
    indices: &[u32],
    train: &TrainSection,
) -> Result<Evaluation, Fault> {
    let loader = Loader::new(data, images)?;
    evaluate(session, &programs.evaluate, &loader, indices, data.classes(), train)
}

/// Loss, accuracy and confusions over the images at `indices`.
fn evaluate(
    session: &mut Session,
    graphs: &[(usize, usize)],
    loader: &Loader<'_>,
    indices: &[u32],
    n_classes: usize,
    train: &TrainSection,
) -> Result<Evaluation, Fault> {
    if indices.is_empty() {
        return Err(Fault::new(codes::DATA_FILE, "there are no images to measure on"));
    }
    let mut confusion = Confusion::new(n_classes);
    let (mut loss, mut correct) = (0.0f64, 0.0f64);
    for batch in indices.chunks(train.batch) {
        let graph = graph_for(graphs, batch.len())
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
        correct += session.read(graph, CORRECT)?.iter().map(|&c| f64::from(c)).sum::<f64>();
        let scores = session.read(graph, SCORES)?;
        for (scores, &label) in scores.chunks(scores.len() / batch.len()).zip(&labels) {
            confusion.add(label as usize, argmax(scores));
        }
    }
    let images = indices.len();
    Ok(Evaluation { images, loss: loss / images as f64, accuracy: correct / images as f64, confusion })
}

/// The first position of the largest number.
pub fn argmax(numbers: &[f32]) -> usize {
    (0..numbers.len()).fold(0, |best, i| if numbers[i] > numbers[best] { i } else { best })
}

/// Measures given weights on all of `images`; `load` puts the weights into the session.
pub fn evaluate_only(
    job: &Job<'_>,
    images: &Images,
    load: impl FnOnce(&mut Session) -> Result<(), Fault>,
) -> Result<Evaluation, Fault> {
    let mut programs = Programs::new(job.model, job.train, 0, &[images.len()])?;
    let mut session = Session::new(programs.take(), Target::Cpu, job.train.seed)?;
    load(&mut session)?;
    let all: Vec<u32> = (0..images.len() as u32).collect();
    measure(&mut session, &programs, job.data, images, &all, job.train)
}
