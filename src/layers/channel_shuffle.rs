//! `channel_shuffle`: the channels of groups dealt out in turn.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, image, nearest_divisor};
use crate::ops::transpose::TRANSPOSE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct ChannelShuffle;

static SPEC: Spec = Spec {
    name: "channel_shuffle",
    summary: "the channels of groups dealt out in turn",
    docs: "The shape stays. Channel `g C/GROUPS + i` becomes channel `i GROUPS + g`, so that the next grouped convolution \
           sees something of every group. Zhang et al., 2018.",
    params: &[positional("groups", Kind::Count, Preset::Required, "how many groups the channels form")],
    example: "conv2d 8 1x1 -> channel_shuffle 4",
    elsewhere: &["ChannelShuffle", "nn.ChannelShuffle", "ShuffleChannel"],
};

impl Layer for ChannelShuffle {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, _, _] = image(SPEC.name, input)?;
        let groups = args.whole("groups")?;
        if channels % groups != 0 {
            return Err(Fault::new(
                codes::GROUPS,
                format!("{groups} groups do not divide the {channels} channels of `channel_shuffle`"),
            )
            .at("groups")
            .label(format!("{channels} / {groups} leaves {}", channels % groups))
            .set("groups", nearest_divisor(channels, groups))
            .assume(input.clone()));
        }
        Ok(Inferred::shape(input.clone()))
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let (n, channels, groups) = (shape.dims()[0], shape.dims()[1], args.whole("groups")?);
        let pixels: usize = shape.dims()[2..].iter().product();
        let apart = lowering.reshape(input, &Shape::from([n, groups, channels / groups, pixels]))?;
        let dealt = lowering.apply(&TRANSPOSE, Attrs::new().ints("axes", [0, 2, 1, 3]), &[apart])?;
        lowering.reshape(dealt, &shape)
    }
}
