//! The value that `input NAME SHAPE` brings into the model, given along with the image.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::shape::Shape;
use crate::spec::{Arg, Args, Kind, Preset, Spec, keyword};

/// Lowered as a layer is; it takes nothing of the images but their number.
pub struct Given;

/// The inputs of a graph that hold such values, in their order in the model, which has no more of them.
pub static INPUTS: [&str; 8] =
    ["field 1", "field 2", "field 3", "field 4", "field 5", "field 6", "field 7", "field 8"];

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
        let name = INPUTS.get(args.whole("place")?).ok_or_else(|| Fault::internal("one input too many"))?;
        Ok(lowering.builder.input(name, &args.shape("shape")?.batched(batch)))
    }
}
