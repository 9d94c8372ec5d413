//! `conv_transpose1d`: the adjoint of `conv1d`, which makes sequences longer; over images of one row.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::conv_transpose2d::CHANNELS;
use crate::layers::conv2d::{BIAS, GROUPS};
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, conv_transpose2d, conv1d, initial};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword};

pub struct ConvTranspose1d;

static SPEC: Spec = Spec {
    name: "conv_transpose1d",
    summary: "learned filters that make a sequence longer",
    docs: "`C x L` becomes `CHANNELS x L'` with `L' = (L - 1) stride - padding + dilation (kernel - 1) + output_padding + 1`, \
           where padding counts both ends: the adjoint of a `conv1d` that makes `L` of `L'`. Weights and bias begin uniform in \
           ±1/sqrt(CHANNELS/groups · kernel), as in PyTorch.",
    params: &[
        CHANNELS,
        conv1d::KERNEL,
        keyword("stride", Kind::Count, Preset::Count(1), "how far apart the filters are laid down"),
        keyword(
            "padding",
            Kind::Ends,
            Preset::Padding(0),
            "places that are cut off each end of the result; `same` is refused",
        ),
        keyword(
            "output_padding",
            Kind::Whole,
            Preset::Count(0),
            "more places at the end; fewer than the stride",
        ),
        conv1d::DILATION,
        GROUPS,
        BIAS,
        initial::INIT,
    ],
    example: "reshape 12x36 -> conv_transpose1d 8 2 stride=2",
    elsewhere: &["ConvTranspose1d", "Conv1DTranspose", "nn.ConvTranspose1d", "deconv1d"],
};

impl Layer for ConvTranspose1d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        conv_transpose2d::infer::<1>(SPEC.name, args, input)
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Rescaled
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        conv_transpose2d::lower::<1>(SPEC.name, args, input, lowering)
    }
}
