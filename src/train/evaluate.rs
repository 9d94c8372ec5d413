//! Images with their classes → loss, accuracy and confusions of a session's weights.

use std::ops::ControlFlow;

use crate::data::Images;
use crate::data::loader::{Loader, Mode};
use crate::diag::{Fault, codes};
use crate::kernels::cpu::loss::argmax;
use crate::run::Session;
use crate::train::budget;
use crate::train::checkpoint::Weights;
use crate::train::feed::{Feed, Pass};
use crate::train::metrics::{Classes, Confusion, Evaluation};
use crate::train::program::{CORRECT, LOSSES, SCORES};
use crate::train::programs::{Programs, Sizes};
use crate::train::trainer::Job;

/// Loss, and accuracy and confusions where there are classes to find, over the images at `indices`.
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
    let mut confusion = Confusion::new(job.data.classes());
    let (mut loss, mut correct) = (0.0f64, 0.0f64);
    let way = Pass { order: indices, batch: job.batch, epoch: 0, mode: Mode::Eval };
    let mut measured = 0;
    feed.batches(session, way, &|images| programs.evaluation(images), &mut |session, graph, batch| {
        session.step(graph)?;
        measured += batch.len();
        loss += session.read(graph, LOSSES)?.iter().map(|&l| f64::from(l)).sum::<f64>();
        if classifies {
            correct += session.read(graph, CORRECT)?.iter().map(|&c| f64::from(c)).sum::<f64>();
            let scores = session.read(graph, SCORES)?;
            for (scores, &index) in scores.chunks(scores.len() / batch.len()).zip(batch) {
                confusion.add(feed.loader.label(index) as usize, argmax(scores));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if measured != indices.len() {
        return Err(Fault::internal(format!("no graph evaluates {} images", indices.len() - measured)));
    }
    let images = indices.len();
    let classes = classifies.then(|| Classes { accuracy: correct / images as f64, confusion });
    Ok(Evaluation { images, loss: loss / images as f64, classes })
}

/// Measures given weights on all of `images`.
pub fn evaluate_only(job: Job<'_>, images: &Images, weights: &Weights) -> Result<Evaluation, Fault> {
    let sizes = Sizes { train: 0, evaluated: [images.len(), 0] };
    let mut programs = Programs::new(job.model, job.train, job.batch, sizes)?;
    programs.graphs.iter().try_for_each(|graph| weights.fit(graph))?;
    let mut session = budget::open(programs.take(), job.device, job.train.precision, job.train.seed)?;
    weights.load(&mut session)?;
    let all: Vec<u32> = (0..images.len() as u32).collect();
    let feed = Feed { loader: Loader::new(job.data, images)?, stock: None, seed: job.train.seed };
    evaluate(&mut session, &programs, &feed, &all, job)
}
