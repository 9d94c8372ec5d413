//! `l2_normalize`: the channels of each place scaled to length 1.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::ops::activation::{at_least::AT_LEAST, sqrt::SQRT, square::SQUARE};
use crate::ops::binary::DIVIDE;
use crate::ops::reduce::REDUCE_SUM;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword};

pub struct L2Normalize;

static SPEC: Spec = Spec {
    name: "l2_normalize",
    summary: "the channels of each place scaled to length 1",
    docs: "`x / max(|x|, epsilon)` with the length `|x| = sqrt(Σ x²)` over the features, or over the channels of each place. \
           `torch.nn.functional.normalize`. For embeddings that are compared by their angle.",
    params: &[keyword(
        "epsilon",
        Kind::Number { min: 1e-18, max: 1.0 },
        Preset::Number(1e-12),
        "the least length that is divided by",
    )],
    example: "global_avg_pool -> linear 16 -> l2_normalize",
    elsewhere: &["L2Normalize", "UnitNormalization", "LpNormalization", "l2norm"],
};

impl Layer for L2Normalize {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(input.clone()))
    }

    fn range(&self, _args: &Args) -> [f64; 2] {
        [-1.0, 1.0]
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        unit_length(input, args.number("epsilon")?, lowering)
    }
}

/// What lies along axis 1 divided by its length, or by `epsilon` where that is more.
pub(crate) fn unit_length(input: Value, epsilon: f64, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
    let square = lowering.apply(&SQUARE, Attrs::new(), &[input])?;
    let sum = lowering.apply(&REDUCE_SUM, Attrs::new().ints("axes", [1]), &[square])?;
    // Bounded before the root, whose slope at 0 is infinite.
    let least = epsilon.powi(2) as f32;
    let sum = lowering.apply(&AT_LEAST, Attrs::new().float("alpha", least), &[sum])?;
    let length = lowering.apply(&SQRT, Attrs::new(), &[sum])?;
    lowering.apply(&DIVIDE, Attrs::new(), &[input, length])
}
