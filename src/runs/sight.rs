//! A training and what it measures → what a page shows besides the figures of its epochs.

use crate::data::Dataset;
use crate::data::loader::middle;
use crate::data::sample::Image;
use crate::data::thumbnail::thumbnail;
use crate::diag::Fault;
use crate::report::details::{Before, Details, Inputs, Layer, Look, Mistake};
use crate::report::html::data_url;
use crate::run::Session;
use crate::train::metrics::{Classes, Confusion, Evaluation};
use crate::train::probe::{self, Moves, Probe};
use crate::train::trainer::{Epoch, Job, Measured, Part, Side};
use crate::train::warnings::{Labels, Warning, Watched, warnings};
use crate::train::worst::Wrong;

/// Watches a training.
pub struct Sight<'a> {
    job: Job<'a>,
    dataset: &'a Dataset,
    probe: Option<Probe<'a>>,
    moves: Option<Moves>,
    moved: Vec<Option<[f64; 2]>>,
    /// Measured since the last epoch.
    measured: Option<Seen>,
    evaluation: Option<(Part, Evaluation)>,
    /// What warnings are made of, and the codes of those that were told.
    labels: Labels,
    epochs: Vec<Epoch>,
    told: Vec<String>,
    /// Of the look after the last epoch.
    dead: Vec<Option<f64>>,
    pub details: Details,
}

/// What is known of a run that continues.
#[derive(Default)]
pub struct Known {
    pub details: Details,
    pub epochs: Vec<Epoch>,
    /// Codes of warnings.
    pub told: Vec<String>,
}

/// What a measurement leaves.
struct Seen {
    part: Part,
    confusion: Vec<[u64; 3]>,
    mistakes: Vec<Mistake>,
}

impl<'a> Sight<'a> {
    /// `known` is empty for a run that begins.
    pub fn new(
        job: Job<'a>,
        dataset: &'a Dataset,
        mut probe: Option<Probe<'a>>,
        known: Known,
        before: Option<Before>,
    ) -> Result<Sight<'a>, Fault> {
        let Known { mut details, epochs: known, told } = known;
        let epochs = known.len();
        details.back_to(epochs);
        if let Some(probe) = &mut probe {
            (1..=epochs).for_each(|epoch| {
                probe.is_due(epoch);
            });
        }
        details.model = job.model.name.clone();
        details.parameters = job.model.n_parameters() as u64;
        details.classes = match job.train.classifies()? {
            true => dataset.classes().to_vec(),
            false => Vec::new(),
        };
        details.before = before.or(details.before);
        if details.layers.len() != job.model.layers.len() {
            details.layers = job.model.layers.iter().map(layer).collect();
        }
        Ok(Sight {
            job,
            dataset,
            probe,
            moves: None,
            moved: Vec::new(),
            measured: None,
            evaluation: None,
            labels: Labels::of(dataset, job.data, job.train)?,
            epochs: known,
            told,
            dead: Vec::new(),
            details,
        })
    }

    pub fn last_step(&mut self, side: Side, session: &Session) -> Result<(), Fault> {
        match side {
            Side::Before => self.moves = Some(Moves::note(session)?),
            Side::Behind => {
                if let Some(moves) = self.moves.take() {
                    self.moved = moves.behind(session, self.job.model)?;
                }
            }
        }
        Ok(())
    }

    pub fn measured(&mut self, measured: &Measured<'_>) {
        let Measured { part, evaluation, answers } = measured;
        let confusion =
            evaluation.classes.as_ref().map_or_else(Vec::new, |Classes { confusion, .. }| cells(confusion));
        let worst = evaluation.worst.all().iter().enumerate();
        let mistakes =
            worst.map(|(i, wrong)| self.mistake(wrong, answers.get(i).map(Vec::as_slice))).collect();
        self.measured = Some(Seen { part: *part, confusion, mistakes });
        self.evaluation = Some((*part, (*evaluation).clone()));
    }

    fn mistake(&self, wrong: &Wrong, answer: Option<&[f32]>) -> Mistake {
        let &Wrong { index, loss, predicted } = wrong;
        let samples = &self.dataset.samples;
        let shown =
            |image: &Image| thumbnail(image).map_or_else(String::new, |(kind, bytes)| data_url(kind, &bytes));
        let output = self.job.model.output_shape.as_ref();
        let picture = answer.filter(|_| predicted.is_none()).and_then(|numbers| match output?.dims() {
            &[channels, height, width] => {
                Some(Image::of_numbers([channels, height, width], numbers.to_vec()))
            }
            _ => None,
        });
        Mistake {
            name: samples.key(index),
            truth: predicted.map(|_| samples.class(index)),
            taken: predicted,
            loss: rounded(f64::from(loss)),
            confidence: predicted.zip(answer).and_then(|(class, scores)| confidence(scores, class)),
            // An image that cannot be read any more is not shown.
            picture: middle(self.job.data, samples, index)
                .map_or_else(|_| String::new(), |image| shown(&image)),
            answer: picture.map_or_else(String::new, |image| shown(&image)),
        }
    }

    /// Takes in what was measured, with the weights of this epoch.
    pub fn settle(&mut self, epoch: usize) {
        if let Some(Seen { part, confusion, mistakes }) = self.measured.take() {
            let details = &mut self.details;
            (details.epoch, details.part) = (epoch, part.name().to_owned());
            (details.confusion, details.mistakes) = (confusion, mistakes);
        }
    }

    /// Looks into the layers after an epoch, if that is due.
    pub fn look(&mut self, session: &Session, epoch: usize, step: u64) -> Result<(), Fault> {
        let Some(probe) = self.probe.as_mut() else { return Ok(()) };
        if self.details.inputs.is_none() {
            let found = probe.inputs()?;
            self.details.inputs = Some(Inputs { mean: rounded(found.mean), spread: rounded(found.spread) });
        }
        self.dead.clear();
        if !probe.is_due(epoch) {
            return Ok(());
        }
        let look = probe.look(session, epoch, step)?;
        for (layer, time) in self.details.layers.iter_mut().zip(&look.time) {
            layer.time = time.map(rounded);
        }
        self.dead.clone_from(&look.dead);
        let of_moves =
            |which: usize| self.moved.iter().map(|own| own.map(|own| rounded(own[which]))).collect();
        self.details.look(Look {
            epoch,
            gradients: look.gradients.into_iter().map(|norm| norm.map(rounded)).collect(),
            weights: of_moves(0),
            moves: of_moves(1),
            dead: look.dead.into_iter().map(|share| share.map(rounded)).collect(),
        });
        Ok(())
    }

    /// What there is to warn of after an epoch, or after the test, and was not warned of before.
    pub fn warnings(&mut self, epoch: Option<&Epoch>) -> Vec<Warning> {
        self.epochs.extend(epoch.cloned());
        let inputs =
            self.details.inputs.map(|found| probe::Inputs { mean: found.mean, spread: found.spread });
        let found = warnings(&Watched {
            model: self.job.model,
            train: self.job.train,
            labels: &self.labels,
            epochs: &self.epochs,
            evaluation: self.evaluation.as_ref().map(|(part, evaluation)| (*part, evaluation)),
            dead: &self.dead,
            inputs,
            told: &self.told,
        });
        self.evaluation = None;
        self.told.extend(found.iter().map(|warning| warning.code.to_owned()));
        found
    }

    /// Looks into no layer any more.
    pub fn close_probe(&mut self) {
        self.probe = None;
    }
}

fn layer(instance: &crate::model::Instance) -> Layer {
    Layer {
        name: instance.name.clone(),
        output: instance.output.as_ref().map_or_else(String::new, ToString::to_string),
        parameters: instance.n_parameters() as u64,
        time: None,
    }
}

fn cells(confusion: &Confusion) -> Vec<[u64; 3]> {
    let n = confusion.n_classes();
    let all = (0..n).flat_map(|truth| (0..n).map(move |taken| (truth, taken)));
    let counted = all.map(|(truth, taken)| [truth as u64, taken as u64, confusion.count(truth, taken)]);
    counted.filter(|[_, _, count]| *count > 0).collect()
}

/// The probability of a class by the softmax of its scores.
fn confidence(scores: &[f32], class: u32) -> Option<f64> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp = |score: f32| f64::from(score - most).exp();
    let sum: f64 = scores.iter().copied().map(exp).sum();
    let share = exp(*scores.get(class as usize)?) / sum;
    share.is_finite().then(|| rounded(share))
}

/// Four significant digits, which is all that a page shows; what is none stays none.
fn rounded(x: f64) -> f64 {
    format!("{x:.3e}").parse().unwrap_or(x)
}
