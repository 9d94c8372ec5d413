//! `flatten`: an image becomes a vector of features.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach};
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct Flatten;

static SPEC: Spec = Spec {
    name: "flatten",
    summary: "an image becomes a vector of features",
    docs: "`C x H x W` becomes `C·H·W` features; the batch stays apart.",
    params: &[],
    example: "flatten -> linear 10",
    elsewhere: &["Flatten", "nn.Flatten", "view"],
};

impl Layer for Flatten {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let dims: Vec<String> = input.dims().iter().map(usize::to_string).collect();
        let features = input.elements();
        let arithmetic =
            if dims.len() > 1 { format!("{} = {features}", dims.join("·")) } else { String::new() };
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(Shape::from([features])) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let batch = shape.dims()[0];
        lowering.reshape(input, &Shape::from([batch, shape.elements() / batch]))
    }
}
