//! `conv_transpose2d`: learned filters laid down at every pixel and summed; the adjoint of a convolution.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::{Init, Value};
use crate::layers::conv2d::{BIAS, DILATION, GROUPS, KERNEL};
use crate::layers::initial::{self, Fans};
use crate::layers::lowering::Lowering;
use crate::layers::volume::Folded;
use crate::layers::windowed::{Sliding, times};
use crate::layers::{Inferred, Layer, Reach, spatial, windowed};
use crate::ops::conv2d::CONV2D_GRAD_INPUT;
use crate::shape::{Shape, Window};
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword, positional};

pub(crate) const CHANNELS: Param =
    positional("channels", Kind::Count, Preset::Required, "the output's channels");

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
        CHANNELS,
        KERNEL,
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
        DILATION,
        GROUPS,
        BIAS,
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

/// Output extents and the windows of the convolution that brings them back, after every check.
fn checked<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: &Shape,
) -> Result<([usize; N], Sliding<N>), Fault> {
    let (channels, extents) = spatial::<N>(layer, input)?;
    let of = |name: &str| args.extents::<N>(name);
    let (kernel, stride, dilation) = (of("kernel")?, of("stride")?, of("dilation")?);
    let (filters, groups, more) =
        (args.whole("channels")?, args.whole("groups")?, args.whole("output_padding")?);
    let whole = |i: usize, extent: usize| {
        let reach = dilation[i].saturating_mul(kernel[i] - 1).saturating_add(1 + more);
        (extent - 1).saturating_mul(stride[i]).saturating_add(reach)
    };
    let Some(ends) = args.ends::<N>("padding")? else {
        let axes: [(usize, usize); N] = std::array::from_fn(|i| (extents[i], whole(i, extents[i])));
        return Err(no_same(layer, axes, stride, filters));
    };
    if let Some((what, n)) =
        [("input", channels), ("output", filters)].into_iter().find(|(_, n)| n % groups != 0)
    {
        return Err(Fault::new(
            codes::GROUPS,
            format!("{groups} groups do not divide the {n} {what} channels of `{layer}`"),
        )
        .at("groups")
        .label(format!("{n} / {groups} leaves {}", n % groups))
        .remedy(Remedy::Unset { name: "groups" }));
    }
    let least = stride.into_iter().min().unwrap_or(1);
    if more >= least && more > 0 {
        return Err(Fault::new(
            codes::BAD_VALUE,
            format!("`output_padding` of `{layer}` is less than the stride, not {more}"),
        )
        .at("output_padding")
        .label(format!("the stride is {least}"))
        .set("output_padding", least - 1));
    }
    let mut output = [0; N];
    for (i, extent) in extents.into_iter().enumerate() {
        let whole = whole(i, extent);
        let cut = ends[i][0] + ends[i][1];
        output[i] = whole.checked_sub(cut).filter(|&left| left > 0).ok_or_else(|| {
            Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!(
                    "the padding of `{layer}` cuts {cut} {} off an axis of {whole}",
                    windowed::places::<N>()
                ),
            )
            .at("padding")
            .label(format!("{} arrives", times(extents)))
            .set("padding", 0)
        })?;
    }
    let axis = |i: usize| {
        let [before, after] = ends[i];
        Window { kernel: kernel[i], stride: stride[i], before, after, dilation: dilation[i], ceil: false }
    };
    Ok((output, Sliding { axes: std::array::from_fn(axis) }))
}

/// That `same` has no one meaning, with the padding that makes the image `stride` times as large. `axes` are the extents
/// that arrive, each with what comes out before anything is cut off.
fn no_same<const N: usize>(
    layer: &str,
    axes: [(usize, usize); N],
    stride: [usize; N],
    filters: usize,
) -> Fault {
    let larger: [usize; N] = std::array::from_fn(|i| axes[i].0.saturating_mul(stride[i]));
    let message = format!("`{layer}` does not take `padding=same`: more than one output size would fit");
    let fault = Fault::new(codes::BAD_VALUE, message)
        .at("padding")
        .label(format!("a number of {} is needed", windowed::places::<N>()))
        .assume(std::iter::once(filters).chain(larger).collect());
    let cut: Option<Vec<[usize; 2]>> = axes
        .iter()
        .zip(larger)
        .map(|((_, whole), to)| whole.checked_sub(to).map(|cut| [cut / 2, cut - cut / 2]))
        .collect();
    match cut.and_then(|cut| <[[usize; 2]; N]>::try_from(cut).ok()) {
        Some(ends) => {
            let what = if stride == [1; N] { "keeps the size" } else { "gives stride times the size" };
            let padding = windowed::sides(ends);
            fault.note(format!("`padding={padding}` {what}: {}", times(larger))).set("padding", padding)
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
        infer::<2>(SPEC.name, args, input)
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Rescaled
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lower::<2>(SPEC.name, args, input, lowering)
    }
}

/// What is known of a transposed convolution along `N` axes.
pub(crate) fn infer<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: &Shape,
) -> Result<Inferred, Fault> {
    let (channels, extents) = spatial::<N>(layer, input)?;
    let (output, _) = checked::<N>(layer, args, input)?;
    let (filters, groups) = (args.whole("channels")?, args.whole("groups")?);
    let (per_group, kernel) = (filters / groups, args.extents::<N>("kernel")?);
    let fan = kernel.iter().fold(per_group as f32, |fan, &extent| fan * extent as f32);
    let init = Init::Uniform { bound: 1.0 / fan.sqrt() };
    let times_area = |n: usize| kernel.iter().fold(n, |area, &extent| area.saturating_mul(extent));
    // As PyTorch counts, by the places of the stored weights.
    let fans = Fans { into: times_area(per_group), out: times_area(channels / groups), groups };
    let weight: Shape = [channels, per_group].into_iter().chain(kernel).collect();
    let parameters = initial::learned(args, weight, fans, init, filters)?;
    Ok(Inferred {
        arithmetic: format!("{} laid out over {}", times(extents), times(output)).into(),
        parameters,
        ..Inferred::shape(std::iter::once(filters).chain(output).collect())
    })
}

/// A transposed convolution along `N` axes as ops.
pub(crate) fn lower<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: Value,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let (output, sliding) = checked::<N>(layer, args, &lowering.shape(input).unbatched())?;
    let (weight, groups) = (lowering.parameter("weight")?, args.whole("groups")?);
    if let (Some(windows), Some(extents)) = (sliding.over_volume(), output.first_chunk()) {
        let value = Folded::new(windows, *extents)?.spread(input, weight, groups, lowering)?;
        return lowering.add_bias(value);
    }
    // A sequence is an image of one row.
    let attrs = sliding
        .attrs()
        .ints("dilation", sliding.dilation())
        .int("groups", groups as i64)
        .ints("input", [if N == 1 { 1 } else { output[0] }, output[N - 1]]);
    let (input, weight) = (lowering.as_image(input)?, lowering.as_image(weight)?);
    let value = lowering.apply(&CONV2D_GRAD_INPUT, attrs, &[weight, input])?;
    let value = lowering.add_bias(value)?;
    lowering.from_image::<N>(value)
}
