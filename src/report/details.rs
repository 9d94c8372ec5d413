//! What a page shows besides the measurements of the epochs: a run keeps it in a file, and writes it anew with the page.

use serde::{Deserialize, Serialize};

/// What was seen of a run's newest weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The model's name.
    pub model: String,
    pub parameters: u64,
    /// The epoch of the weights that were measured last.
    pub epoch: usize,
    /// The images that they were measured on: `validation` or `test`; empty where none were yet.
    pub part: String,
    /// The names of the classes, where there are any to find.
    pub classes: Vec<String>,
    /// True class, class that it was taken for, and how many images; without those of no image.
    pub confusion: Vec<[u64; 3]>,
    pub mistakes: Vec<Mistake>,
    pub layers: Vec<Layer>,
    /// What was measured inside the layers, epoch by epoch.
    pub looks: Vec<Look>,
    pub inputs: Option<Inputs>,
    pub before: Option<Before>,
}

/// An image that the model is most wrong about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mistake {
    /// What the sample is called.
    pub name: String,
    /// Classes by their places among the names.
    pub truth: Option<u32>,
    pub taken: Option<u32>,
    pub loss: f64,
    /// The probability that the model gives the class that it took it for.
    pub confidence: Option<f64>,
    /// The picture as an address that holds all of it; empty where it is none.
    pub picture: String,
    /// The same of what the model made of it, where that is a picture.
    pub answer: String,
}

/// A layer of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    pub name: String,
    pub output: String,
    pub parameters: u64,
    /// Share of the time of a step, forward and backward.
    pub time: Option<f64>,
}

/// What was seen in the layers after an epoch, each in its place among [`Details::layers`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    pub epoch: usize,
    /// Norms of gradients and of weights, and that of one step divided by that of the weights.
    pub gradients: Vec<Option<f64>>,
    pub weights: Vec<Option<f64>>,
    pub moves: Vec<Option<f64>>,
    /// The share of units that gave the same bound for every image that was looked at.
    pub dead: Vec<Option<f64>>,
}

/// The numbers of the training images as they reach the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inputs {
    pub mean: f64,
    /// The standard deviation.
    pub spread: f64,
}

/// The run before this one, in the same folder of runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    pub run: String,
    /// Lines of the file that differ, each after ` `, `-` or `+`, and `@` between places; empty if none does.
    pub changes: String,
}

/// More looks than this are thinned.
const MOST_LOOKS: usize = 64;

impl Details {
    /// Adds a look; of too many, every second one is dropped.
    pub fn look(&mut self, look: Look) {
        self.looks.retain(|own| own.epoch < look.epoch);
        self.looks.push(look);
        if self.looks.len() > MOST_LOOKS {
            let last = self.looks.len() - 1;
            let mut at = 0;
            self.looks.retain(|_| {
                at += 1;
                at % 2 == 1 || at > last
            });
        }
    }

    /// Forgets what is of later epochs.
    pub fn back_to(&mut self, epoch: usize) {
        self.looks.retain(|look| look.epoch <= epoch);
        if self.epoch > epoch || self.part == "test" {
            let Details { part, confusion, mistakes, .. } = self;
            part.clear();
            confusion.clear();
            mistakes.clear();
            self.epoch = 0;
        }
    }
}
