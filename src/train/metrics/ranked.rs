//! Scores of each class or label over all images, for what depends on their order alone.

use crate::data::sample::Task;
use crate::train::metrics::Context;

/// For each class or label the scores of all images, and whether it holds.
#[derive(Clone, Debug)]
pub struct Ranked {
    context: Context,
    each: Vec<Scores>,
}

#[derive(Clone, Debug)]
struct Scores {
    numbers: Vec<f32>,
    holds: Vec<bool>,
}

/// Bytes that the scores of one class or label take for each image.
pub const BYTES: usize = size_of::<f32>() + size_of::<bool>();

impl Ranked {
    /// For so many images.
    pub fn new(context: Context, images: usize) -> Ranked {
        let none = || Scores { numbers: Vec::with_capacity(images), holds: Vec::with_capacity(images) };
        Ranked { context, each: (0..context.n).map(|_| none()).collect() }
    }

    /// The model's output for an image, and what it should be. Classes are ranked by their probability, kept as its logarithm: so
    /// even those next to 1 stay apart.
    pub fn add(&mut self, output: &[f32], target: &[f32]) {
        match self.context.task {
            Task::Classes => {
                let class = target.first().map_or(0, |&class| class as usize);
                let logarithms = self.context.shares(output).into_iter().map(|p| p.ln() as f32);
                self.push(logarithms.enumerate().map(|(at, score)| (score, at == class)));
            }
            Task::Labels | Task::Numbers | Task::Masks | Task::Images => {
                self.push(output.iter().zip(target).map(|(&score, &holds)| (score, holds > 0.5)));
            }
        }
    }

    fn push(&mut self, image: impl Iterator<Item = (f32, bool)>) {
        for (scores, (number, holds)) in self.each.iter_mut().zip(image) {
            scores.numbers.push(number);
            scores.holds.push(holds);
        }
    }

    /// What comes of the scores of each, from the highest on in groups of equal ones: how many hold, and how many do not.
    pub fn each(&self, of: fn(&[[u64; 2]]) -> Option<f64>) -> impl Iterator<Item = f64> {
        self.each.iter().filter_map(move |scores| {
            let mut sorted: Vec<(f32, bool)> =
                scores.numbers.iter().copied().zip(scores.holds.iter().copied()).collect();
            sorted.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
            let groups = sorted.chunk_by(|(a, _), (b, _)| a == b).map(|group| {
                let holds = group.iter().filter(|(_, holds)| *holds).count() as u64;
                [holds, group.len() as u64 - holds]
            });
            of(&groups.collect::<Vec<_>>())
        })
    }
}
