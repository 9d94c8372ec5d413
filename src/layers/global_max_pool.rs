//! `global_max_pool`: the largest pixel of each channel.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::global_avg_pool::places;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach};
use crate::ops::max_pool2d::MAX_POOL2D;
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct GlobalMaxPool;

static SPEC: Spec = Spec {
    name: "global_max_pool",
    summary: "the largest pixel of each channel, flat",
    docs: "`C x H x W`, `C x D x H x W` or `C x L` becomes `C` features: no `flatten` is needed after it.",
    params: &[],
    example: "global_max_pool -> linear 10",
    elsewhere: &[
        "GlobalMaxPooling2D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling3D",
        "GlobalMaxPool",
        "global_max_pooling2d",
    ],
};

impl Layer for GlobalMaxPool {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let (channels, places) = places(SPEC.name, input)?;
        let arithmetic = format!("the largest of {places}");
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(Shape::from([channels])) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let input = lowering.as_image(input)?;
        let shape = lowering.shape(input);
        let window = &shape.dims()[2..];
        let attrs = Attrs::new().ints("kernel", window).ints("stride", window).ints("padding", [0; 4]);
        let largest = lowering.apply(&MAX_POOL2D, attrs, &[input])?;
        lowering.reshape(largest, &Shape::new(&shape.dims()[..2]))
    }
}
