//! `avg_pool3d`: the mean of each window of a volume.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::max_pool2d::{infer_pool, lower_pool};
use crate::layers::max_pool3d::{KERNEL, STRIDE};
use crate::layers::{Inferred, Layer, Reach, windowed};
use crate::ops::avg_pool2d::AVG_POOL2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword};

pub struct AvgPool3d;

static SPEC: Spec = Spec {
    name: "avg_pool3d",
    summary: "the mean of each window of a volume",
    docs: "`C x D x H x W` becomes `C x D' x H' x W'` with `D' = (D + 2 padding - kernel) / stride + 1`, rounded down, or up with \
           `ceil=true`, and likewise `H'` and `W'`. The stride is the kernel unless it is given. As in PyTorch, padding is at \
           most half the kernel, also where its zeros count.",
    params: &[
        KERNEL,
        STRIDE,
        keyword(
            "padding",
            Kind::Around,
            Preset::Padding(0),
            "zeros around the volume; at most half the kernel",
        ),
        keyword("ceil", Kind::Bool, Preset::Bool(false), "a window that is partly outside counts"),
        keyword("count_padding", Kind::Bool, Preset::Bool(true), "zeros of the padding count as summands"),
    ],
    example: "reshape 3x4x6x6 -> avg_pool3d 2",
    elsewhere: &["AvgPool3d", "AveragePooling3D", "nn.AvgPool3d"],
};

impl Layer for AvgPool3d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        infer_pool::<3>(SPEC.name, args, input)
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<3>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lower_pool::<3>(SPEC.name, args, input, lowering, &AVG_POOL2D)
    }
}
