//! The outputs of a model, image by image → what is measured of a whole set.

use crate::data::sample::Task;
use crate::train::metrics::confusion::Confusion;
use crate::train::metrics::errors::Errors;
use crate::train::metrics::labels::Hits;
use crate::train::metrics::ranked::{self, Ranked};
use crate::train::metrics::{Classes, Context, Detail, Figure, How, Meter, Metric, mean};

/// What is being measured.
pub struct Tally {
    context: Context,
    metrics: Vec<&'static Metric>,
    confusion: Confusion,
    hits: Hits,
    errors: Errors,
    /// Where a metric depends on the order of the scores.
    ranked: Option<Ranked>,
    /// Those that look at every output.
    meters: Vec<(&'static Metric, Box<dyn Meter>)>,
}

/// Bytes that measuring `images` images takes: the scores of each of `n` classes or labels, where a metric ranks them.
pub fn bytes(task: Task, metrics: &[&'static Metric], n: usize, images: usize) -> u64 {
    if is_ranked(task, metrics) { (ranked::BYTES * n * images) as u64 } else { 0 }
}

fn is_ranked(task: Task, metrics: &[&'static Metric]) -> bool {
    metrics.iter().any(|metric| matches!((metric.how)(task), Some(How::Ranked(_))))
}

impl Tally {
    /// For so many images.
    pub fn new(context: Context, metrics: &[&'static Metric], images: usize) -> Tally {
        let metered = metrics.iter().filter_map(|metric| match (metric.how)(context.task)? {
            How::Metered(meter) => Some((*metric, meter(&context))),
            How::Counted(_) | How::Labels(_) | How::Numbers(_) | How::Ranked(_) => None,
        });
        let ranked = is_ranked(context.task, metrics).then(|| Ranked::new(context, images));
        let counted = match context.task {
            Task::Classes | Task::Masks => context.n,
            Task::Labels | Task::Numbers | Task::Images => 0,
        };
        Tally {
            context,
            metrics: metrics.to_vec(),
            confusion: Confusion::new(counted),
            hits: Hits::new(&context),
            errors: Errors::new(context.n),
            ranked,
            meters: metered.collect(),
        }
    }

    /// Whether [`Tally::add`] must see the model's output for each image; the classes that were found are enough otherwise.
    pub fn wants_outputs(&self) -> bool {
        self.context.task != Task::Classes || self.ranked.is_some() || !self.meters.is_empty()
    }

    /// The class of an image, and the one that was found.
    pub fn found(&mut self, truth: usize, predicted: usize) {
        self.confusion.add(truth, predicted);
    }

    /// The model's output for an image, and what it should be.
    pub fn add(&mut self, output: &[f32], target: &[f32]) {
        match self.context.task {
            Task::Masks => self.confusion.add_pixels(output, target),
            Task::Labels => self.hits.add(output, target),
            Task::Numbers => self.errors.add(output, target),
            Task::Classes | Task::Images => {}
        }
        if let Some(ranked) = &mut self.ranked {
            ranked.add(output, target);
        }
        self.meters.iter_mut().for_each(|(_, meter)| meter.add(output, target));
    }

    /// What came out, in the order of the metrics. One that is not defined, as of classes that are not there, is left out.
    pub fn figures(&self) -> Vec<Figure> {
        let value = |metric: &&'static Metric| match (metric.how)(self.context.task)? {
            How::Counted(of) => of(&self.confusion),
            How::Labels(of) => mean(self.hits.scores().iter().filter_map(of)),
            How::Numbers(of) => mean(self.errors.scores().iter().filter_map(of)),
            How::Ranked(of) => mean(self.ranked.as_ref()?.each(of)),
            How::Metered(_) => self.meters.iter().find(|(own, _)| std::ptr::eq(*own, *metric))?.1.value(),
        };
        let figure = |metric: &&'static Metric| Some(Figure { metric, value: value(metric)? });
        self.metrics.iter().filter_map(figure).collect()
    }

    /// The classes that were found.
    pub fn classes(&self, accuracy: f64) -> Option<Classes> {
        (self.context.task == Task::Classes).then(|| Classes { accuracy, confusion: self.confusion.clone() })
    }

    /// What is told label by label, number by number or class by class.
    pub fn detail(&self) -> Detail {
        match self.context.task {
            Task::Classes | Task::Images => Detail::None,
            Task::Labels => Detail::Labels(self.hits.scores()),
            Task::Numbers => Detail::Numbers(self.errors.scores()),
            Task::Masks => Detail::Pixels(self.confusion.clone()),
        }
    }
}
