//! `multiply`: the product of values, a gate of one number a channel among them.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::Inferred;
use crate::layers::joins::{Join, differ};
use crate::layers::lowering::Lowering;
use crate::ops::binary::MULTIPLY;
use crate::shape::Shape;
use crate::spec::Spec;

pub struct Multiply;

static SPEC: Spec = Spec {
    name: "multiply",
    summary: "the product of values of the same shape, or of an image and one number per channel",
    docs: "`multiply NAME…` or `multiply { branch { … } … }`. A flat value of C features, or one of C x 1 x 1, gates \
           the channels of an image of C x H x W (squeeze and excite).",
    params: &[],
    example: "identity as x; global_avg_pool -> linear 3 -> sigmoid; multiply x",
    elsewhere: &["Multiply", "mul", "scale_channels"],
};

/// Whether `gate` holds one number for each channel of `image`.
fn gates(gate: &Shape, image: &Shape) -> bool {
    image.rank() == 3
        && gate.dims().first() == image.dims().first()
        && gate.dims().iter().skip(1).all(|&d| d == 1)
}

/// The shape that all others have or gate.
fn largest<'a>(inputs: &[&'a Shape]) -> &'a Shape {
    let better =
        |best: &'a Shape, shape: &&'a Shape| if shape.elements() > best.elements() { *shape } else { best };
    inputs[1..].iter().fold(inputs[0], better)
}

impl Join for Multiply {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Inferred, Fault> {
        let whole = largest(inputs);
        match inputs.iter().find(|shape| **shape != whole && !gates(shape, whole)) {
            Some(other) => Err(differ(
                "multiply",
                whole,
                other,
                "a product needs equal shapes, or one number per channel",
            )),
            None => Ok(Inferred::shape(whole.clone())),
        }
    }

    fn lower(&self, inputs: &[Value], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| lowering.shape(input)).collect();
        let whole = largest(&shapes.iter().collect::<Vec<_>>()).clone();
        let mut product: Option<Value> = None;
        for (&input, shape) in inputs.iter().zip(&shapes) {
            let factor = match shape.rank() < whole.rank() {
                true => {
                    let mut dims = shape.0.clone();
                    dims.resize(whole.rank(), 1);
                    lowering.reshape(input, &Shape(dims))?
                }
                false => input,
            };
            product = Some(match product {
                Some(other) => lowering.apply(&MULTIPLY, Attrs::new(), &[other, factor])?,
                None => factor,
            });
        }
        product.ok_or_else(|| Fault::internal("`multiply` of nothing"))
    }
}
