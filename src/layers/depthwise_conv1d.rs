//! `depthwise_conv1d`: each channel of a sequence filtered by itself; over images of one row.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, conv1d, conv2d, depthwise_conv2d, initial, windowed};
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct DepthwiseConv1d;

static SPEC: Spec = Spec {
    name: "depthwise_conv1d",
    summary: "each channel of a sequence filtered by itself",
    docs: "`C x L` becomes `C·multiplier x L'`, with `L'` as for `conv1d`: a convolution whose groups are the channels. Weights \
           and bias begin uniform in ±1/sqrt(kernel), as in PyTorch.",
    params: &[
        conv1d::KERNEL,
        depthwise_conv2d::MULTIPLIER,
        conv1d::STRIDE,
        conv1d::PADDING,
        conv1d::DILATION,
        conv2d::BIAS,
        initial::INIT,
    ],
    example: "reshape 12x36 -> depthwise_conv1d 3 padding=1",
    elsewhere: &["DepthwiseConv1D", "DepthwiseConv1d"],
};

impl Layer for DepthwiseConv1d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        depthwise_conv2d::infer::<1>(SPEC.name, args, input)
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<1>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        depthwise_conv2d::lower::<1>(SPEC.name, args, input, lowering)
    }
}
