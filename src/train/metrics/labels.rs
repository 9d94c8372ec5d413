//! How well each of several labels is found, where its probability is above one half.

use crate::train::metrics::Context;
use crate::train::metrics::confusion::ClassScore;

/// Counts of each label: found and right, found and wrong, missed.
#[derive(Clone, Debug)]
pub struct Hits {
    counts: Vec<[u64; 3]>,
    /// The number above which a label is found.
    above: f32,
}

impl Hits {
    pub fn new(context: &Context) -> Hits {
        Hits { counts: vec![[0; 3]; context.n], above: if context.gives_probabilities { 0.5 } else { 0.0 } }
    }

    pub fn add(&mut self, output: &[f32], target: &[f32]) {
        for ((counts, &number), &holds) in self.counts.iter_mut().zip(output).zip(target) {
            match (number > self.above, holds > 0.5) {
                (true, true) => counts[0] += 1,
                (true, false) => counts[1] += 1,
                (false, true) => counts[2] += 1,
                (false, false) => {}
            }
        }
    }

    pub fn scores(&self) -> Vec<ClassScore> {
        let score = |&[hits, wrong, missed]: &[u64; 3]| {
            let share = |of: u64| (of > 0).then(|| hits as f64 / of as f64);
            ClassScore {
                support: hits + missed,
                precision: share(hits + wrong),
                recall: share(hits + missed),
            }
        };
        self.counts.iter().map(score).collect()
    }
}
