//! `depthwise_conv3d`: each channel of a volume filtered by itself.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, conv2d, conv3d, depthwise_conv2d, initial, windowed};
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct DepthwiseConv3d;

static SPEC: Spec = Spec {
    name: "depthwise_conv3d",
    summary: "each channel of a volume filtered by itself",
    docs: "`C x D x H x W` becomes `C·multiplier x D' x H' x W'`, with `D'` as for `conv3d`: a convolution whose groups are the \
           channels. Weights and bias begin uniform in ±1/sqrt(kernel volume), as in PyTorch.",
    params: &[
        conv3d::KERNEL,
        depthwise_conv2d::MULTIPLIER,
        conv3d::STRIDE,
        conv3d::PADDING,
        conv3d::DILATION,
        conv2d::BIAS,
        initial::INIT,
    ],
    example: "reshape 3x4x6x6 -> depthwise_conv3d 3 padding=1",
    elsewhere: &["DepthwiseConv3D", "DepthwiseConv3d"],
};

impl Layer for DepthwiseConv3d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        depthwise_conv2d::infer::<3>(SPEC.name, args, input)
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<3>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        depthwise_conv2d::lower::<3>(SPEC.name, args, input, lowering)
    }
}
