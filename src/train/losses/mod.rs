//! Losses: from the model's output and the labels to one number an image. One file each.

pub mod cross_entropy;
pub mod mse;

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::builder::Builder;
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub static LOSSES: &[&dyn Loss] = &[&cross_entropy::CrossEntropy, &mse::MeanSquaredError];

pub trait Loss: Sync {
    fn spec(&self) -> &'static Spec;

    /// Refuses a model output (without batch) that the loss cannot take. `last` is the name of the last layer.
    fn check(&self, args: &Args, output: &Shape, last: &str) -> Result<(), Fault>;

    /// Output `N x K` and labels `N` → one loss an image, `N`.
    fn lower(&self, args: &Args, output: Value, labels: Value, builder: &mut Builder)
    -> Result<Value, Fault>;
}

impl std::fmt::Debug for dyn Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec().name)
    }
}
