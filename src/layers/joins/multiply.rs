//! `multiply`: the product of values, a gate of one number a channel or a place among them.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::Inferred;
use crate::layers::joins::{Join, apart, one_by_one, repeated};
use crate::layers::lowering::Lowering;
use crate::ops::binary::MULTIPLY;
use crate::shape::Shape;
use crate::spec::Spec;

pub struct Multiply;

static SPEC: Spec = Spec {
    name: "multiply",
    summary: "the product of values, or of an image and a gate for its channels or its places",
    docs: "`multiply NAME…` or `multiply { branch { … } … }`. Shapes must be equal, but an extent of 1 is repeated: C \
           features, or C x 1 x 1, gate the channels of C x H x W (squeeze and excite), and 1 x H x W gates its places.",
    params: &[],
    example: "identity as x; global_avg_pool -> linear 3 -> sigmoid; multiply x",
    elsewhere: &["Multiply", "mul", "scale_channels"],
};

impl Join for Multiply {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Inferred, Fault> {
        match repeated(inputs) {
            Some(output) => Ok(Inferred::shape(output)),
            None => Err(apart(SPEC.name, inputs, "a product")),
        }
    }

    fn lower(&self, inputs: &[Value], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        one_by_one(&MULTIPLY, inputs, lowering)
    }
}
