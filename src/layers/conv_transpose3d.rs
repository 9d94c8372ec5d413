//! `conv_transpose3d`: the adjoint of `conv3d`, which makes volumes larger.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::conv_transpose2d::CHANNELS;
use crate::layers::conv2d::{BIAS, GROUPS};
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, conv_transpose2d, conv3d, initial};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword};

pub struct ConvTranspose3d;

static SPEC: Spec = Spec {
    name: "conv_transpose3d",
    summary: "learned filters that make a volume larger",
    docs: "`C x D x H x W` becomes `CHANNELS x D' x H' x W'` with `D' = (D - 1) stride - 2 padding + dilation (kernel - 1) + \
           output_padding + 1`, and likewise `H'` and `W'`: the adjoint of a `conv3d` that makes `D` of `D'`. `padding=same` is \
           not taken. Weights and bias begin uniform in ±1/sqrt(CHANNELS/groups · kernel volume), as in PyTorch.",
    params: &[
        CHANNELS,
        conv3d::KERNEL,
        keyword("stride", Kind::Triple, Preset::Count(1), "how far apart the filters are laid down"),
        keyword(
            "padding",
            Kind::Around,
            Preset::Padding(0),
            "voxels that are cut off each side of the result; `same` is refused",
        ),
        keyword(
            "output_padding",
            Kind::Whole,
            Preset::Count(0),
            "more voxels at the end of each axis; fewer than the stride",
        ),
        conv3d::DILATION,
        GROUPS,
        BIAS,
        initial::INIT,
    ],
    example: "reshape 3x4x6x6 -> conv_transpose3d 8 2 stride=2",
    elsewhere: &["ConvTranspose3d", "Conv3DTranspose", "nn.ConvTranspose3d", "deconv3d"],
};

impl Layer for ConvTranspose3d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        conv_transpose2d::infer::<3>(SPEC.name, args, input)
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Rescaled
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        conv_transpose2d::lower::<3>(SPEC.name, args, input, lowering)
    }
}
