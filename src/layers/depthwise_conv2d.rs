//! `depthwise_conv2d`: each channel filtered by itself, a convolution of as many groups as channels.

use crate::diag::{Fault, codes};
use crate::graph::{Init, Value};
use crate::layers::initial::{self, Fans};
use crate::layers::lowering::Lowering;
use crate::layers::windowed::Sliding;
use crate::layers::{Inferred, Layer, Reach, spatial, windowed};
use crate::ops::conv2d::CONV2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct DepthwiseConv2d;

static SPEC: Spec = Spec {
    name: "depthwise_conv2d",
    summary: "each channel filtered by itself",
    docs: "`C x H x W` becomes `C·multiplier x H' x W'`, with `H'` as for `conv2d`: a convolution whose groups are the \
           channels. Weights and bias begin uniform in ±1/sqrt(kernel area), as in PyTorch. Howard et al., 2017.",
    params: &[
        positional(
            "kernel",
            Kind::Pair,
            Preset::Required,
            "the filter's height x width; one number for both",
        ),
        keyword("multiplier", Kind::Count, Preset::Count(1), "how many filters each channel has"),
        keyword("stride", Kind::Pair, Preset::Pair(1, 1), "how far the filter moves"),
        keyword(
            "padding",
            Kind::Padding,
            Preset::Padding(0),
            "zeros around the image; `same` keeps the size at stride 1",
        ),
        keyword("dilation", Kind::Pair, Preset::Pair(1, 1), "the distance between the filter's taps"),
        keyword("bias", Kind::Bool, Preset::Bool(true), "adds one learned number per channel"),
        initial::INIT,
    ],
    example: "depthwise_conv2d 3x3 padding=1",
    elsewhere: &["DepthwiseConv2D", "DepthwiseConv2d", "depthwise_conv", "ConvolutionDepthwise"],
};

impl Layer for DepthwiseConv2d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        infer::<2>(SPEC.name, args, input)
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<2>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lower::<2>(SPEC.name, args, input, lowering)
    }
}

/// What is known of a depthwise convolution along `N` axes.
pub(crate) fn infer<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: &Shape,
) -> Result<Inferred, Fault> {
    let (channels, extents) = spatial::<N>(layer, input)?;
    let sliding = Sliding::<N>::new(args, extents)?;
    let multiplier = args.whole("multiplier")?;
    let filters = channels.checked_mul(multiplier).ok_or_else(|| {
        Fault::new(codes::TOO_BIG, format!("`{layer}` would make too many channels")).at("multiplier")
    })?;
    let output = sliding.output_shape(layer, filters, extents)?;
    let kernel = sliding.axes.map(|window| window.kernel);
    let fan = kernel.iter().fold(1.0, |fan: f32, &extent| fan * extent as f32);
    let init = Init::Uniform { bound: 1.0 / fan.sqrt() };
    let area = kernel.iter().fold(1usize, |area, &extent| area.saturating_mul(extent));
    let fans = Fans { into: area, out: multiplier.saturating_mul(area), groups: channels };
    let weight: Shape = [filters, 1].into_iter().chain(kernel).collect();
    let parameters = initial::learned(args, weight, fans, init, filters)?;
    Ok(Inferred {
        output,
        arithmetic: sliding.arithmetic(extents),
        parameters,
        warnings: sliding.dropped(layer, extents).into_iter().collect(),
    })
}

/// A depthwise convolution along `N` axes as ops.
pub(crate) fn lower<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: Value,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let (channels, extents) = spatial::<N>(layer, &lowering.shape(input).unbatched())?;
    let sliding = Sliding::<N>::new(args, extents)?;
    let attrs = sliding.attrs().ints("dilation", sliding.dilation()).int("groups", channels as i64);
    let weight = lowering.parameter("weight")?;
    let (input, weight) = (lowering.as_image(input)?, lowering.as_image(weight)?);
    let value = lowering.apply(&CONV2D, attrs, &[input, weight])?;
    let value = lowering.add_bias(value)?;
    lowering.from_image::<N>(value)
}
