//! Losses: from the model's output and what it should be to one number an image. One file each.

pub mod bce;
pub mod cross_entropy;
pub mod dice;
pub mod distance;
pub mod focal;
pub mod formula;
pub mod hinge;
pub mod huber;
pub mod kl;
pub mod l1;
pub mod mse;
pub mod nll;
pub mod per_class;

use crate::data::sample::Task;
use crate::diag::{Fault, Remedy, codes};
use crate::graph::Value;
use crate::shape::Shape;
use crate::spec::section::Registry;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword};
use crate::train::losses::formula::Formula;

pub static LOSSES: &[&dyn Loss] = &[
    &cross_entropy::CrossEntropy,
    &mse::MSE,
    &l1::L1,
    &huber::HUBER,
    &bce::BinaryCrossEntropy,
    &focal::Focal,
    &dice::Dice,
    &nll::NegativeLogLikelihood,
    &kl::KullbackLeibler,
    &hinge::Hinge,
];

pub static REGISTRY: Registry = Registry {
    title: "Losses",
    intro: "The name after `loss`. Which one fits depends on what is learnt from an image: a class (`cross_entropy`), several \
            labels (`bce`), numbers (`mse`), a mask (`cross_entropy`), or an image (`l1`). Several `loss` lines are added up, \
            each multiplied by its `weight`.",
    one: "loss",
    specs: || LOSSES.iter().map(|loss| loss.spec()).collect(),
};

/// How much a loss counts among several.
pub const SHARE: Param = keyword(
    "weight",
    Kind::Number { min: 0.0, max: 1e6 },
    Preset::Absent,
    "its weight among several `loss` lines; 1 by default",
);

/// What a loss holds the model's output against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// What the data tell of each image.
    Data,
    /// The images themselves as they reach the model: an autoencoder.
    Input,
}

/// What stands on both sides of a loss, as far as a file tells.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The model's, without batch.
    pub output: &'a Shape,
    /// The name of the model's last layer.
    pub last: &'a str,
    pub task: Task,
}

/// The same in a graph.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// `N x K` for classes, labels and numbers, `N x K x H x W` for masks, `N x C x H x W` for images.
    pub output: Value,
    /// `N` for classes, `N x K` for labels and numbers, `N x H x W` for masks (255 where a pixel counts for nothing), and the
    /// output's shape for images.
    pub target: Value,
    pub task: Task,
}

/// What a loss comes to.
#[derive(Clone, Copy, Debug)]
pub struct Losses {
    /// `N`: the loss of each image; with weights the sum over what is weighted in it.
    pub sums: Value,
    /// `N`: the sum of weights of each image, by whose total the total of sums is divided; `None` where each image counts 1.
    pub weights: Option<Value>,
}

pub trait Loss: Sync {
    fn spec(&self) -> &'static Spec;

    /// What the output is held against.
    fn target(&self, _args: &Args) -> Result<Target, Fault> {
        Ok(Target::Data)
    }

    /// The kinds of targets that it takes; where nothing tells which it is, it is the first.
    fn takes(&self) -> &'static [Task];

    /// Refuses a model output that the loss cannot take, of a kind that it takes.
    fn check(&self, args: &Args, sides: &Sides<'_>) -> Result<(), Fault>;

    /// The arguments without what only training is helped by, such as smoothing; `None` where there is nothing of it.
    fn plain(&self, _args: &Args) -> Option<Args> {
        None
    }

    fn lower(&self, args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault>;
}

impl std::fmt::Debug for dyn Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec().name)
    }
}

/// How much a loss counts among several.
pub fn share(args: &Args) -> f64 {
    args.number(SHARE.name).unwrap_or(1.0)
}

/// The loss that is usual for a kind of targets.
pub fn usual(task: Task) -> &'static str {
    match task {
        Task::Classes | Task::Masks => "cross_entropy",
        Task::Labels => "bce",
        Task::Numbers => "mse",
        Task::Images => "l1",
    }
}

/// Refuses targets of a kind that a loss does not take, and what it refuses itself.
pub fn check(loss: &dyn Loss, args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
    if !loss.takes().contains(&sides.task) {
        let (name, usual) = (loss.spec().name, usual(sides.task));
        let message =
            format!("`loss {name}` is not for {}, which the data tell of each image", sides.task.one());
        return Err(Fault::new(codes::LOSS, message)
            .label("another kind of target")
            .remedy(Remedy::Instead(format!("loss {usual}"))));
    }
    if matches!(sides.task, Task::Labels | Task::Numbers) && sides.output.rank() != 1 {
        let one = if sides.task == Task::Labels { "label" } else { "number of the data" };
        let (name, output) = (loss.spec().name, sides.output);
        let message =
            format!("`loss {name}` needs one number per {one}, but the model gives an image of {output}");
        return Err(Fault::new(codes::LOSS, message).label(format!("{output} arrives at the loss")));
    }
    loss.check(args, sides)
}

/// Refuses a model that ends in a softmax or sigmoid, for a loss that applies it itself.
pub fn once(loss: &str, sides: &Sides<'_>) -> Result<(), Fault> {
    if !["softmax", "log_softmax", "sigmoid"].contains(&sides.last) {
        return Ok(());
    }
    let last = sides.last;
    Err(Fault::new(
        codes::LOSS,
        format!("`loss {loss}` takes scores of any size, and the model ends in `{last}`"),
    )
    .label("this loss takes logits")
    .advise(format!("remove the `{last}` at the model's end")))
}
