//! Losses: from the model's output and what it should be to one number an image. One file each.

pub mod cross_entropy;
pub mod distance;
pub mod l1;
pub mod mse;

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::builder::Builder;
use crate::shape::Shape;
use crate::spec::section::Registry;
use crate::spec::{Args, Spec};

pub static LOSSES: &[&dyn Loss] =
    &[&cross_entropy::CrossEntropy, &mse::MeanSquaredError, &l1::MeanAbsoluteError];

pub static REGISTRY: Registry = Registry {
    title: "Losses",
    intro: "The name after `loss`.",
    one: "loss",
    specs: || LOSSES.iter().map(|loss| loss.spec()).collect(),
};

/// What a loss holds the model's output against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The class of each image, as a number.
    Label,
    /// The images themselves as they reach the model: an autoencoder.
    Input,
}

pub trait Loss: Sync {
    fn spec(&self) -> &'static Spec;

    /// What the output is held against.
    fn target(&self, _args: &Args) -> Result<Target, Fault> {
        Ok(Target::Label)
    }

    /// Refuses a model output (without batch) that the loss cannot take. `last` is the name of the last layer. An output
    /// held against the input has the input's shape.
    fn check(&self, args: &Args, output: &Shape, last: &str) -> Result<(), Fault>;

    /// Output `N x K` and labels `N`, or output and images of one shape `N x …` → one loss an image, `N`.
    fn lower(&self, args: &Args, output: Value, target: Value, builder: &mut Builder)
    -> Result<Value, Fault>;
}

impl std::fmt::Debug for dyn Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec().name)
    }
}
