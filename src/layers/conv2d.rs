//! `conv2d`: learned filters slid over an image.

use crate::diag::{Fault, codes};
use crate::graph::{Init, Value};
use crate::layers::initial::{self, Fans};
use crate::layers::lowering::Lowering;
use crate::layers::volume::Folded;
use crate::layers::windowed::Sliding;
use crate::layers::{Inferred, Layer, Reach, nearest_divisor, spatial, windowed};
use crate::ops::conv2d::CONV2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword, positional};

pub(crate) const CHANNELS: Param = positional(
    "channels",
    Kind::Count,
    Preset::Required,
    "the number of filters, which become the output's channels",
);
pub(crate) const KERNEL: Param =
    positional("kernel", Kind::Pair, Preset::Required, "the filter's height x width; one number for both");
pub(crate) const STRIDE: Param =
    keyword("stride", Kind::Pair, Preset::Pair(1, 1), "how far the filter moves");
pub(crate) const PADDING: Param = keyword(
    "padding",
    Kind::Padding,
    Preset::Padding(0),
    "zeros around the image; `same` keeps the size at stride 1",
);
pub(crate) const DILATION: Param =
    keyword("dilation", Kind::Pair, Preset::Pair(1, 1), "the distance between the filter's taps");
pub(crate) const GROUPS: Param = keyword(
    "groups",
    Kind::Count,
    Preset::Count(1),
    "splits channels into groups that do not see each other",
);
pub(crate) const BIAS: Param =
    keyword("bias", Kind::Bool, Preset::Bool(true), "adds one learned number per channel");
pub(crate) const IN: Param =
    keyword("in", Kind::Count, Preset::Absent, "asserts the number of input channels");

pub struct Conv2d;

static SPEC: Spec = Spec {
    name: "conv2d",
    summary: "learned filters slid over an image",
    docs: "`C x H x W` becomes `CHANNELS x H' x W'` with `H' = (H + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, \
           rounded down. Input channels are inferred. Weights and bias begin uniform in ±1/sqrt(fan_in), as in PyTorch.",
    params: &[CHANNELS, KERNEL, STRIDE, PADDING, DILATION, GROUPS, BIAS, IN, initial::INIT],
    example: "conv2d 16 3x3 padding=same -> relu",
    elsewhere: &[
        "Conv2D",
        "Conv2d",
        "convolutional",
        "Convolution",
        "conv",
        "convolution",
        "nn.Conv2d",
        "conv_2d",
    ],
};

impl Layer for Conv2d {
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

/// A convolution along `N` axes, after every check.
pub(crate) struct Checked<const N: usize> {
    pub sliding: Sliding<N>,
    pub channels: usize,
    pub filters: usize,
    pub groups: usize,
    pub extents: [usize; N],
    pub output: Shape,
}

fn checked<const N: usize>(layer: &'static str, args: &Args, input: &Shape) -> Result<Checked<N>, Fault> {
    let (channels, extents) = spatial(layer, input)?;
    let sliding = Sliding::new(args, extents)?;
    let (filters, groups) = (args.whole("channels")?, args.whole("groups")?);
    let output = sliding.output_shape(layer, filters, extents)?;
    if args.has("in") && args.whole("in")? != channels {
        let said = args.whole("in")?;
        return Err(Fault::new(
            codes::FEATURES,
            format!("`{layer}` expects {said} input channels, but {channels} arrive"),
        )
        .at("in")
        .label(format!("{input} arrives: {channels} channels"))
        .set("in", channels)
        .remedy(crate::diag::Remedy::Unset { name: "in" })
        .assume(output));
    }
    for (what, n) in [("input", channels), ("output", filters)] {
        if n % groups != 0 {
            let mut fault = Fault::new(
                codes::GROUPS,
                format!("{groups} groups do not divide the {n} {what} channels of `{layer}`"),
            )
            .at("groups")
            .label(format!("{n} / {groups} leaves {}", n % groups))
            .set("groups", nearest_divisor(common_divisor(channels, filters), groups))
            .assume(output);
            if what == "output" {
                fault = fault.set("channels", n.div_ceil(groups) * groups);
            }
            return Err(fault);
        }
    }
    Ok(Checked { sliding, channels, filters, groups, extents, output })
}

/// The greatest common divisor, by Euclid.
fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// What is known of a convolution along `N` axes.
pub(crate) fn infer<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: &Shape,
) -> Result<Inferred, Fault> {
    checked::<N>(layer, args, input)?.inferred(layer, args)
}

/// A convolution along `N` axes as ops.
pub(crate) fn lower<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: Value,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    checked::<N>(layer, args, &lowering.shape(input).unbatched())?.lower(input, lowering)
}

impl<const N: usize> Checked<N> {
    /// What is known of it.
    pub fn inferred(self, layer: &'static str, args: &Args) -> Result<Inferred, Fault> {
        let Checked { sliding, channels, filters, groups, extents, output } = self;
        let kernel = sliding.axes.map(|window| window.kernel);
        let fan_in = kernel.iter().fold((channels / groups) as f32, |fan, &extent| fan * extent as f32);
        let init = Init::Uniform { bound: 1.0 / fan_in.sqrt() };
        let shape: Shape = [filters, channels / groups].into_iter().chain(kernel).collect();
        let times = |n: usize| kernel.iter().fold(n, |fan, &extent| fan.saturating_mul(extent));
        let fans = Fans { into: times(channels / groups), out: times(filters / groups), groups };
        let parameters = initial::learned(args, shape, fans, init, filters)?;
        Ok(Inferred {
            output,
            arithmetic: sliding.arithmetic(extents),
            parameters,
            warnings: sliding.dropped(layer, extents).into_iter().collect(),
        })
    }

    /// It as ops.
    pub fn lower(&self, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let weight = lowering.parameter("weight")?;
        if let (Some(windows), Some(extents)) = (self.sliding.over_volume(), self.extents.first_chunk()) {
            let value = Folded::new(windows, *extents)?.convolve(input, weight, self.groups, lowering)?;
            return lowering.add_bias(value);
        }
        let attrs = self.sliding.attrs().ints("dilation", self.sliding.dilation());
        let attrs = attrs.int("groups", self.groups as i64);
        let (input, weight) = (lowering.as_image(input)?, lowering.as_image(weight)?);
        let value = lowering.apply(&CONV2D, attrs, &[input, weight])?;
        let value = lowering.add_bias(value)?;
        lowering.from_image::<N>(value)
    }
}
