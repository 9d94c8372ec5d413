//! `layer_norm`: each image, or the channels of each place, brought to mean 0 and variance 1, then scaled and shifted.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::reduction::{centred, deviation, mean_square};
use crate::layers::standardize::{EPSILON, affine, affine_per_channel, check_parts, standardize};
use crate::layers::{Inferred, Layer};
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword};

pub struct LayerNorm;

static SPEC: Spec = Spec {
    name: "layer_norm",
    summary: "each image, or the channels of each place, brought to mean 0 and variance 1, then scaled and shifted",
    docs: "The shape stays. Statistics are those of a whole image; weight and bias have its shape: \
           `torch.nn.LayerNorm([C, H, W])`. With `over=channels` they are those of the channels of each place, and weight and bias \
           have one number a channel, as `torch.nn.LayerNorm(C)` where the channels lie last, as in ConvNeXt and transformers. \
           Ba et al., 2016.",
    params: &[
        keyword(
            "over",
            Kind::Choice(&["image", "channels"]),
            Preset::Word("image"),
            "what has mean 0 and variance 1: each `image`, or the `channels` of each place",
        ),
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
        let channels = Shape::new(&input.dims()[..input.rank().min(1)]);
        let over_channels = args.word("over")? == "channels";
        let own = if over_channels { &channels } else { input };
        if over_channels && channels.elements() == 1 && input.rank() > 1 {
            let message = "`layer_norm over=channels` sees one number at each place: its variance is 0";
            return Err(Fault::new(codes::SINGLE_VALUE_NORM, message)
                .at("over")
                .label(format!("{input} arrives: one channel"))
                .set("over", "image")
                .assume(input.clone()));
        }
        check_parts(SPEC.name, own, 1)?;
        let parameters = if args.bool("affine")? { affine(own) } else { Vec::new() };
        Ok(Inferred { parameters, ..Inferred::shape(input.clone()) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        if args.word("over")? == "channels" && lowering.shape(input).rank() > 2 {
            let normal = of_each_place(input, args.number("epsilon")?, lowering)?;
            return affine_per_channel(lowering, normal);
        }
        let normal = standardize(lowering, input, 1, args.number("epsilon")?)?;
        if !args.bool("affine")? {
            return Ok(normal);
        }
        let (weight, bias) = (lowering.parameter("weight")?, lowering.parameter("bias")?);
        let scaled = lowering.apply(&MULTIPLY, Attrs::new(), &[normal, weight])?;
        lowering.apply(&ADD, Attrs::new(), &[scaled, bias])
    }
}

/// The channels of each place brought to mean 0 and variance 1.
fn of_each_place(input: Value, epsilon: f64, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
    let centred = centred(input, &[1], lowering)?;
    let variance = mean_square(centred, &[1], lowering)?;
    let deviation = deviation(variance, epsilon, lowering)?;
    lowering.apply(&DIVIDE, Attrs::new(), &[centred, deviation])
}
