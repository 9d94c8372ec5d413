//! `instance_norm`: each channel of each image brought to mean 0 and variance 1.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::standardize::{EPSILON, affine, affine_per_channel, check_parts, standardize};
use crate::layers::{Inferred, Layer, with_places};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword};

pub struct InstanceNorm;

static SPEC: Spec = Spec {
    name: "instance_norm",
    summary: "each channel of each image brought to mean 0 and variance 1",
    docs: "The shape stays. No running statistics are kept: training and inference do the same, as in PyTorch. With \
           `affine=true` each channel is scaled and shifted by learned numbers. Ulyanov et al., 2016.",
    params: &[
        keyword(
            "affine",
            Kind::Bool,
            Preset::Bool(false),
            "scales and shifts each channel by learned numbers",
        ),
        EPSILON,
    ],
    example: "conv2d 8 3x3 -> instance_norm -> relu",
    elsewhere: &[
        "InstanceNorm2d",
        "InstanceNorm1d",
        "InstanceNorm3d",
        "InstanceNormalization",
        "nn.InstanceNorm2d",
        "InstanceNorm",
    ],
};

impl Layer for InstanceNorm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        with_places(SPEC.name, input)?;
        let channels = input.dims()[0];
        check_parts(SPEC.name, input, channels)?;
        let parameters = if args.bool("affine")? { affine(&Shape::from([channels])) } else { Vec::new() };
        Ok(Inferred { parameters, ..Inferred::shape(input.clone()) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let channels = lowering.shape(input).dims()[1];
        let normal = standardize(lowering, input, channels, args.number("epsilon")?)?;
        affine_per_channel(lowering, normal)
    }
}
