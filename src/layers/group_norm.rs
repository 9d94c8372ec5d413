//! `group_norm`: groups of channels of each image brought to mean 0 and variance 1, then scaled and shifted.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::standardize::{EPSILON, affine, affine_per_channel, check_parts, standardize};
use crate::layers::{Inferred, Layer, nearest_divisor};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct GroupNorm;

static SPEC: Spec = Spec {
    name: "group_norm",
    summary: "groups of channels of each image brought to mean 0 and variance 1, then scaled and shifted",
    docs: "The shape stays. Statistics are those of each image and group, so training and inference do the same and a \
           batch of one is no problem. GROUPS divides the channels. Wu and He, 2018.",
    params: &[
        positional("groups", Kind::Count, Preset::Required, "how many groups the channels form"),
        EPSILON,
    ],
    example: "conv2d 8 3x3 bias=false -> group_norm 4 -> relu",
    elsewhere: &["GroupNorm", "GroupNormalization", "nn.GroupNorm"],
};

impl Layer for GroupNorm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let channels = input.dims().first().copied().unwrap_or(1);
        let groups = args.whole("groups")?;
        if channels % groups != 0 {
            return Err(Fault::new(
                codes::GROUPS,
                format!("{groups} groups do not divide the {channels} channels of `group_norm`"),
            )
            .at("groups")
            .label(format!("{channels} / {groups} leaves {}", channels % groups))
            .set("groups", nearest_divisor(channels, groups))
            .assume(input.clone()));
        }
        check_parts(SPEC.name, input, groups)?;
        let parameters = affine(&Shape::from([channels]));
        Ok(Inferred { parameters, ..Inferred::shape(input.clone()) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let normal = standardize(lowering, input, args.whole("groups")?, args.number("epsilon")?)?;
        affine_per_channel(lowering, normal)
    }
}
