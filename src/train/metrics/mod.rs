//! What is measured on a set of images: the loss, and metrics for each kind of target, one file each.

pub mod accuracy;
pub mod auc;
pub mod balanced_accuracy;
pub mod confusion;
pub mod dice;
pub mod errors;
pub mod kappa;
pub mod labels;
pub mod macro_f1;
pub mod mae;
pub mod map;
pub mod mean_iou;
pub mod pixel_accuracy;
pub mod psnr;
pub mod quadratic_kappa;
pub mod r2;
pub mod ranked;
pub mod rmse;
pub mod tally;
pub mod top5;

use serde::Serialize;

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::spec::section::Registry;
pub use crate::train::metrics::confusion::{ClassScore, Confusion};
use crate::train::metrics::errors::NumberScore;
use crate::train::worst::Worst;

/// Hands every metric but `accuracy` to a macro: the name of its file, which is its own.
macro_rules! each_metric {
    ($then:ident) => {
        $then! {
            top5 macro_f1 balanced_accuracy auc kappa quadratic_kappa map mae rmse r2 mean_iou pixel_accuracy dice psnr
        }
    };
}
pub(crate) use each_metric;

macro_rules! list {
    ($($name:ident)*) => {
        /// Every metric.
        pub static METRICS: &[&Metric] = &[&accuracy::METRIC, $(&$name::METRIC),*];

        /// What may decide which weights are the best.
        pub const MONITORS: &[&str] =
            &["validation.loss", "validation.accuracy", $(concat!("validation.", stringify!($name))),*];

        /// The same without the part that it is measured on.
        pub const NAMES: &[&str] = &["loss", "accuracy", $(stringify!($name)),*];
    };
}
each_metric!(list);

pub static REGISTRY: Registry = Registry {
    title: "Metrics",
    intro: "The names after `metrics`. Each is measured on the validation images after every epoch and on the test images at the end.",
    one: "metric",
    specs: || METRICS.iter().map(|metric| metric.spec).collect(),
};

/// Something that is measured.
pub struct Metric {
    pub spec: &'static Spec,
    pub better: Better,
    pub shown: Shown,
    /// How it is measured; `None` for a kind of target that has no such thing.
    pub how: fn(Task) -> Option<How>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

/// How people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A share of 1, in percent.
    Share,
    Number,
}

pub enum How {
    /// Of what was taken for what.
    Counted(fn(&Confusion) -> Option<f64>),
    /// The mean over labels of what each comes to.
    Labels(fn(&ClassScore) -> Option<f64>),
    /// The mean over numbers of what each comes to.
    Numbers(fn(&NumberScore) -> Option<f64>),
    /// The mean over classes or labels of what the order of their scores comes to: from the highest on in groups of equal ones, how
    /// many hold, and how many do not.
    Ranked(fn(&[[u64; 2]]) -> Option<f64>),
    /// Of the model's output for every image.
    Metered(fn(&Context) -> Box<dyn Meter>),
}

pub trait Meter {
    /// The model's output for an image, and what it should be: one number for a class.
    fn add(&mut self, output: &[f32], target: &[f32]);

    /// What the images come to; `None` where that is not defined.
    fn value(&self) -> Option<f64>;
}

/// What a meter has to know of what it measures.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    pub task: Task,
    /// Classes, labels or numbers.
    pub n: usize,
    /// Whether the model ends in a softmax or sigmoid.
    pub gives_probabilities: bool,
}

impl Context {
    /// The probability of each class.
    pub fn shares(&self, output: &[f32]) -> Vec<f64> {
        let numbers: Vec<f64> = output.iter().map(|&number| f64::from(number)).collect();
        if self.gives_probabilities {
            return numbers;
        }
        let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = numbers.iter().map(|number| (number - most).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / sum).collect()
    }
}

impl std::fmt::Debug for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec.name)
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Metric) -> bool {
        self.spec.name == other.spec.name
    }
}

/// The metric of a name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().copied().find(|metric| metric.spec.name == name)
}

/// Those that a kind of target has.
pub fn of(task: Task) -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().copied().filter(move |metric| (metric.how)(task).is_some())
}

/// Those that are measured where no line says which.
pub fn usual(task: Task) -> Vec<&'static Metric> {
    match task {
        Task::Classes => vec![&accuracy::METRIC, &macro_f1::METRIC],
        Task::Labels => vec![&map::METRIC, &macro_f1::METRIC],
        Task::Numbers => vec![&mae::METRIC, &rmse::METRIC, &r2::METRIC],
        Task::Masks => vec![&mean_iou::METRIC, &pixel_accuracy::METRIC, &dice::METRIC],
        Task::Images => vec![&psnr::METRIC],
    }
}

/// `None` of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0u64, 0.0), |(n, sum), value| (n + 1, sum + value));
    (n > 0).then(|| sum / n as f64)
}

/// What a metric came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub metric: &'static Metric,
    pub value: f64,
}

impl Serialize for Figure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.metric.spec.name, self.value).serialize(serializer)
    }
}

/// What an [`Evaluation`] comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Mean loss of an image.
    pub loss: f64,
    /// Share of the images whose class was found; `None` where images have no classes.
    pub accuracy: Option<f64>,
    /// What the metrics came to, accuracy among them where it is one.
    pub figures: Vec<Figure>,
    /// Those of the model's further outputs, with their names.
    pub outputs: Vec<(String, Score)>,
}

impl Score {
    pub fn of(evaluation: &Evaluation) -> Score {
        let further = |own: &Further| (own.name.clone(), Score::of(&own.evaluation));
        Score {
            loss: evaluation.loss,
            accuracy: evaluation.accuracy(),
            figures: evaluation.figures.clone(),
            outputs: evaluation.outputs.iter().map(further).collect(),
        }
    }
}

/// What a further output of a model came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Further {
    pub name: String,
    /// Of its classes or numbers, in their order.
    pub names: Vec<String>,
    /// Its own loss, without the weight that it has in the sum, and its own metrics.
    pub evaluation: Evaluation,
}

/// Measurements over a set of images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    pub images: usize,
    /// Mean loss of an image; where the model has further outputs, with theirs by their weights.
    pub loss: f64,
    /// The same without what only training is helped by, such as label smoothing; `None` where it is the same.
    pub plain_loss: Option<f64>,
    /// How well classes are found; `None` where images have none.
    pub classes: Option<Classes>,
    /// What the metrics came to.
    pub figures: Vec<Figure>,
    pub detail: Detail,
    /// Images whose class was not found, or where there are none to find any, the largest losses first.
    #[serde(skip)]
    pub worst: Worst,
    /// What the model's further outputs came to, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Further>,
}

/// What is told label by label, number by number or class by class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Detail {
    None,
    Labels(Vec<ClassScore>),
    Numbers(Vec<NumberScore>),
    /// Of pixels, what was taken for what.
    Pixels(Confusion),
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

    /// What the further output of a name came to.
    pub fn output(&self, name: &str) -> Option<&Evaluation> {
        self.outputs.iter().find(|own| own.name == name).map(|own| &own.evaluation)
    }

    /// What a metric came to.
    pub fn figure(&self, metric: &Metric) -> Option<f64> {
        self.figures.iter().find(|figure| figure.metric == metric).map(|figure| figure.value)
    }
}
