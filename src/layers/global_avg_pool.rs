//! `global_avg_pool`: the mean of each channel.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, wrong_rank};
use crate::ops::reduce::REDUCE_MEAN;
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct GlobalAvgPool;

static SPEC: Spec = Spec {
    name: "global_avg_pool",
    summary: "the mean of each channel, flat",
    docs: "`C x H x W`, `C x D x H x W` or `C x L` becomes `C` features: no `flatten` is needed after it.",
    params: &[],
    example: "global_avg_pool -> linear 10",
    elsewhere: &[
        "GlobalAveragePooling2D",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling3D",
        "GlobalAvgPool",
        "gap",
        "global_average_pool",
        "global_average_pooling2d",
    ],
};

impl Layer for GlobalAvgPool {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let (channels, places) = places(SPEC.name, input)?;
        let arithmetic = format!("the mean of {places}");
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(Shape::from([channels])) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let axes: Vec<usize> = (2..shape.rank()).collect();
        let mean = lowering.apply(&REDUCE_MEAN, Attrs::new().ints("axes", axes), &[input])?;
        lowering.reshape(mean, &Shape::new(&shape.dims()[..2]))
    }
}

/// Channels, and how many places each has, in words.
pub(crate) fn places(layer: &str, input: &Shape) -> Result<(usize, String), Fault> {
    match *input.dims() {
        [channels, length] => Ok((channels, format!("{length} places"))),
        [channels, height, width] => Ok((channels, format!("{height}·{width} pixels"))),
        [channels, depth, height, width] => Ok((channels, format!("{depth}·{height}·{width} voxels"))),
        _ => Err(wrong_rank(layer, "an image, a volume or a sequence", input)),
    }
}
