//! `depthwise_conv2d`: each channel filtered by itself, a convolution of as many groups as channels.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::layers::conv2d::{BIAS, Checked, DILATION, KERNEL, PADDING, STRIDE};
use crate::layers::lowering::Lowering;
use crate::layers::windowed::Sliding;
use crate::layers::{Inferred, Layer, Reach, initial, spatial, windowed};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword};

pub(crate) const MULTIPLIER: Param =
    keyword("multiplier", Kind::Count, Preset::Count(1), "how many filters each channel has");

pub struct DepthwiseConv2d;

static SPEC: Spec = Spec {
    name: "depthwise_conv2d",
    summary: "each channel filtered by itself",
    docs: "`C x H x W` becomes `C·multiplier x H' x W'`, with `H'` as for `conv2d`: a convolution whose groups are the \
           channels. Weights and bias begin uniform in ±1/sqrt(kernel area), as in PyTorch. Howard et al., 2017.",
    params: &[KERNEL, MULTIPLIER, STRIDE, PADDING, DILATION, BIAS, initial::INIT],
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

/// The convolution along `N` axes whose groups are the channels, after every check.
fn checked<const N: usize>(layer: &'static str, args: &Args, input: &Shape) -> Result<Checked<N>, Fault> {
    let (channels, extents) = spatial::<N>(layer, input)?;
    let sliding = Sliding::<N>::new(args, extents)?;
    let filters = channels.checked_mul(args.whole("multiplier")?).ok_or_else(|| {
        Fault::new(codes::TOO_BIG, format!("`{layer}` would make too many channels")).at("multiplier")
    })?;
    let output = sliding.output_shape(layer, filters, extents)?;
    Ok(Checked { sliding, channels, filters, groups: channels, extents, output })
}

/// What is known of a depthwise convolution along `N` axes.
pub(crate) fn infer<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: &Shape,
) -> Result<Inferred, Fault> {
    checked::<N>(layer, args, input)?.inferred(layer, args)
}

/// A depthwise convolution along `N` axes as ops.
pub(crate) fn lower<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: Value,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    checked::<N>(layer, args, &lowering.shape(input).unbatched())?.lower(input, lowering)
}
