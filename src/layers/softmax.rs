//! `softmax`: logits become probabilities.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::ops::softmax::SOFTMAX;
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct Softmax;

static SPEC: Spec = Spec {
    name: "softmax",
    summary: "logits become probabilities",
    docs: "`e^x / Σ e^x` over the features, or over the channels of each pixel. `loss cross_entropy` wants logits and \
           applies it by itself: do not end a model with it unless the loss says `from=probabilities`.",
    params: &[],
    example: "flatten -> linear 10 -> softmax",
    elsewhere: &["Softmax", "nn.Softmax", "SoftmaxWithLoss"],
};

impl Layer for Softmax {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(input.clone()))
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lowering.apply(&SOFTMAX, Attrs::new(), &[input])
    }
}
