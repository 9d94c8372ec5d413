//! `local_response_norm`: each number divided by a norm of its neighbours in other channels.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, image};
use crate::ops::activation::power::POWER;
use crate::ops::activation::square::SQUARE;
use crate::ops::avg_pool2d::AVG_POOL2D;
use crate::ops::binary::{ADD, MULTIPLY};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct LocalResponseNorm;

static SPEC: Spec = Spec {
    name: "local_response_norm",
    summary: "each number divided by a norm of its neighbours in other channels",
    docs: "`x / (k + alpha/SIZE Σ x²)^beta`, the sum over SIZE channels around each: SIZE/2 before and (SIZE-1)/2 after it, as in PyTorch. Krizhevsky et al., 2012, whose alpha is not divided by SIZE.",
    params: &[
        positional("size", Kind::Count, Preset::Required, "how many channels are looked at"),
        keyword(
            "alpha",
            Kind::Number { min: 0.0, max: 1e6 },
            Preset::Number(1e-4),
            "the weight of the mean square",
        ),
        keyword("beta", Kind::Number { min: 0.0, max: 1e3 }, Preset::Number(0.75), "the exponent"),
        keyword("k", Kind::Number { min: 1e-6, max: 1e6 }, Preset::Number(1.0), "added to the mean square"),
    ],
    example: "conv2d 8 3x3 -> relu -> local_response_norm 5",
    elsewhere: &["LocalResponseNorm", "LRN", "lrn", "local_response_normalization", "nn.LocalResponseNorm"],
};

impl Layer for LocalResponseNorm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        image(SPEC.name, input)?;
        Ok(Inferred::shape(input.clone()))
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let (size, channels) = (args.whole("size")?, shape.dims()[1]);
        let square = lowering.apply(&SQUARE, Attrs::new(), &[input])?;
        // Channels as the rows of a plane: a mean over them is a pool.
        let pixels = shape.elements() / (shape.dims()[0] * channels);
        let rows = lowering.reshape(square, &Shape::from([shape.dims()[0], 1, channels, pixels]))?;
        let attrs = Attrs::new()
            .ints("kernel", [size, 1])
            .ints("stride", [1, 1])
            .ints("padding", [size / 2, (size - 1) / 2, 0, 0])
            .int("count_padding", 1);
        let mean = lowering.apply(&AVG_POOL2D, attrs, &[rows])?;
        let alpha = lowering.builder.scalar(args.number("alpha")? as f32);
        let k = lowering.builder.scalar(args.number("k")? as f32);
        let scaled = lowering.apply(&MULTIPLY, Attrs::new(), &[mean, alpha])?;
        let base = lowering.apply(&ADD, Attrs::new(), &[scaled, k])?;
        let exponent = Attrs::new().float("alpha", -args.number("beta")? as f32);
        let factor = lowering.apply(&POWER, exponent, &[base])?;
        let factor = lowering.reshape(factor, &shape)?;
        lowering.apply(&MULTIPLY, Attrs::new(), &[input, factor])
    }
}
