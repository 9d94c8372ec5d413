//! The value that `input NAME SHAPE` brings into the model, given along with the image.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::shape::Shape;
use crate::spec::{Arg, Args, Kind, Preset, Spec, keyword};

/// Lowered as a layer is; it takes nothing of the images but their number.
pub struct Given;

static SPEC: Spec = Spec {
    name: "input",
    summary: "a value that is given along with the image",
    docs: "",
    params: &[
        keyword("shape", Kind::Shape, Preset::Required, "its shape"),
        keyword("place", Kind::Whole, Preset::Required, "its place among such values"),
    ],
    example: "",
    elsewhere: &[],
};

impl Given {
    /// The arguments of a value of this shape, in this place among such values.
    pub fn args(shape: Shape, place: usize) -> Args {
        Args::default().set("shape", Arg::Shape(shape)).set("place", Arg::Whole(place))
    }
}

impl Layer for Given {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, _image: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(args.shape("shape")?.clone()))
    }

    fn lower(&self, args: &Args, image: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let batch = lowering.shape(image).dims()[0];
        let name = name(args.whole("place")?);
        Ok(lowering.builder.input(&name, &args.shape("shape")?.batched(batch)))
    }
}

/// The input of a graph that holds the value in this place, counted from 0.
pub fn name(place: usize) -> String {
    format!("field {}", place + 1)
}
