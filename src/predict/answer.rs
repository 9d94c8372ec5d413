//! A model's numbers for one picture → what they say: classes in the order of their probability, labels, numbers, a mask or a
//! picture.

use crate::data::picture::Remark;
use crate::data::png;
use crate::data::sample::Task;
use crate::diag::{Fault, codes};
use crate::predict::End;
use crate::shape::Shape;

/// What a model makes of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The model's output, all of it finite: the last axis fastest.
    pub numbers: Vec<f32>,
    pub shape: Shape,
    /// What was done to the picture on its way to the model, and what should be known besides the answer.
    pub remarks: Vec<Remark>,
    /// What the model's further outputs say, each by its name.
    pub outputs: Vec<(String, Answer)>,
    task: Task,
    names: Vec<String>,
    classes: Vec<Class>,
}

/// A class that a picture may be of, or a label that it may have.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Its place among the model's outputs.
    pub index: usize,
    /// Its name, or its index where the weights know none.
    pub name: String,
    /// 0 to 1; those of all classes add up to 1, those of labels do not.
    pub probability: f64,
}

impl Answer {
    /// Refuses numbers that are not finite.
    pub(super) fn new(numbers: Vec<f32>, end: &End) -> Result<Answer, Fault> {
        let End { shape, classes: names, task, gives_probabilities: are_probabilities } = end.clone();
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            return Err(not_finite(numbers[at], at, &shape));
        }
        let probabilities = match (task, are_probabilities) {
            (Task::Classes | Task::Labels, true) => numbers.iter().map(|&number| f64::from(number)).collect(),
            (Task::Classes, false) => softmax(&numbers),
            (Task::Labels, false) => {
                numbers.iter().map(|&number| 1.0 / (1.0 + (-f64::from(number)).exp())).collect()
            }
            (Task::Numbers | Task::Masks | Task::Images, _) => Vec::new(),
        };
        let class = |(index, name): (usize, &String)| Class {
            index,
            name: name.clone(),
            probability: probabilities[index],
        };
        let mut classes: Vec<Class> = names.iter().enumerate().take(probabilities.len()).map(class).collect();
        classes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Ok(Answer { numbers, shape, remarks: Vec::new(), outputs: Vec::new(), task, names, classes })
    }

    /// What the numbers say: a class, labels, numbers, a mask or an image.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The classes or labels, the most likely first, of those as likely the one with the smaller index; empty where the model
    /// gives none.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The numbers with their names, where the model gives such.
    pub fn values(&self) -> Vec<(&str, f32)> {
        match self.task {
            Task::Numbers => {
                self.names.iter().map(String::as_str).zip(self.numbers.iter().copied()).collect()
            }
            Task::Classes | Task::Labels | Task::Masks | Task::Images => Vec::new(),
        }
    }

    /// The class of each pixel, row by row, where the model gives a map for each class; of equal ones the first.
    pub fn mask(&self) -> Option<Vec<u8>> {
        let (Task::Masks, &[n_classes, height, width]) = (self.task, self.shape.dims()) else { return None };
        let plane = height * width;
        let best = |at: usize| {
            let number = |class: usize| self.numbers[class * plane + at];
            (1..n_classes).fold(0, |best, class| if number(class) > number(best) { class } else { best })
                as u8
        };
        Some((0..plane).map(best).collect())
    }

    /// The share of pixels of each class, with its name.
    pub fn areas(&self) -> Vec<(&str, f64)> {
        let mask = self.mask().unwrap_or_default();
        if mask.is_empty() {
            return Vec::new();
        }
        let mut counts = [0u64; 256];
        mask.iter().for_each(|&class| counts[usize::from(class)] += 1);
        let share = |count: u64| count as f64 / mask.len() as f64;
        self.names.iter().zip(counts).map(|(name, count)| (name.as_str(), share(count))).collect()
    }

    /// The mask as the bytes of a PNG file with a palette; an error where the model gives none.
    pub fn mask_png(&self) -> Result<Vec<u8>, Fault> {
        match (self.mask(), self.shape.dims()) {
            (Some(mask), &[_, height, width]) => png::encode_mask(&mask, [height, width]),
            (_, _) => Err(Fault::internal(format!("a mask of {}", self.shape))),
        }
    }

    /// A PNG file's bytes, where the shape is 1 or 3 channels x height x width: a number x becomes the pixel
    /// `round(255 x)`, below 0 black and above 1 white.
    pub fn png(&self) -> Result<Vec<u8>, Fault> {
        png::encode(&self.numbers, &self.shape)
    }
}

fn not_finite(number: f32, at: usize, shape: &Shape) -> Fault {
    let place = match *shape.dims() {
        [_] => format!("output {at}"),
        [_, height, width] => {
            let plane = (height * width).max(1);
            format!("channel {}, row {}, column {}", at / plane, at % plane / width, at % width)
        }
        _ => format!("number {at} of its output"),
    };
    let what = if number.is_nan() { "no number (NaN)" } else { "an infinite number" };
    Fault::new(codes::NOT_FINITE, format!("the network gives {what} in {place}"))
        .note("with such weights, no answer means anything")
        .advise("weights that were trained with a smaller learning rate; in a model without weights, no division by 0 and no logarithm of 0")
}

fn softmax(scores: &[f32]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> =
        scores.iter().map(|&score| (f64::from(score) - f64::from(largest)).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}
