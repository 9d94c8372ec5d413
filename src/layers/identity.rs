//! `identity`: nothing happens; for a branch that only passes its input on.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct Identity;

static SPEC: Spec = Spec {
    name: "identity",
    summary: "passes its input on",
    docs: "Shape and numbers stay. For a branch without layers.",
    params: &[],
    example: "identity",
    elsewhere: &["Identity", "nn.Identity", "linear_activation"],
};

impl Layer for Identity {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(input.clone()))
    }

    fn lower(&self, _args: &Args, input: Value, _lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        Ok(input)
    }
}
