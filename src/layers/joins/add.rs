//! `add`: the sum of values, and what `residual` ends with.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::Inferred;
use crate::layers::joins::{Join, apart, differ, one_by_one, repeated};
use crate::layers::lowering::Lowering;
use crate::ops::binary;
use crate::shape::Shape;
use crate::spec::Spec;

/// As it is written.
pub static ADD: Add = Add { takes: Takes::Repeated };
/// The end of a `residual`: a shape that has changed on the way is a mistake there.
pub static SHORTCUT: Add = Add { takes: Takes::Equal };

pub struct Add {
    takes: Takes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Equal,
    Repeated,
}

static SPEC: Spec = Spec {
    name: "add",
    summary: "the sum of values",
    docs: "`add NAME…` adds what arrives and the named values; `add { branch { … } branch { … } }` adds the branches' \
           results. Shapes must be equal, but an extent of 1 is repeated: 1 x H x W, C x 1 x 1 or C features may be added to \
           C x H x W. `residual { … }` adds its block and its input, whose shapes must be equal.",
    params: &[],
    example: "identity as skip; conv2d 3 3x3 padding=same; add skip",
    elsewhere: &["Add", "Eltwise", "nn.Add"],
};

impl Join for Add {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Inferred, Fault> {
        let first = inputs[0];
        match (self.takes, inputs.iter().find(|shape| **shape != first)) {
            (_, None) => Ok(Inferred::shape(first.clone())),
            (Takes::Equal, Some(other)) => Err(differ(SPEC.name, first, other, "a sum needs equal shapes")),
            (Takes::Repeated, Some(_)) => match repeated(inputs) {
                Some(output) => Ok(Inferred::shape(output)),
                None => Err(apart(SPEC.name, inputs, "a sum")),
            },
        }
    }

    fn lower(&self, inputs: &[Value], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        one_by_one(&binary::ADD, inputs, lowering)
    }
}
