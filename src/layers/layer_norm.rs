//! `layer_norm`: each image brought to mean 0 and variance 1, then every number scaled and shifted by its own.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::standardize::{EPSILON, affine, check_parts, standardize};
use crate::layers::{Inferred, Layer};
use crate::ops::binary::{ADD, MULTIPLY};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword};

pub struct LayerNorm;

static SPEC: Spec = Spec {
    name: "layer_norm",
    summary: "each image brought to mean 0 and variance 1, then every number scaled and shifted",
    docs: "The shape stays. Statistics are those of a whole image; weight and bias have its shape: \
           `torch.nn.LayerNorm([C, H, W])`. Ba et al., 2016.",
    params: &[
        keyword("affine", Kind::Bool, Preset::Bool(true), "scales and shifts every number by a learned one"),
        EPSILON,
    ],
    example: "flatten -> linear 32 -> layer_norm",
    elsewhere: &["LayerNorm", "LayerNormalization", "nn.LayerNorm"],
};

impl Layer for LayerNorm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        check_parts(SPEC.name, input, 1)?;
        let parameters = if args.bool("affine")? { affine(input) } else { Vec::new() };
        Ok(Inferred { parameters, ..Inferred::shape(input.clone()) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let normal = standardize(lowering, input, 1, args.number("epsilon")?)?;
        if !args.bool("affine")? {
            return Ok(normal);
        }
        let (weight, bias) = (lowering.parameter("weight")?, lowering.parameter("bias")?);
        let scaled = lowering.apply(&MULTIPLY, Attrs::new(), &[normal, weight])?;
        lowering.apply(&ADD, Attrs::new(), &[scaled, bias])
    }
}
