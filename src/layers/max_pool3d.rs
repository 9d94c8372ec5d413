//! `max_pool3d`: the largest voxel of each window.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::max_pool2d::{infer_pool, lower_pool};
use crate::layers::{Inferred, Layer, Reach, windowed};
use crate::ops::max_pool2d::MAX_POOL2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword, positional};

pub(crate) const KERNEL: Param = positional(
    "kernel",
    Kind::Triple,
    Preset::Required,
    "the window's depth x height x width; one number for all three",
);
pub(crate) const STRIDE: Param =
    keyword("stride", Kind::Triple, Preset::Like("kernel"), "how far the window moves");

pub struct MaxPool3d;

static SPEC: Spec = Spec {
    name: "max_pool3d",
    summary: "the largest voxel of each window",
    docs: "`C x D x H x W` becomes `C x D' x H' x W'` with `D' = (D + 2 padding - kernel) / stride + 1`, rounded down, or up with \
           `ceil=true`, and likewise `H'` and `W'`. The padding never wins, and is at most half the kernel, as in PyTorch: in a \
           window of padding alone nothing would. The stride is the kernel unless it is given.",
    params: &[
        KERNEL,
        STRIDE,
        keyword(
            "padding",
            Kind::Around,
            Preset::Padding(0),
            "voxels around the volume that never win; at most half the kernel",
        ),
        keyword("ceil", Kind::Bool, Preset::Bool(false), "a window that is partly outside counts"),
    ],
    example: "reshape 3x4x6x6 -> max_pool3d 2",
    elsewhere: &["MaxPool3d", "MaxPooling3D", "nn.MaxPool3d"],
};

impl Layer for MaxPool3d {
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
        lower_pool::<3>(SPEC.name, args, input, lowering, &MAX_POOL2D)
    }
}
