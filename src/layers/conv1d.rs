//! `conv1d`: learned filters slid along a sequence; a convolution over images of one row.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, conv2d, initial, windowed};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword, positional};

pub(crate) const KERNEL: Param = positional("kernel", Kind::Count, Preset::Required, "the filter's length");
pub(crate) const STRIDE: Param = keyword("stride", Kind::Count, Preset::Count(1), "how far the filter moves");
pub(crate) const PADDING: Param = keyword(
    "padding",
    Kind::Ends,
    Preset::Padding(0),
    "zeros at both ends; `same` keeps the length at stride 1",
);
pub(crate) const DILATION: Param =
    keyword("dilation", Kind::Count, Preset::Count(1), "the distance between the filter's taps");

pub struct Conv1d;

static SPEC: Spec = Spec {
    name: "conv1d",
    summary: "learned filters slid along a sequence",
    docs: "`C x L` becomes `CHANNELS x L'` with `L' = (L + padding - dilation (kernel - 1) - 1) / stride + 1`, rounded \
           down. Input channels are inferred. Weights and bias begin uniform in ±1/sqrt(fan_in), as in PyTorch.",
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
    example: "reshape 12x36 -> conv1d 8 3 padding=same -> relu",
    elsewhere: &["Conv1D", "Conv1d", "nn.Conv1d", "Convolution1D"],
};

impl Layer for Conv1d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        conv2d::infer::<1>(SPEC.name, args, input)
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<1>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        conv2d::lower::<1>(SPEC.name, args, input, lowering)
    }
}
