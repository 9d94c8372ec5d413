//! Samples → loss and metrics of a session's weights.

use std::ops::ControlFlow;

use crate::data::Dataset;
use crate::data::loader::{Loader, Mode};
use crate::data::sample::Task;
use crate::diag::{Fault, codes};
use crate::run::{Backend, Session};
use crate::train::checkpoint::Weights;
use crate::train::feed::{Feed, InStock, Pass};
use crate::train::losses;
use crate::train::metrics::tally::{self, Tally};
use crate::train::metrics::{Context, Evaluation};
use crate::train::program::{HasPlain, SCORES, WANTED};
use crate::train::programs::{Programs, Sizes};
use crate::train::section::TrainSection;
use crate::train::trainer::Job;
use crate::train::worst::{Worst, Wrong};
use crate::train::{budget, further, kept};

/// Loss and metrics over the images at `indices`. The batches follow each
/// other without waiting; what they leave is read at the end.
pub fn evaluate(
    session: &mut Session,
    programs: &Programs,
    feed: &Feed<'_>,
    indices: &[u32],
    job: Job<'_>,
) -> Result<Evaluation, Fault> {
    if indices.is_empty() {
        return Err(Fault::new(codes::DATA_FILE, "there are no images to measure on"));
    }
    let train = job.train;
    let task = train.task()?;
    let mut tally = tally(feed, job, indices.len())?;
    let mut further = further::Tallies::new(train, indices.len());
    let way = Pass { order: indices, from: 0, batch: job.batch, epoch: 0, mode: Mode::Eval };
    feed.batches(session, way, &|_, images| programs.evaluation(images), &mut |session, graph, batch| {
        session.step(graph)?;
        if tally.wants_outputs() {
            add(&mut tally, session, graph, feed, batch, task)?;
        }
        further.add(session, graph, feed, batch)?;
        session.note(graph)?;
        Ok(ControlFlow::Continue(()))
    })?;
    // Of each batch the numbers of each loss, and the classes that were found where there are any to find.
    let noted = session.noted()?;
    let n_columns = programs.columns.iter().sum::<usize>();
    let n_noted = n_columns + usize::from(task == Task::Classes);
    let images = indices.len();
    if noted.len() != n_noted * images {
        return Err(Fault::internal(format!("{} numbers of {images} images", noted.len())));
    }
    let (mut sums, mut correct) = (vec![0.0f64; n_columns], 0);
    let mut worst = Worst::default();
    // The first loss, by what it weighs.
    let first = programs.columns.first().copied().unwrap_or(1);
    for (batch, noted) in indices.chunks(job.batch).zip(noted.chunks(n_noted * job.batch)) {
        let (losses, predicted) = noted.split_at(n_columns * batch.len());
        for (sum, own) in sums.iter_mut().zip(losses.chunks(batch.len())) {
            *sum += own.iter().map(|&l| f64::from(l)).sum::<f64>();
        }
        for (at, &index) in batch.iter().enumerate() {
            let predicted = predicted.get(at).copied();
            let label = feed.loader.class(index);
            let is_right = predicted == Some(label as f32);
            if let Some(class) = predicted {
                correct += usize::from(is_right);
                tally.found(label as usize, class as usize);
            }
            if !is_right {
                let weight = if first > 1 { losses[batch.len() + at].max(1e-12) } else { 1.0 };
                let predicted = predicted.map(|class| class as u32);
                worst.offer(Wrong { index, loss: losses[at] / weight, predicted });
            }
        }
    }
    let means = means(&sums, &programs.columns, images);
    let (terms, plain) = match programs.has_plain {
        HasPlain::Yes => means.split_at(means.len() - 1),
        HasPlain::No => means.split_at(means.len()),
    };
    let loss = match terms {
        [one] if losses::share(&train.loss.args) == 1.0 => *one,
        several => {
            let shares = train.all_losses().map(|loss| losses::share(&loss.args));
            let further = train.outputs.iter().map(|output| output.weight);
            shares.chain(further).zip(several).map(|(share, own)| share * own).sum()
        }
    };
    if !loss.is_finite() {
        let message = format!("the loss on {images} images is {loss}");
        let fault = Fault::new(codes::TRAINING_NEEDS, message).label("the network's outputs are not finite");
        return Err(fault.advise("a smaller learning rate"));
    }
    Ok(Evaluation {
        images,
        loss,
        plain_loss: plain.first().copied(),
        classes: tally.classes(correct as f64 / images as f64),
        figures: tally.figures(),
        detail: tally.detail(),
        worst,
        outputs: further.evaluations(&terms[train.all_losses().count().min(terms.len())..], images),
    })
}

/// The mean of each loss: over images, or over what its weights count.
fn means(sums: &[f64], columns: &[usize], images: usize) -> Vec<f64> {
    let mut sums = sums.iter();
    let mean = |&n: &usize| {
        let mut own = sums.by_ref().take(n);
        let sum = own.next().copied().unwrap_or(f64::NAN);
        match own.next() {
            // Where nothing counts, there is no loss.
            Some(weights) => sum / (weights + 1e-12),
            None => sum / images as f64,
        }
    };
    columns.iter().map(mean).collect()
}

/// Bytes that the metrics keep of all images of the larger part that they are measured on.
pub fn metric_bytes(train: &TrainSection, dataset: &Dataset) -> Result<u64, Fault> {
    let images = dataset.parts.validation.len().max(dataset.parts.test.len());
    let own = tally::bytes(train.task()?, &train.measured()?, dataset.classes().len(), images);
    let further =
        train.outputs.iter().map(|output| tally::bytes(output.task, &output.metrics, output.n, images));
    Ok(own + further.sum::<u64>())
}

/// What measures the outputs of this job on so many images.
fn tally(feed: &Feed<'_>, job: Job<'_>, images: usize) -> Result<Tally, Fault> {
    let last = job.model.last().map_or("", |last| last.unit.spec().name);
    let context = Context {
        task: job.train.task()?,
        n: feed.loader.classes().len(),
        gives_probabilities: ["softmax", "sigmoid"].contains(&last),
    };
    Ok(Tally::new(context, &job.train.measured()?, images))
}

/// Adds the outputs of a step's images.
fn add(
    tally: &mut Tally,
    session: &Session,
    graph: usize,
    feed: &Feed<'_>,
    batch: &[u32],
    task: Task,
) -> Result<(), Fault> {
    let outputs = session.read(graph, SCORES)?;
    let size = (outputs.len() / batch.len().max(1)).max(1);
    let wanted = match task {
        Task::Masks | Task::Images => session.read(graph, WANTED)?,
        Task::Classes | Task::Labels | Task::Numbers => Vec::new(),
    };
    let n_wanted = wanted.len() / batch.len().max(1);
    for (at, (output, &index)) in outputs.chunks(size).zip(batch).enumerate() {
        match task {
            Task::Classes => tally.add(output, &[feed.loader.class(index) as f32]),
            Task::Labels | Task::Numbers => tally.add(output, feed.loader.row(index)),
            Task::Masks | Task::Images => tally.add(output, &wanted[at * n_wanted..(at + 1) * n_wanted]),
        }
    }
    Ok(())
}

/// Measures given weights on the test part.
pub fn evaluate_only(job: Job<'_>, dataset: &Dataset, weights: &Weights) -> Result<Evaluation, Fault> {
    let backend = job.backend();
    evaluate_on(job, dataset, weights, &*backend, backend.available())
}

/// The same on a backend with so many bytes; `None` is as many as are needed.
pub fn evaluate_on(
    job: Job<'_>,
    dataset: &Dataset,
    weights: &Weights,
    backend: &dyn Backend,
    available: Option<u64>,
) -> Result<Evaluation, Fault> {
    let test = &dataset.parts.test;
    let sizes = Sizes { train: 0, evaluated: [test.len(), 0] };
    let mut programs = Programs::new(job.model, job.train, job.batch, sizes)?;
    programs.graphs.iter().try_for_each(|graph| weights.fit(graph))?;
    let compiled = budget::fit(backend.compile(programs.take())?, available)?;
    let seed = job.train.seed;
    let spare = available.map(|available| available - compiled.bytes());
    let stock = match compiled.keeps_images() {
        true => kept::stock(job.data, dataset, &programs.modes(), seed, spare)?,
        false => None,
    };
    let in_stock = if stock.is_some() { InStock::Yes } else { InStock::No };
    let mut session = compiled.bare(stock)?;
    weights.load(&mut session)?;
    let feed = Feed { loader: Loader::new(job.data, &dataset.samples)?, in_stock, seed, mix: None };
    evaluate(&mut session, &programs, &feed, test, job)
}
