//! What a training has shown so far → warnings, each with what to do. A rule is a file and its line in [`RULES`].
//!
//! Rules look at what does not depend on how a run was interrupted: whole epochs, measurements behind them, and looks into
//! the layers. So a run that goes on has the warnings of one that nobody stopped.

mod dead_units;
mod flat;
mod labels;
mod never_predicted;
mod overfitting;
mod rate;
mod unscaled;

use crate::data::Dataset;
use crate::data::section::{DataSection, Sampling};
use crate::diag::Fault;
use crate::model::Model;
use crate::train::losses;
use crate::train::metrics::{Classes, Evaluation};
use crate::train::probe::Inputs;
use crate::train::section::TrainSection;
use crate::train::trainer::{Epoch, Part};

/// Every rule, the causes before what follows from them. What one says silences those that it names.
pub static RULES: &[Rule] = &[
    Rule { code: unscaled::CODE, judge: unscaled::judge },
    Rule { code: rate::CODE, judge: rate::judge },
    Rule { code: dead_units::CODE, judge: dead_units::judge },
    Rule { code: labels::CODE, judge: labels::judge },
    Rule { code: overfitting::CODE, judge: overfitting::judge },
    Rule { code: never_predicted::CODE, judge: never_predicted::judge },
    Rule { code: flat::CODE, judge: flat::judge },
];

pub struct Rule {
    pub code: &'static str,
    /// `None` where there is nothing to warn of.
    pub judge: fn(&Watched<'_>) -> Option<Warning>,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub code: &'static str,
    pub message: String,
    pub advice: Vec<String>,
}

impl Warning {
    fn advise(mut self, advice: impl Into<String>) -> Warning {
        self.advice.push(advice.into());
        self
    }
}

fn warning(code: &'static str, message: impl Into<String>) -> Warning {
    Warning { code, message: message.into(), advice: Vec::new() }
}

/// What is known behind an epoch, or behind the test.
pub struct Watched<'a> {
    pub model: &'a Model,
    pub train: &'a TrainSection,
    pub labels: &'a Labels,
    /// The epochs so far, this one with them.
    pub epochs: &'a [Epoch],
    /// The measurement behind them.
    pub evaluation: Option<(Part, &'a Evaluation)>,
    /// The share of dead units of each layer; empty where nobody looked behind this epoch.
    pub dead: &'a [Option<f64>],
    pub inputs: Option<Inputs>,
    /// Codes that were told before.
    pub told: &'a [String],
}

/// How often each class stands in the training images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// Names and counts; empty where there are no classes to find.
    pub classes: Vec<(String, usize)>,
    /// The mean cross-entropy of a model that knows how often it is shown each class, and nothing else: the entropy of these
    /// shares, smoothed as the loss smooths them, in natural units. 0 where `sample` draws the classes.
    pub entropy: f64,
}

impl Labels {
    pub fn of(dataset: &Dataset, data: &DataSection, train: &TrainSection) -> Result<Labels, Fault> {
        if !train.classifies()? {
            return Ok(Labels::default());
        }
        let mut classes: Vec<(String, usize)> =
            dataset.classes().iter().map(|name| (name.clone(), 0)).collect();
        let all = &dataset.parts.train;
        for &index in all {
            if let Some((_, count)) = classes.get_mut(dataset.samples.class(index) as usize) {
                *count += 1;
            }
        }
        let smoothing = train.loss.args.number("smoothing").unwrap_or(0.0);
        let evenly = smoothing / classes.len().max(1) as f64;
        let share = |count: usize| (1.0 - smoothing) * (count as f64 / all.len().max(1) as f64) + evenly;
        let terms = classes.iter().map(|(_, count)| share(*count)).filter(|&p| p > 0.0).map(|p| -p * p.ln());
        let entropy: f64 = terms.sum();
        let entropy = match data.sampling {
            Sampling::Whole => entropy,
            Sampling::Balanced | Sampling::Weights(_) => 0.0,
        };
        Ok(Labels { entropy, classes })
    }
}

impl Part {
    /// The word for it in messages and files.
    pub fn name(self) -> &'static str {
        match self {
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}

impl Watched<'_> {
    /// The loss of guessing, where the loss is one that can be held against it.
    fn guessing(&self) -> Option<f64> {
        let loss = &self.train.loss;
        let is_alone = self.train.losses.is_empty() && losses::share(&loss.args) == 1.0;
        let counts_all_alike = !loss.args.has("weights") && !loss.args.has("ignore");
        let is_entropy = loss.what.spec().name == "cross_entropy" && is_alone && counts_all_alike;
        (is_entropy && self.labels.entropy > 0.0).then_some(self.labels.entropy)
    }

    fn newest(&self) -> Option<&Epoch> {
        self.epochs.last()
    }

    fn was_told(&self, code: &str) -> bool {
        self.told.iter().any(|own| own == code)
    }

    /// The classes that were measured, with their accuracy and that of always naming the largest one, to which three standard
    /// deviations of chance are added.
    fn measured(&self) -> Option<(&Classes, f64)> {
        let (_, evaluation) = self.evaluation?;
        let classes = evaluation.classes.as_ref()?;
        let n = evaluation.images.max(1) as f64;
        let largest =
            (0..classes.confusion.n_classes()).map(|class| classes.confusion.class(class).support).max()?;
        let chance = largest as f64 / n;
        Some((classes, chance + 3.0 * (chance * (1.0 - chance) / n).sqrt()))
    }
}

/// The warnings that are new, in the order of the rules.
pub fn warnings(watched: &Watched<'_>) -> Vec<Warning> {
    let mut told = watched.told.to_vec();
    let mut found = Vec::new();
    for rule in RULES {
        let seen = Watched { told: &told, ..*watched };
        if seen.was_told(rule.code) {
            continue;
        }
        if let Some(warning) = (rule.judge)(&seen) {
            told.push(warning.code.to_owned());
            found.push(warning);
        }
    }
    found
}
