//! What was taken for what: counts of (true class, predicted class), of images or of pixels.

use serde::Serialize;

/// Counts of (true class, predicted class).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confusion {
    n_classes: usize,
    counts: Vec<u64>,
}

/// How well one class is found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// Images of this class.
    pub support: u64,
    /// Of the images called this class, the share that is; `None` where none was called so.
    pub precision: Option<f64>,
    /// Of the images of this class, the share called so; `None` where there are none.
    pub recall: Option<f64>,
}

/// How two areas are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// What is in both over what is in one of them.
    Union,
    /// Twice what is in both over the sum of the areas.
    Dice,
}

impl ClassScore {
    /// The harmonic mean of precision and recall; `None` where neither is known.
    pub fn f1(&self) -> Option<f64> {
        match (self.precision, self.recall) {
            (None, None) => None,
            (Some(p), Some(r)) if p + r > 0.0 => Some(2.0 * p * r / (p + r)),
            (Some(_) | None, Some(_) | None) => Some(0.0),
        }
    }
}

impl Confusion {
    pub fn new(n_classes: usize) -> Confusion {
        Confusion { n_classes, counts: vec![0; n_classes * n_classes] }
    }

    /// Counts one image; classes beyond the matrix are passed over.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        if truth < self.n_classes && predicted < self.n_classes {
            self.counts[truth * self.n_classes + predicted] += 1;
        }
    }

    /// Counts the pixels of one image: `output` has a map a class, `target` the class of each pixel.
    pub fn add_pixels(&mut self, output: &[f32], target: &[f32]) {
        let plane = target.len();
        for (at, &truth) in target.iter().enumerate() {
            let mut best = 0;
            for class in 1..self.n_classes {
                if output[class * plane + at] > output[best * plane + at] {
                    best = class;
                }
            }
            self.add(truth as usize, best);
        }
    }

    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.n_classes + predicted]
    }

    /// All that was counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn truth(&self, class: usize) -> u64 {
        (0..self.n_classes).map(|predicted| self.count(class, predicted)).sum()
    }

    fn called(&self, class: usize) -> u64 {
        (0..self.n_classes).map(|truth| self.count(truth, class)).sum()
    }

    pub fn class(&self, class: usize) -> ClassScore {
        let hits = self.count(class, class);
        let (support, called) = (self.truth(class), self.called(class));
        let share = |of: u64| (of > 0).then(|| hits as f64 / of as f64);
        ClassScore { support, precision: share(called), recall: share(support) }
    }

    /// How much what is of a class and what was called so have in common; `None` where there is neither.
    pub fn overlap(&self, class: usize, overlap: Overlap) -> Option<f64> {
        let hits = self.count(class, class);
        let both = self.truth(class) + self.called(class);
        let (above, below) = match overlap {
            Overlap::Union => (hits, both - hits),
            Overlap::Dice => (2 * hits, both),
        };
        (below > 0).then(|| above as f64 / below as f64)
    }

    /// Agreement beyond chance, where an answer weighs so much; `None` where chance is never wrong.
    pub fn kappa(&self, weight: impl Fn(usize, usize) -> f64) -> Option<f64> {
        let all = self.total() as f64;
        let truths: Vec<f64> = (0..self.n_classes).map(|class| self.truth(class) as f64).collect();
        let calls: Vec<f64> = (0..self.n_classes).map(|class| self.called(class) as f64).collect();
        let (mut counted, mut chance) = (0.0, 0.0);
        for (truth, truths) in truths.iter().enumerate() {
            for (called, calls) in calls.iter().enumerate() {
                let weight = weight(truth, called);
                counted += weight * self.count(truth, called) as f64;
                chance += weight * truths * calls / all.max(1.0);
            }
        }
        (chance > 0.0).then(|| 1.0 - counted / chance)
    }
}

#[cfg(test)]
mod tests {
    use super::Confusion;

    #[test]
    fn precision_and_recall_follow_their_definitions() {
        let mut confusion = Confusion::new(3);
        for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 0), (2, 2)] {
            confusion.add(truth, predicted);
        }
        let zero = confusion.class(0);
        assert_eq!((zero.support, zero.precision, zero.recall), (3, Some(2.0 / 3.0), Some(2.0 / 3.0)));
        let one = confusion.class(1);
        assert_eq!((one.precision, one.recall), (Some(0.5), Some(0.5)));
        assert_eq!(Confusion::new(2).class(0).precision, None);
    }
}
