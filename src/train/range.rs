//! A training at rising learning rates → the loss at each, and the rate that the curve recommends (Smith, 2017).

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::loader::Mode;
use crate::data::parts::training_order;
use crate::diag::{Fault, codes};
use crate::layers::lowering::STEP;
use crate::train::feed::Pass;
use crate::train::numbers::{Numbers, Place};
use crate::train::prepared::Prepared;

/// Which rates are tried, one a step, each so many times the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub from: f64,
    pub to: f64,
    pub steps: usize,
}

/// What came of a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tried {
    pub rates: Vec<f64>,
    /// Of the step at each rate, before its update.
    pub losses: Vec<f64>,
    /// Their running means.
    pub means: Vec<f64>,
    /// Whether the losses ended it: the last mean is far above the least, or the last loss is no number.
    pub ended_by_losses: bool,
}

/// How much of a running mean stays in a step, as in fastai.
const KEEP: f64 = 0.98;
/// A mean so many times the least one ends the range,
const FAR: f64 = 4.0;
/// behind so many steps.
const LEAST_STEPS: usize = 10;

impl Range {
    /// The rate of a step.
    pub fn rate(&self, step: usize) -> f64 {
        let share = step as f64 / self.steps.saturating_sub(1).max(1) as f64;
        self.from * (self.to / self.from).powf(share)
    }
}

impl Tried {
    /// The rate in the middle of the longest fall of the mean, one third and one sixth behind its beginning: fastai's `valley`.
    /// `None` where the means do not fall.
    pub fn suggested(&self) -> Option<f64> {
        let first = self.means.len() / 10;
        let last = self.means.len().saturating_sub(5).max(first);
        let means = &self.means[first..last];
        let at = valley(means)?;
        self.rates.get(first + at).copied()
    }
}

fn valley(means: &[f64]) -> Option<usize> {
    let mut falls = vec![1usize; means.len()];
    let mut end = 0;
    for i in 1..means.len() {
        for j in 0..i {
            if means[i] < means[j] && falls[i] < falls[j] + 1 {
                falls[i] = falls[j] + 1;
            }
        }
        if falls[end] < falls[i] {
            end = i;
        }
    }
    let length = *falls.get(end)?;
    if length < 3 {
        return None;
    }
    let third = (length as f64 / 3.0) as usize;
    Some((end + 1).saturating_sub(length) + third + third / 2)
}

impl Prepared<'_> {
    /// Takes a step at each rate of the range, or until the losses rise far above their least; `interrupt` ends it, too. What
    /// was learnt is dropped.
    pub fn range(self, range: Range, interrupt: &AtomicBool) -> Result<Tried, Fault> {
        let Prepared { course, compiled, .. } = self;
        let job = course.job;
        let lr = job.train.optimizer.args.number("lr")?;
        if lr <= 0.0 {
            let fault = Fault::new(codes::TRAINING_NEEDS, "a learning rate of 0 has no range");
            return Err(fault.advise("`lr` above 0: the rates of groups keep their ratio to it"));
        }
        let mut session = compiled.start(job.train.seed)?;
        let feed = course.feed()?;
        let numbers = Numbers::of(job.model, job.train);
        let (mut tried, mut mean, mut epoch) = (Tried::default(), 0.0, 0);
        while tried.rates.len() < range.steps && !tried.ended_by_losses {
            epoch += 1;
            let before = tried.rates.len();
            let order = training_order(job.data, course.dataset, job.train.seed, epoch)?;
            let way = Pass { order: &order, from: 0, batch: job.batch, epoch, mode: Mode::Train };
            let graph = |_: usize, images: usize| course.programs.training(images);
            feed.batches(&mut session, way, &graph, &mut |session, graph, batch| {
                let step = tried.rates.len();
                let rate = range.rate(step);
                session.write(graph, STEP, |out| out[0] = step as f32)?;
                let place = Place { factor: rate / lr, momentum: None };
                for (name, value) in numbers.at(place, step as u64 + 1, batch.len())? {
                    session.write(graph, &name, |out| out[0] = value as f32)?;
                }
                session.step(graph)?;
                session.note(graph)?;
                let loss = session.noted()?.first().copied().map_or(f64::NAN, f64::from);
                mean = KEEP * mean + (1.0 - KEEP) * loss;
                tried.push(rate, loss, mean / (1.0 - KEEP.powi(step as i32 + 1)));
                let done = tried.ended_by_losses || tried.rates.len() >= range.steps;
                let stop = done || interrupt.load(Ordering::Relaxed);
                Ok(if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if interrupt.load(Ordering::Relaxed) || tried.rates.len() == before {
                break;
            }
        }
        Ok(tried)
    }
}

impl Tried {
    fn push(&mut self, rate: f64, loss: f64, mean: f64) {
        if !mean.is_finite() {
            self.ended_by_losses = true;
            return;
        }
        let least = self.means.iter().copied().fold(mean, f64::min);
        self.rates.push(rate);
        self.losses.push(loss);
        self.means.push(mean);
        self.ended_by_losses = self.means.len() > LEAST_STEPS && mean > FAR * least;
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, Tried, valley};

    #[test]
    fn the_rate_rises_by_one_factor() {
        let range = Range { from: 1e-4, to: 1.0, steps: 5 };
        let rates: Vec<f64> = (0..5).map(|step| range.rate(step)).collect();
        for (rate, expected) in rates.iter().zip([1e-4, 1e-3, 1e-2, 1e-1, 1.0]) {
            assert!((rate / expected - 1.0).abs() < 1e-12);
        }
    }

    /// A flat beginning, a fall from 40 to 70, and a rise.
    #[test]
    fn the_middle_of_the_fall_is_recommended() {
        let loss = |step: usize| match step {
            0..40 => 2.3,
            40..70 => 2.3 - 0.05 * (step - 40) as f64,
            _ => 0.85 + 0.3 * (step - 70) as f64,
        };
        let range = Range { from: 1e-7, to: 10.0, steps: 90 };
        let mut tried = Tried::default();
        (0..90).for_each(|step| tried.push(range.rate(step), loss(step), loss(step)));
        let step = (0..90).find(|&step| Some(range.rate(step)) == tried.suggested()).unwrap();
        assert!((48..62).contains(&step), "step {step}");
        assert_eq!(valley(&[1.0, 1.0, 2.0]), None);
        assert_eq!(valley(&[]), None);
    }
}
