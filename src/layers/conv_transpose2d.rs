//! `conv_transpose2d`: learned filters laid down at every pixel and summed; the adjoint of a convolution.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::attrs::Attrs;
use crate::graph::{Init, Value};
use crate::layers::initial::{self, Fans};
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, image};
use crate::ops::conv2d::CONV2D_GRAD_INPUT;
use crate::shape::Shape;
use crate::spec::{Arg, Args, Kind, Padding, Preset, Spec, keyword, positional};

pub struct ConvTranspose2d;

static SPEC: Spec = Spec {
    name: "conv_transpose2d",
    summary: "learned filters laid down at every pixel, which makes an image larger",
    docs: "`C x H x W` becomes `CHANNELS x H' x W'` with `H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + \
           output_padding + 1`: what `conv2d` with these arguments would bring back to `H`. `padding=same` is not taken: at a \
           stride above 1, several sizes come back to `H`. For stride times the size, cut `dilation (kernel - 1) + \
           output_padding + 1 - stride` pixels in all, as `4x4 stride=2 padding=1` does. Weights and bias begin \
           uniform in ±1/sqrt(CHANNELS/groups · kernel area), as in PyTorch. Zeiler et al., 2010.",
    params: &[
        positional("channels", Kind::Count, Preset::Required, "the output's channels"),
        positional(
            "kernel",
            Kind::Pair,
            Preset::Required,
            "the filter's height x width; one number for both",
        ),
        keyword("stride", Kind::Pair, Preset::Pair(1, 1), "how far apart the filters are laid down"),
        keyword(
            "padding",
            Kind::Padding,
            Preset::Padding(0),
            "pixels that are cut off each side of the result; `same` is refused",
        ),
        keyword(
            "output_padding",
            Kind::Whole,
            Preset::Count(0),
            "more pixels at the bottom and the right; fewer than the stride",
        ),
        keyword("dilation", Kind::Pair, Preset::Pair(1, 1), "the distance between the filter's taps"),
        keyword(
            "groups",
            Kind::Count,
            Preset::Count(1),
            "splits channels into groups that do not see each other",
        ),
        keyword("bias", Kind::Bool, Preset::Bool(true), "adds one learned number per channel"),
        initial::INIT,
    ],
    example: "conv_transpose2d 8 2x2 stride=2",
    elsewhere: &[
        "ConvTranspose2d",
        "Conv2DTranspose",
        "Deconvolution",
        "nn.ConvTranspose2d",
        "deconv",
        "deconv2d",
        "deconvolutional",
        "transposed_conv2d",
        "conv2d_transpose",
    ],
};

/// Output height and width and the convolution's attributes, after every check.
fn checked(args: &Args, input: &Shape) -> Result<([usize; 2], Attrs), Fault> {
    let [channels, height, width] = image(SPEC.name, input)?;
    let (kernel, stride, dilation) = (args.pair("kernel")?, args.pair("stride")?, args.pair("dilation")?);
    let (filters, groups, more) =
        (args.whole("channels")?, args.whole("groups")?, args.whole("output_padding")?);
    let whole = |i: usize, extent: usize| {
        let reach = dilation[i].saturating_mul(kernel[i] - 1).saturating_add(1 + more);
        (extent - 1).saturating_mul(stride[i]).saturating_add(reach)
    };
    let Padding::Sides(sides) = args.padding("padding")? else {
        return Err(no_same([(height, whole(0, height)), (width, whole(1, width))], stride, filters));
    };
    if let Some((what, n)) =
        [("input", channels), ("output", filters)].into_iter().find(|(_, n)| n % groups != 0)
    {
        return Err(Fault::new(
            codes::GROUPS,
            format!("{groups} groups do not divide the {n} {what} channels of `conv_transpose2d`"),
        )
        .at("groups")
        .label(format!("{n} / {groups} leaves {}", n % groups))
        .remedy(Remedy::Unset { name: "groups" }));
    }
    if more >= stride[0].min(stride[1]) && more > 0 {
        return Err(Fault::new(
            codes::BAD_VALUE,
            format!("`output_padding` of `conv_transpose2d` is less than the stride, not {more}"),
        )
        .at("output_padding")
        .label(format!("the stride is {}", stride[0].min(stride[1])))
        .set("output_padding", stride[0].min(stride[1]) - 1));
    }
    let mut output = [0; 2];
    for (i, extent) in [height, width].into_iter().enumerate() {
        let whole = whole(i, extent);
        let cut = sides[2 * i] + sides[2 * i + 1];
        output[i] = whole.checked_sub(cut).filter(|&left| left > 0).ok_or_else(|| {
            Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!("the padding of `conv_transpose2d` cuts {cut} pixels off an axis of {whole}"),
            )
            .at("padding")
            .label(format!("{height}x{width} arrives"))
            .set("padding", 0)
        })?;
    }
    let attrs = Attrs::new()
        .ints("stride", stride)
        .ints("padding", sides)
        .ints("dilation", dilation)
        .int("groups", groups as i64)
        .ints("input", output);
    Ok((output, attrs))
}

/// That `same` has no one meaning, with the padding that makes the image `stride` times as large. `axes` are the extents
/// that arrive, each with what comes out before anything is cut off.
fn no_same(axes: [(usize, usize); 2], stride: [usize; 2], filters: usize) -> Fault {
    let times: [usize; 2] = std::array::from_fn(|i| axes[i].0.saturating_mul(stride[i]));
    let message = "`conv_transpose2d` does not take `padding=same`: more than one output size would fit";
    let fault = Fault::new(codes::BAD_VALUE, message)
        .at("padding")
        .label("a number of pixels is needed")
        .assume(Shape::from([filters, times[0], times[1]]));
    let cut: Option<Vec<usize>> =
        axes.iter().zip(times).map(|((_, whole), to)| whole.checked_sub(to)).collect();
    match cut.as_deref() {
        Some(&[rows, columns]) => {
            let sides = [rows / 2, rows - rows / 2, columns / 2, columns - columns / 2];
            let what = if stride == [1, 1] { "keeps the size" } else { "gives stride times the size" };
            let padding = Arg::Padding(Padding::Sides(sides));
            fault
                .note(format!("`padding={padding}` {what}: {}x{}", times[0], times[1]))
                .set("padding", padding)
        }
        // The kernel does not reach from one pixel to the next.
        _ => fault.remedy(Remedy::Unset { name: "padding" }),
    }
}

impl Layer for ConvTranspose2d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, height, width] = image(SPEC.name, input)?;
        let (output, _) = checked(args, input)?;
        let (filters, kernel) = (args.whole("channels")?, args.pair("kernel")?);
        let per_group = filters / args.whole("groups")?;
        let fan = per_group as f32 * kernel[0] as f32 * kernel[1] as f32;
        let init = Init::Uniform { bound: 1.0 / fan.sqrt() };
        let (groups, area) = (args.whole("groups")?, kernel[0].saturating_mul(kernel[1]));
        // As PyTorch counts, by the places of the stored weights.
        let fans = Fans {
            into: per_group.saturating_mul(area),
            out: (channels / groups).saturating_mul(area),
            groups,
        };
        let weight = [channels, per_group, kernel[0], kernel[1]];
        let parameters = initial::learned(args, weight, fans, init, filters)?;
        Ok(Inferred {
            arithmetic: format!("{height}x{width} laid out over {}x{}", output[0], output[1]),
            parameters,
            ..Inferred::shape(Shape::from([filters, output[0], output[1]]))
        })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Rescaled
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let (_, attrs) = checked(args, &lowering.shape(input).unbatched())?;
        let weight = lowering.parameter("weight")?;
        let value = lowering.apply(&CONV2D_GRAD_INPUT, attrs, &[weight, input])?;
        lowering.add_bias(value)
    }
}
