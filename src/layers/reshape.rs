//! `reshape`: the same numbers under another shape.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct Reshape;

static SPEC: Spec = Spec {
    name: "reshape",
    summary: "the same numbers under another shape",
    docs: "The batch stays apart: only the numbers of one image are arranged anew, so their count must stay.",
    params: &[positional("shape", Kind::Shape, Preset::Required, "the new shape, without the batch")],
    example: "flatten -> linear 64 -> reshape 4x4x4",
    elsewhere: &["Reshape", "Unflatten", "unflatten"],
};

impl Layer for Reshape {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let shape = args.shape("shape")?.clone();
        let count = |shape: &Shape| {
            let dims: Vec<String> = shape.dims().iter().map(usize::to_string).collect();
            dims.join("·")
        };
        if shape.elements() != input.elements() {
            let mut fault = Fault::new(
                codes::ELEMENTS,
                format!(
                    "`reshape {shape}` needs {} per image, but {} arrive",
                    numbers(shape.elements()),
                    input.elements()
                ),
            )
            .at("shape")
            .label(format!("{input} arrives: {} = {}", count(input), numbers(input.elements())))
            .set("shape", input.elements())
            .assume(shape.clone());
            if input.elements().is_multiple_of(shape.elements()) {
                fault = fault.note(format!(
                    "in a framework where the batch is part of the shape this would make {} images of one",
                    input.elements() / shape.elements()
                ));
            }
            return Err(fault);
        }
        let arithmetic = format!("{} = {} = {}", count(input), input.elements(), count(&shape));
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(shape) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let batch = lowering.shape(input).dims()[0];
        lowering.reshape(input, &args.shape("shape")?.batched(batch))
    }
}

fn numbers(n: usize) -> String {
    if n == 1 { "1 number".to_owned() } else { format!("{n} numbers") }
}
