//! `psnr`: how far images are above the noise, in decibels.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::{Better, How, Metric, Shown};
use crate::train::metrics::{Context, Meter};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Number, how };

static SPEC: Spec = Spec {
    name: "psnr",
    summary: "peak signal-to-noise ratio of images, in decibels",
    docs: "`10 log10(1 / mse)` for each image, with pixels from 0 to 1; the mean over images, where an exact match counts as 100.",
    params: &[],
    example: "metrics psnr",
    elsewhere: &["PSNR", "peak_signal_noise_ratio"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Images => Some(How::Metered(psnr)),
        Task::Classes | Task::Labels | Task::Numbers | Task::Masks => None,
    }
}

fn psnr(_context: &Context) -> Box<dyn Meter> {
    Box::<Psnr>::default()
}

#[derive(Default)]
struct Psnr {
    images: u64,
    sum: f64,
}

/// What an image counts that has no error.
const EXACT: f64 = 100.0;

impl Meter for Psnr {
    fn add(&mut self, output: &[f32], target: &[f32]) {
        let squares = output.iter().zip(target).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
        let mean = squares.sum::<f64>() / output.len().max(1) as f64;
        self.images += 1;
        self.sum += if mean > 0.0 { (-10.0 * mean.log10()).min(EXACT) } else { EXACT };
    }

    fn value(&self) -> Option<f64> {
        (self.images > 0).then(|| self.sum / self.images as f64)
    }
}
