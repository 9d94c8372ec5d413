//! `concat`: channels (or features) side by side.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::Inferred;
use crate::layers::joins::{Join, differ};
use crate::layers::lowering::Lowering;
use crate::ops::concat::{CONCAT, MAX_INPUTS};
use crate::shape::Shape;
use crate::spec::Spec;

pub struct Concat;

static SPEC: Spec = Spec {
    name: "concat",
    summary: "channels, or features, side by side",
    docs: "`concat NAME…` puts what arrives first, then the named values; `concat { branch { … } branch { … } }` puts the \
           branches' results in order. Height and width must agree.",
    params: &[],
    example: "concat { branch { conv2d 4 1x1 } branch { conv2d 8 3x3 padding=same } }",
    elsewhere: &["Concat", "Concatenate", "route", "cat", "torch.cat"],
};

impl Join for Concat {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Inferred, Fault> {
        let first = inputs[0];
        if let Some(other) = inputs.iter().find(|shape| shape.dims()[1..] != first.dims()[1..]) {
            let why = match (first.rank(), other.rank()) {
                (3, 3) => "heights and widths must agree",
                _ => "only the channels may differ",
            };
            return Err(differ("concat", first, other, why));
        }
        if inputs.len() > MAX_INPUTS {
            let message = format!("`concat` joins at most {MAX_INPUTS} values, not {}", inputs.len());
            return Err(Fault::new(codes::EXPANSION, message));
        }
        let mut output = first.clone();
        output.0[0] = inputs.iter().map(|shape| shape.dims()[0]).sum();
        let parts: Vec<String> = inputs.iter().map(|shape| shape.dims()[0].to_string()).collect();
        let arithmetic = format!("{} = {}", parts.join(" + "), output.dims()[0]);
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(output) })
    }

    fn lower(&self, inputs: &[Value], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lowering.apply(&CONCAT, Attrs::new().int("axis", 1), inputs)
    }
}
