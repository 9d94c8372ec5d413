//! The outputs of a model, image by image → what is measured of a whole set.

use crate::data::sample::Task;
use crate::train::metrics::confusion::Confusion;
use crate::train::metrics::errors::Errors;
use crate::train::metrics::labels::Hits;
use crate::train::metrics::{Classes, Context, Detail, Figure, How, Meter, Metric, mean};

/// What is being measured.
pub struct Tally {
    context: Context,
    metrics: Vec<&'static Metric>,
    confusion: Confusion,
    hits: Hits,
    errors: Errors,
    /// Those that look at every output.
    meters: Vec<(&'static Metric, Box<dyn Meter>)>,
}

impl Tally {
    pub fn new(context: Context, metrics: &[&'static Metric]) -> Tally {
        let metered = metrics.iter().filter_map(|metric| match (metric.how)(context.task)? {
            How::Metered(meter) => Some((*metric, meter(&context))),
            How::Counted(_) | How::Labels(_) | How::Numbers(_) => None,
        });
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
            meters: metered.collect(),
        }
    }

    /// Whether [`Tally::add`] must see the model's output for each image; the classes that were found are enough otherwise.
    pub fn wants_outputs(&self) -> bool {
        self.context.task != Task::Classes || !self.meters.is_empty()
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
        self.meters.iter_mut().for_each(|(_, meter)| meter.add(output, target));
    }

    /// What came out, in the order of the metrics. One that is not defined, as of classes that are not there, is left out.
    pub fn figures(&self) -> Vec<Figure> {
        let value = |metric: &&'static Metric| match (metric.how)(self.context.task)? {
            How::Counted(of) => of(&self.confusion),
            How::Labels(of) => mean(self.hits.scores().iter().filter_map(of)),
            How::Numbers(of) => mean(self.errors.scores().iter().filter_map(of)),
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
