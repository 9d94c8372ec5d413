//! Where a training stands between two steps: with the session's states, all that it takes to go on as if nothing had
//! happened.

use serde::{Deserialize, Serialize};

/// Every number is exact in JSON: an `f64` is written with as many digits as tell it from its neighbours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Whole epochs behind it.
    pub epochs: usize,
    pub step: u64,
    /// The epoch that has begun, if one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
    /// The best epoch so far, where validation images tell which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Scored>,
    /// Where a schedule stands that watches the validation loss.
    #[serde(default, skip_serializing_if = "Plateau::is_new")]
    pub plateau: Plateau,
}

/// What a schedule has seen of the validation loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// By what it has changed the learning rate.
    pub factor: f64,
    pub best: Option<f64>,
    /// Epochs in a row that were no better.
    pub waited: usize,
    /// Epochs that are still not to count.
    pub cooling: usize,
}

impl Default for Plateau {
    fn default() -> Plateau {
        Plateau { factor: 1.0, best: None, waited: 0, cooling: 0 }
    }
}

impl Plateau {
    fn is_new(&self) -> bool {
        *self == Plateau::default()
    }
}

/// A part of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Images of its order that are behind it.
    pub images: usize,
    /// Sums over the images that were trained on.
    pub loss_sum: f64,
    /// `None` where there are no classes to find.
    pub correct: Option<f64>,
    pub learning_rate: f64,
    /// Time spent so far.
    pub seconds: f64,
}

/// An epoch, counted from 1, and its score: the larger, the better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    pub epoch: usize,
    pub score: f64,
}
