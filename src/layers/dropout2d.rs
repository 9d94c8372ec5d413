//! `dropout2d`: in training, random channels become 0 and the others grow to keep the mean.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::dropout::drop_out;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, image};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct Dropout2d;

static SPEC: Spec = Spec {
    name: "dropout2d",
    summary: "in training, random channels become 0",
    docs: "Each channel of each image becomes 0 with probability `p`, the others are divided by `1 - p`; in inference \
           nothing happens. Tompson et al., 2015.",
    params: &[positional(
        "p",
        Kind::Number { min: 0.0, max: 0.99 },
        Preset::Number(0.5),
        "the probability of becoming 0",
    )],
    example: "conv2d 8 3x3 -> dropout2d 0.1",
    elsewhere: &["Dropout2d", "SpatialDropout2D", "nn.Dropout2d", "spatial_dropout2d"],
};

impl Layer for Dropout2d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        image(SPEC.name, input)?;
        Ok(Inferred::shape(input.clone()))
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        drop_out(args, input, &Shape::from([shape.dims()[0], shape.dims()[1], 1, 1]), lowering)
    }
}
