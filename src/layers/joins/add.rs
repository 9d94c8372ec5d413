//! `add`: the sum of values of the same shape.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::Inferred;
use crate::layers::joins::{Join, differ};
use crate::layers::lowering::Lowering;
use crate::ops::binary::ADD;
use crate::shape::Shape;
use crate::spec::Spec;

pub struct Add;

static SPEC: Spec = Spec {
    name: "add",
    summary: "the sum of values of the same shape",
    docs: "`add NAME…` adds what arrives and the named values; `add { branch { … } branch { … } }` adds the branches' \
           results. `residual { … }` is an `add` of its block and its input.",
    params: &[],
    example: "identity as skip; conv2d 3 3x3 padding=same; add skip",
    elsewhere: &["Add", "Eltwise", "sum", "nn.Add"],
};

impl Join for Add {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Inferred, Fault> {
        let first = inputs[0];
        match inputs.iter().find(|shape| **shape != first) {
            Some(other) => Err(differ("add", first, other, "a sum needs equal shapes")),
            None => Ok(Inferred::shape(first.clone())),
        }
    }

    fn lower(&self, inputs: &[Value], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let mut sum = inputs[0];
        for &input in &inputs[1..] {
            sum = lowering.apply(&ADD, Attrs::new(), &[sum, input])?;
        }
        Ok(sum)
    }
}
