//! How far the model's numbers are from those of the data, number by number.

use serde::Serialize;

/// Sums over images, of each number.
#[derive(Clone, Debug)]
pub struct Errors {
    sums: Vec<Sums>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    images: f64,
    absolute: f64,
    square: f64,
    /// Of the data: the mean so far, and the sum of squared distances to it (Welford, 1962).
    mean: f64,
    spread: f64,
}

/// How well one number is found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NumberScore {
    pub mae: Option<f64>,
    pub rmse: Option<f64>,
    /// `None` where it is always the same.
    pub r2: Option<f64>,
}

impl Errors {
    pub fn new(n: usize) -> Errors {
        Errors { sums: vec![Sums::default(); n] }
    }

    pub fn add(&mut self, output: &[f32], target: &[f32]) {
        for ((sums, &own), &wanted) in self.sums.iter_mut().zip(output).zip(target) {
            let (own, wanted) = (f64::from(own), f64::from(wanted));
            sums.images += 1.0;
            sums.absolute += (own - wanted).abs();
            sums.square += (own - wanted).powi(2);
            let gap = wanted - sums.mean;
            sums.mean += gap / sums.images;
            sums.spread += gap * (wanted - sums.mean);
        }
    }

    pub fn scores(&self) -> Vec<NumberScore> {
        let score = |sums: &Sums| {
            let of = |sum: f64| (sums.images > 0.0).then(|| sum / sums.images);
            NumberScore {
                mae: of(sums.absolute),
                rmse: of(sums.square).map(f64::sqrt),
                r2: (sums.spread > 0.0).then(|| 1.0 - sums.square / sums.spread),
            }
        };
        self.sums.iter().map(score).collect()
    }
}
