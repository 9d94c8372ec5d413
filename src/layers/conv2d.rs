//! `conv2d`: learned filters slid over an image.

use crate::diag::{Fault, codes};
use crate::graph::{Init, Value};
use crate::layers::initial::{self, Fans};
use crate::layers::lowering::Lowering;
use crate::layers::windowed::Sliding;
use crate::layers::{Inferred, Layer, Reach, spatial, windowed};
use crate::ops::conv2d::CONV2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Conv2d;

static SPEC: Spec = Spec {
    name: "conv2d",
    summary: "learned filters slid over an image",
    docs: "`C x H x W` becomes `CHANNELS x H' x W'` with `H' = (H + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, \
           rounded down. Input channels are inferred. Weights and bias begin uniform in ±1/sqrt(fan_in), as in PyTorch.",
    params: &[
        positional(
            "channels",
            Kind::Count,
            Preset::Required,
            "the number of filters, which become the output's channels",
        ),
        positional(
            "kernel",
            Kind::Pair,
            Preset::Required,
            "the filter's height x width; one number for both",
        ),
        keyword("stride", Kind::Pair, Preset::Pair(1, 1), "how far the filter moves"),
        keyword(
            "padding",
            Kind::Padding,
            Preset::Padding(0),
            "zeros around the image; `same` keeps the size at stride 1",
        ),
        keyword("dilation", Kind::Pair, Preset::Pair(1, 1), "the distance between the filter's taps"),
        keyword(
            "groups",
            Kind::Count,
            Preset::Count(1),
            "splits channels into groups that do not see each other",
        ),
        keyword("bias", Kind::Bool, Preset::Bool(true), "adds one learned number per channel"),
        keyword("in", Kind::Count, Preset::Absent, "asserts the number of input channels"),
        initial::INIT,
    ],
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
struct Checked<const N: usize> {
    sliding: Sliding<N>,
    channels: usize,
    groups: usize,
    extents: [usize; N],
    output: Shape,
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
            let near = |n: usize| {
                (1..=n).filter(|g| channels % g == 0 && filters % g == 0).min_by_key(|g| g.abs_diff(groups))
            };
            let mut fault = Fault::new(
                codes::GROUPS,
                format!("{groups} groups do not divide the {n} {what} channels of `{layer}`"),
            )
            .at("groups")
            .label(format!("{n} / {groups} leaves {}", n % groups))
            .assume(output);
            if let Some(near) = near(channels) {
                fault = fault.set("groups", near);
            }
            if what == "output" {
                fault = fault.set("channels", n.div_ceil(groups) * groups);
            }
            return Err(fault);
        }
    }
    Ok(Checked { sliding, channels, groups, extents, output })
}

/// What is known of a convolution along `N` axes.
pub(crate) fn infer<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: &Shape,
) -> Result<Inferred, Fault> {
    let Checked { sliding, channels, groups, extents, output } = checked::<N>(layer, args, input)?;
    let filters = args.whole("channels")?;
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

/// A convolution along `N` axes as ops.
pub(crate) fn lower<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: Value,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let Checked { sliding, groups, .. } = checked::<N>(layer, args, &lowering.shape(input).unbatched())?;
    let attrs = sliding.attrs().ints("dilation", sliding.dilation()).int("groups", groups as i64);
    let weight = lowering.parameter("weight")?;
    let (input, weight) = (lowering.as_image(input)?, lowering.as_image(weight)?);
    let value = lowering.apply(&CONV2D, attrs, &[input, weight])?;
    let value = lowering.add_bias(value)?;
    lowering.from_image::<N>(value)
}
