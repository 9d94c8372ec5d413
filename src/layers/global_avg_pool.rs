//! `global_avg_pool`: the mean of each channel.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, image};
use crate::ops::reduce::REDUCE_MEAN;
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct GlobalAvgPool;

static SPEC: Spec = Spec {
    name: "global_avg_pool",
    summary: "the mean of each channel, flat",
    docs: "`C x H x W` becomes `C` features: no `flatten` is needed behind it.",
    params: &[],
    example: "global_avg_pool -> linear 10",
    elsewhere: &[
        "GlobalAveragePooling2D",
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
        let [channels, height, width] = image(SPEC.name, input)?;
        let arithmetic = format!("the mean of {height}·{width} pixels");
        Ok(Inferred { arithmetic, ..Inferred::shape(Shape::from([channels])) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let mean = lowering.apply(&REDUCE_MEAN, Attrs::new().ints("axes", [2, 3]), &[input])?;
        lowering.reshape(mean, &Shape::new(&shape.dims()[..2]))
    }
}
