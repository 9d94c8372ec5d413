//! `conv3d`: learned filters slid through a volume.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, conv2d, initial, windowed};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword, positional};

pub(crate) const KERNEL: Param = positional(
    "kernel",
    Kind::Triple,
    Preset::Required,
    "the filter's depth x height x width; one number for all three",
);
pub(crate) const STRIDE: Param =
    keyword("stride", Kind::Triple, Preset::Count(1), "how far the filter moves");
pub(crate) const PADDING: Param = keyword(
    "padding",
    Kind::Around,
    Preset::Padding(0),
    "zeros around the volume; `same` keeps the size at stride 1",
);
pub(crate) const DILATION: Param =
    keyword("dilation", Kind::Triple, Preset::Count(1), "the distance between the filter's taps");

pub struct Conv3d;

static SPEC: Spec = Spec {
    name: "conv3d",
    summary: "learned filters slid through a volume",
    docs: "`C x D x H x W` becomes `CHANNELS x D' x H' x W'` with `D' = (D + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, \
           rounded down, and likewise `H'` and `W'`. Input channels are inferred. The depth of a video is its frames. Weights \
           and bias begin uniform in ±1/sqrt(fan_in), as in PyTorch.",
    params: &[
        conv2d::CHANNELS,
        KERNEL,
        STRIDE,
        PADDING,
        DILATION,
        conv2d::GROUPS,
        conv2d::BIAS,
        conv2d::IN,
        initial::INIT,
    ],
    example: "reshape 3x4x6x6 -> conv3d 8 3 padding=same -> relu",
    elsewhere: &["Conv3D", "Conv3d", "nn.Conv3d", "Convolution3D"],
};

impl Layer for Conv3d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        conv2d::infer::<3>(SPEC.name, args, input)
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<3>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        conv2d::lower::<3>(SPEC.name, args, input, lowering)
    }
}
