//! `avg_pool2d`: the mean of each window.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::max_pool2d::{infer_pool, lower_pool};
use crate::layers::{Inferred, Layer, Reach, windowed};
use crate::ops::avg_pool2d::AVG_POOL2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct AvgPool2d;

static SPEC: Spec = Spec {
    name: "avg_pool2d",
    summary: "the mean of each window",
    docs: "`C x H x W` becomes `C x H' x W'` with `H' = (H + 2 padding - kernel) / stride + 1`, rounded down, or up with \
           `ceil=true`. The stride is the kernel unless it is given. As in PyTorch, padding is at most half the kernel, also where \
           its zeros count: a mean of zeros alone would say nothing of the image.",
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
            "zeros around the image; at most half the kernel",
        ),
        keyword("ceil", Kind::Bool, Preset::Bool(false), "a window that is partly outside counts"),
        keyword("count_padding", Kind::Bool, Preset::Bool(true), "zeros of the padding count as summands"),
    ],
    example: "avg_pool2d 2",
    elsewhere: &[
        "AvgPool2d",
        "AveragePooling2D",
        "avgpool",
        "AvgPool",
        "avg_pool",
        "average_pool",
        "nn.AvgPool2d",
    ],
};

impl Layer for AvgPool2d {
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
        lower_pool::<2>(SPEC.name, args, input, lowering, &AVG_POOL2D)
    }
}
