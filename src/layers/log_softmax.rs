//! `log_softmax`: logits become the logarithms of probabilities.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::ops::log_softmax::LOG_SOFTMAX;
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct LogSoftmax;

static SPEC: Spec = Spec {
    name: "log_softmax",
    summary: "logits become the logarithms of probabilities",
    docs: "`x - log Σ e^x` over the features, or over the channels of each pixel. `loss cross_entropy` wants logits and \
           applies it by itself; applied twice it changes nothing.",
    params: &[],
    example: "flatten -> linear 10 -> log_softmax",
    elsewhere: &["LogSoftmax", "nn.LogSoftmax"],
};

impl Layer for LogSoftmax {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(input.clone()))
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lowering.apply(&LOG_SOFTMAX, Attrs::new(), &[input])
    }
}
