//! `max_pool2d`: the largest pixel of each window.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::op::Op;
use crate::layers::lowering::Lowering;
use crate::layers::windowed::Sliding;
use crate::layers::{Inferred, Layer, Reach, spatial, volume, windowed};
use crate::ops::max_pool2d::MAX_POOL2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct MaxPool2d;

static SPEC: Spec = Spec {
    name: "max_pool2d",
    summary: "the largest pixel of each window",
    docs: "`C x H x W` becomes `C x H' x W'` with `H' = (H + 2 padding - kernel) / stride + 1`, rounded down, or up with \
           `ceil=true`. The padding never wins, and is at most half the kernel, as in PyTorch: in a window of padding alone \
           nothing would. The stride is the kernel unless it is given.",
    params: &[
        positional(
            "kernel",
            Kind::Pair,
            Preset::Required,
            "the window's height x width; one number for both",
        ),
        keyword("stride", Kind::Pair, Preset::Like("kernel"), "how far the window moves"),
        keyword(
            "padding",
            Kind::Padding,
            Preset::Padding(0),
            "pixels around the image that never win; at most half the kernel",
        ),
        keyword("ceil", Kind::Bool, Preset::Bool(false), "a window that is partly outside counts"),
    ],
    example: "max_pool2d 2",
    elsewhere: &[
        "MaxPool2d",
        "MaxPooling2D",
        "maxpool",
        "MaxPool",
        "max_pool",
        "maxpool2d",
        "nn.MaxPool2d",
        "Pooling",
    ],
};

impl Layer for MaxPool2d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        infer_pool::<2>(SPEC.name, args, input)
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<2>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lower_pool::<2>(SPEC.name, args, input, lowering, &MAX_POOL2D)
    }
}

/// What is known of a pooling layer along `N` axes.
pub(crate) fn infer_pool<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: &Shape,
) -> Result<Inferred, Fault> {
    let (channels, extents) = spatial::<N>(layer, input)?;
    let sliding = Sliding::new(args, extents)?;
    let output = sliding.output_shape(layer, channels, extents)?;
    sliding.half_at_most(layer, extents, &output)?;
    Ok(Inferred {
        output,
        arithmetic: sliding.arithmetic(extents),
        parameters: Vec::new(),
        // Who writes `ceil` has decided what happens to the rest.
        warnings: match args.span("ceil") {
            Some(_) => Vec::new(),
            None => sliding
                .dropped(layer, extents)
                .into_iter()
                .map(|fault| {
                    fault
                        .set("ceil", "true")
                        .advise("assert the output shape, `: …` at the line's end, if this is meant")
                })
                .collect(),
        },
    })
}

/// A pooling layer along `N` axes as `op`.
pub(crate) fn lower_pool<const N: usize>(
    layer: &'static str,
    args: &Args,
    input: Value,
    lowering: &mut Lowering<'_>,
    op: &'static dyn Op,
) -> Result<Value, Fault> {
    let (_, extents) = spatial::<N>(layer, &lowering.shape(input).unbatched())?;
    let sliding = Sliding::new(args, extents)?;
    if let Some(windows) = sliding.over_volume() {
        return volume::pool(windows, args, input, lowering, op);
    }
    let input = lowering.as_image(input)?;
    let value = lowering.apply(op, sliding.pool_attrs(args, extents)?, &[input])?;
    lowering.from_image::<N>(value)
}
