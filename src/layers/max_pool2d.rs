//! `max_pool2d`: the largest pixel of each window.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::windowed::Sliding;
use crate::layers::{Inferred, Layer, Reach, image, windowed};
use crate::ops::max_pool2d::MAX_POOL2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct MaxPool2d;

static SPEC: Spec = Spec {
    name: "max_pool2d",
    summary: "the largest pixel of each window",
    docs: "`C x H x W` becomes `C x H' x W'` with `H' = (H + padding - kernel) / stride + 1`, rounded down, or up with \
           `ceil=true`. The padding never wins. The stride is the kernel unless it is given.",
    params: &[
        positional(
            "kernel",
            Kind::Pair,
            Preset::Required,
            "the window's height x width; one number for both",
        ),
        keyword("stride", Kind::Pair, Preset::Like("kernel"), "how far the window moves"),
        keyword("padding", Kind::Padding, Preset::Padding(0), "pixels around the image that never win"),
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
        infer_pool(SPEC.name, args, input)
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let attrs = pool_attrs(SPEC.name, args, &lowering.shape(input).unbatched())?;
        lowering.apply(&MAX_POOL2D, attrs, &[input])
    }
}

/// What is known of a pooling layer.
pub(crate) fn infer_pool(layer: &'static str, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
    let [channels, height, width] = image(layer, input)?;
    let sliding = Sliding::new(args, [height, width])?;
    let [out_height, out_width] = sliding.output(layer, [height, width])?;
    Ok(Inferred {
        output: Shape::from([channels, out_height, out_width]),
        arithmetic: sliding.arithmetic([height, width]),
        parameters: Vec::new(),
        // Who writes `ceil` has decided what happens to the rest.
        warnings: match args.span("ceil") {
            Some(_) => Vec::new(),
            None => sliding
                .dropped(layer, [height, width])
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

/// The attributes of a pooling op.
pub(crate) fn pool_attrs(
    layer: &str,
    args: &Args,
    input: &Shape,
) -> Result<crate::graph::attrs::Attrs, Fault> {
    let [_, height, width] = image(layer, input)?;
    let sliding = Sliding::new(args, [height, width])?;
    let kernel = [sliding.rows.kernel, sliding.columns.kernel];
    Ok(sliding.attrs().ints("kernel", kernel).int("ceil", i64::from(sliding.rows.ceil)))
}
