//! `class_token`: a learned place in front of a sequence.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::{Init, Value};
use crate::layers::lowering::Lowering;
use crate::layers::parameter::for_each_image;
use crate::layers::{Inferred, Layer, Parameter, Reach, spatial};
use crate::ops::concat::CONCAT;
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct ClassToken;

static SPEC: Spec = Spec {
    name: "class_token",
    summary: "a learned place in front of a sequence",
    docs: "`C x L` becomes `C x (L + 1)`: place 0 is a parameter of C numbers, in which attention gathers what \
           describes the whole. `slice 0 1 axis=length -> flatten` takes it out again. Dosovitskiy et al., 2021.",
    params: &[],
    example: "patchify 8 4 -> class_token -> attention 2 -> slice 0 1 axis=length -> flatten -> linear 10",
    elsewhere: &["cls_token", "ClassToken", "cls"],
};

impl Layer for ClassToken {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let (channels, [length]) = spatial(SPEC.name, input)?;
        let token = Parameter::trained("weight", [channels], Init::Truncated { deviation: 0.02 });
        Ok(Inferred {
            arithmetic: format!("1 + {length} = {}", length + 1).into(),
            parameters: vec![token],
            ..Inferred::shape(Shape::from([channels, length + 1]))
        })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let weight = lowering.parameter("weight")?;
        let shape = lowering.shape(input);
        let token = Shape::from([shape.dims()[1], 1]);
        let token = for_each_image(weight, &token, shape.dims()[0], lowering)?;
        lowering.apply(&CONCAT, Attrs::new().int("axis", 2), &[token, input])
    }
}
