//! `scale`: every number multiplied by a factor, fixed or learned.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::{Init, Value};
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Parameter};
use crate::ops::binary::MULTIPLY;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Scale;

static SPEC: Spec = Spec {
    name: "scale",
    summary: "every number multiplied by a factor, fixed or learned",
    docs: "The shape stays. With `learned=true` the factor is one parameter per channel that begins at FACTOR.",
    params: &[
        positional("factor", Kind::Number { min: -1e6, max: 1e6 }, Preset::Number(1.0), "the factor"),
        keyword("learned", Kind::Bool, Preset::Bool(false), "the factor is trained, one per channel"),
    ],
    example: "scale 0.5",
    elsewhere: &["Scale", "Rescaling", "Lambda"],
};

impl Layer for Scale {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let mut inferred = Inferred::shape(input.clone());
        if args.bool("learned")? {
            let channels = input.dims().first().copied().unwrap_or(1);
            let init = Init::Constant(args.number("factor")? as f32);
            inferred.parameters.push(Parameter::trained("weight", [channels], init));
        }
        Ok(inferred)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let factor = match lowering.find_parameter("weight") {
            Some(weight) => lowering.per_channel(weight, input)?,
            None => lowering.builder.scalar(args.number("factor")? as f32),
        };
        lowering.apply(&MULTIPLY, Attrs::new(), &[input, factor])
    }
}
