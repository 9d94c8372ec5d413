//! `drop_path`: in training, whole images become 0 and the others grow to keep the mean.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::dropout::drop_out;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct DropPath;

static SPEC: Spec = Spec {
    name: "drop_path",
    summary: "in training, the branch is left out for random images",
    docs: "Everything of an image becomes 0 with probability `p`, the other images are divided by `1 - p`; in inference \
           nothing happens. It belongs at the end of a `residual`: stochastic depth, Huang et al., 2016.",
    params: &[positional(
        "p",
        Kind::Number { min: 0.0, max: 0.99 },
        Preset::Required,
        "the probability that an image's branch is left out",
    )],
    example: "residual { conv2d 3 3x3 padding=1 -> drop_path 0.1 }",
    elsewhere: &["DropPath", "StochasticDepth", "stochastic_depth"],
};

impl Layer for DropPath {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(input.clone()))
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let dims = (0..shape.rank()).map(|axis| if axis == 0 { shape.dims()[0] } else { 1 });
        drop_out(args, input, &Shape(dims.collect()), lowering)
    }
}
