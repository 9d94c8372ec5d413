//! Samples → loss, accuracy and confusions of a session's weights.

use std::ops::ControlFlow;

use crate::data::Dataset;
use crate::data::loader::{Loader, Mode};
use crate::diag::{Fault, codes};
use crate::run::{Session, Target};
use crate::train::checkpoint::Weights;
use crate::train::feed::{Feed, InStock, Pass};
use crate::train::metrics::{Classes, Confusion, Evaluation};
use crate::train::programs::{Programs, Sizes};
use crate::train::trainer::Job;
use crate::train::worst::{Worst, Wrong};
use crate::train::{budget, kept};

/// Loss, and accuracy and confusions where there are classes to find, over the images at `indices`. The batches follow each
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
    let classifies = train.classifies()?;
    let way = Pass { order: indices, from: 0, batch: job.batch, epoch: 0, mode: Mode::Eval };
    feed.batches(session, way, &|_, images| programs.evaluation(images), &mut |session, graph, _| {
        session.step(graph)?;
        session.note(graph)?;
        Ok(ControlFlow::Continue(()))
    })?;
    // Of each batch the losses, and the classes that were found where there are any to find.
    let noted = session.noted()?;
    let n_noted = 1 + usize::from(classifies);
    let images = indices.len();
    if noted.len() != n_noted * images {
        return Err(Fault::internal(format!("{} numbers of {images} images", noted.len())));
    }
    let mut confusion = Confusion::new(feed.loader.classes().len());
    let (mut loss, mut correct) = (0.0f64, 0);
    let mut worst = Worst::default();
    for (batch, noted) in indices.chunks(job.batch).zip(noted.chunks(n_noted * job.batch)) {
        let (losses, predicted) = noted.split_at(batch.len());
        loss += losses.iter().map(|&l| f64::from(l)).sum::<f64>();
        for (at, &index) in batch.iter().enumerate() {
            let predicted = predicted.get(at).copied();
            let label = feed.loader.class(index);
            let is_right = predicted == Some(label as f32);
            if let Some(class) = predicted {
                correct += usize::from(is_right);
                confusion.add(label as usize, class as usize);
            }
            if !is_right {
                worst.offer(Wrong {
                    index,
                    loss: losses[at],
                    predicted: predicted.map(|class| class as u32),
                });
            }
        }
    }
    let loss = loss / images as f64;
    if !loss.is_finite() {
        let message = format!("the loss on {images} images is {loss}");
        let fault = Fault::new(codes::TRAINING_NEEDS, message).label("the network's outputs are not finite");
        return Err(fault.advise("a smaller learning rate"));
    }
    let classes = classifies.then(|| Classes { accuracy: correct as f64 / images as f64, confusion });
    Ok(Evaluation { images, loss, classes, worst })
}

/// Measures given weights on the test part.
pub fn evaluate_only(job: Job<'_>, dataset: &Dataset, weights: &Weights) -> Result<Evaluation, Fault> {
    let target = || Target::on(job.device, job.train.precision);
    evaluate_on(job, dataset, weights, target, budget::available(job.device))
}

/// The same on a target that is made once the graphs are known to fit so many bytes; `None` is as many as it takes.
pub fn evaluate_on(
    job: Job<'_>,
    dataset: &Dataset,
    weights: &Weights,
    target: impl FnOnce() -> Result<Target, Fault>,
    available: Option<u64>,
) -> Result<Evaluation, Fault> {
    let test = &dataset.parts.test;
    let sizes = Sizes { train: 0, evaluated: [test.len(), 0] };
    let mut programs = Programs::new(job.model, job.train, job.batch, sizes)?;
    programs.graphs.iter().try_for_each(|graph| weights.fit(graph))?;
    let needed = budget::check(&programs.graphs, job.device, job.train.precision, available)?;
    let target = target()?;
    let seed = job.train.seed;
    let stock = match target {
        Target::Machine(_) => {
            let spare = available.map(|available| available - needed);
            kept::stock(job.data, dataset, &programs.modes(), seed, spare)?
        }
        Target::Cpu | Target::Reference(_) => None,
    };
    let in_stock = if stock.is_some() { InStock::Yes } else { InStock::No };
    let mut session = Session::with_stock(programs.take(), target, seed, stock)?;
    weights.load(&mut session)?;
    let feed = Feed { loader: Loader::new(job.data, &dataset.samples)?, in_stock, seed, mix: None };
    evaluate(&mut session, &programs, &feed, test, job)
}
