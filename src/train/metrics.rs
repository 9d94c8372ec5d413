//! What is measured on a set of images: loss, accuracy, and per class precision, recall and confusions.

use serde::Serialize;

use crate::train::worst::Worst;

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

    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.n_classes + predicted]
    }

    pub fn class(&self, class: usize) -> ClassScore {
        let hits = self.count(class, class);
        let support: u64 = (0..self.n_classes).map(|predicted| self.count(class, predicted)).sum();
        let called: u64 = (0..self.n_classes).map(|truth| self.count(truth, class)).sum();
        let share = |of: u64| (of > 0).then(|| hits as f64 / of as f64);
        ClassScore { support, precision: share(called), recall: share(support) }
    }
}

/// What an [`Evaluation`] comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean loss of an image.
    pub loss: f64,
    /// Share of the images whose class was found; `None` where the model gives images.
    pub accuracy: Option<f64>,
}

impl Score {
    pub fn of(evaluation: &Evaluation) -> Score {
        Score { loss: evaluation.loss, accuracy: evaluation.accuracy() }
    }
}

/// Measurements over a set of images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    pub images: usize,
    /// Mean loss of an image.
    pub loss: f64,
    /// How well classes are found; `None` where the model gives images.
    pub classes: Option<Classes>,
    /// Images whose class was not found, or where there are none to find any, the largest losses first.
    #[serde(skip)]
    pub worst: Worst,
}

/// How well the classes of a set of images are found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classes {
    /// Share of images whose highest score is the right class.
    pub accuracy: f64,
    pub confusion: Confusion,
}

impl Evaluation {
    /// Share of images whose highest score is the right class, where there are classes.
    pub fn accuracy(&self) -> Option<f64> {
        self.classes.as_ref().map(|classes| classes.accuracy)
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
