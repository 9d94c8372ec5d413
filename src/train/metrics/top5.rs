//! `top5`: the share of images whose right class is among the five highest scores.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::{Better, How, Metric, Shown};
use crate::train::metrics::{Context, Meter};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Share, how };

static SPEC: Spec = Spec {
    name: "top5",
    summary: "share of images whose right class is among the five highest scores",
    docs: "If scores tie, earlier classes come first.",
    params: &[],
    example: "metrics top5",
    elsewhere: &["top_5", "top5_accuracy", "top_k", "TopKCategoricalAccuracy", "top_k_accuracy"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Classes => Some(How::Metered(top5)),
        Task::Labels | Task::Numbers | Task::Masks | Task::Images => None,
    }
}

fn top5(_context: &Context) -> Box<dyn Meter> {
    Box::<Top>::default()
}

#[derive(Default)]
struct Top {
    images: u64,
    found: u64,
}

impl Meter for Top {
    fn add(&mut self, output: &[f32], target: &[f32]) {
        let class = target.first().map_or(0, |&class| class as usize);
        let Some(&own) = output.get(class) else { return };
        let before = |(at, score): (usize, &f32)| *score > own || (*score == own && at < class);
        let rank = output.iter().enumerate().filter(|&place| before(place)).count();
        self.images += 1;
        self.found += u64::from(rank < 5);
    }

    fn value(&self) -> Option<f64> {
        (self.images > 0).then(|| self.found as f64 / self.images as f64)
    }
}
