//! `conv2d`: learned filters slid over an image.

use crate::diag::{Fault, codes};
use crate::graph::{Init, Value};
use crate::layers::lowering::Lowering;
use crate::layers::windowed::Sliding;
use crate::layers::{Inferred, Layer, Parameter, Reach, image, windowed};
use crate::ops::conv2d::CONV2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Conv2d;

static SPEC: Spec = Spec {
    name: "conv2d",
    summary: "learned filters slid over an image",
    docs: "`C x H x W` becomes `CHANNELS x H' x W'` with `H' = (H + padding - dilation (kernel - 1) - 1) / stride + 1`, \
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
        keyword("bias", Kind::Bool, Preset::Bool(true), "adds one learned number a channel"),
        keyword("in", Kind::Count, Preset::Absent, "asserts the number of input channels"),
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

/// Windows, input channels and groups of a convolution, after every check.
fn checked(args: &Args, input: &Shape) -> Result<(Sliding, [usize; 3], usize, [usize; 2]), Fault> {
    let [channels, height, width] = image("conv2d", input)?;
    let sliding = Sliding::new(args, [height, width])?;
    let output = sliding.output("conv2d", [height, width])?;
    let (filters, groups) = (args.whole("channels")?, args.whole("groups")?);
    let assume = Shape::from([filters, output[0], output[1]]);
    if args.has("in") && args.whole("in")? != channels {
        let said = args.whole("in")?;
        return Err(Fault::new(
            codes::FEATURES,
            format!("`conv2d` expects {said} input channels, but {channels} arrive"),
        )
        .at("in")
        .label(format!("{input} arrives: {channels} channels"))
        .set("in", channels)
        .remedy(crate::diag::Remedy::Unset { name: "in" })
        .assume(assume));
    }
    for (what, n) in [("input", channels), ("output", filters)] {
        if n % groups != 0 {
            let near = |n: usize| {
                (1..=n).filter(|g| channels % g == 0 && filters % g == 0).min_by_key(|g| g.abs_diff(groups))
            };
            let mut fault = Fault::new(
                codes::GROUPS,
                format!("{groups} groups do not divide the {n} {what} channels of `conv2d`"),
            )
            .at("groups")
            .label(format!("{n} / {groups} leaves {}", n % groups))
            .assume(assume);
            if let Some(near) = near(channels) {
                fault = fault.set("groups", near);
            }
            if what == "output" {
                fault = fault.set("channels", n.div_ceil(groups) * groups);
            }
            return Err(fault);
        }
    }
    Ok((sliding, [channels, height, width], groups, output))
}

impl Layer for Conv2d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let (sliding, [channels, height, width], groups, output) = checked(args, input)?;
        let filters = args.whole("channels")?;
        let kernel = [sliding.rows.kernel, sliding.columns.kernel];
        let fan_in = (channels / groups) as f32 * kernel[0] as f32 * kernel[1] as f32;
        let init = Init::Uniform { bound: 1.0 / fan_in.sqrt() };
        let weight = Parameter::trained("weight", [filters, channels / groups, kernel[0], kernel[1]], init);
        let mut parameters = vec![weight];
        if args.bool("bias")? {
            parameters.push(Parameter::trained("bias", [filters], init));
        }
        Ok(Inferred {
            output: Shape::from([filters, output[0], output[1]]),
            arithmetic: sliding.arithmetic([height, width]),
            parameters,
            warnings: sliding.dropped("conv2d", [height, width]).into_iter().collect(),
        })
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let (sliding, _, groups, _) = checked(args, &lowering.shape(input).unbatched())?;
        let attrs = sliding
            .attrs()
            .ints("dilation", [sliding.rows.dilation, sliding.columns.dilation])
            .int("groups", groups as i64);
        let weight = lowering.parameter("weight")?;
        let value = lowering.apply(&CONV2D, attrs, &[input, weight])?;
        lowering.add_bias(value)
    }
}
