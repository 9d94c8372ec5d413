//! `parameter`: learned numbers that are the same for every image.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::attrs::Attrs;
use crate::graph::{Init, Value};
use crate::layers::initial::{self, Fans};
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Parameter, Reach};
use crate::ops::expand::EXPAND;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct ParameterLayer;

static SPEC: Spec = Spec {
    name: "parameter",
    summary: "learned numbers that are the same for every image",
    docs: "A value of SHAPE that only training changes. It takes the place of the value that arrives, so name that one first and \
           join the two, as the example does. All numbers begin at `value`, or as `init=` says. `torch.nn.Parameter`.",
    params: &[
        positional("shape", Kind::Shape, Preset::Required, "its shape, without the batch"),
        keyword(
            "value",
            Kind::Number { min: -1e6, max: 1e6 },
            Preset::Number(0.0),
            "the number they begin at",
        ),
        initial::INIT,
    ],
    example: "identity as image; parameter 3x1x1 value=1; multiply image",
    elsewhere: &["Parameter", "nn.Parameter", "self.add_weight", "variable"],
};

impl Layer for ParameterLayer {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, _input: &Shape) -> Result<Inferred, Fault> {
        let shape = args.shape("shape")?;
        if let (Some(_), Some(_)) = (args.get("init"), args.span("value")) {
            let message = "`parameter` begins at `value` or as `init` says, not both";
            return Err(Fault::new(codes::BAD_VALUE, message)
                .at("value")
                .label("`init` draws the numbers")
                .remedy(Remedy::Unset { name: "value" }));
        }
        let init = match args.get("init") {
            None => Init::Constant(args.number("value")? as f32),
            Some(_) => {
                let dims = shape.dims();
                let into = dims.iter().skip(1).copied().fold(1usize, usize::saturating_mul);
                let fans = Fans { into, out: dims.first().copied().unwrap_or(1), groups: 1 };
                initial::named(args.word("init")?, fans)?
            }
        };
        let parameters = vec![Parameter::trained("weight", shape.clone(), init)];
        Ok(Inferred { parameters, ..Inferred::shape(shape.clone()) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Nothing
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let weight = lowering.parameter("weight")?;
        let batch = lowering.shape(input).dims()[0];
        for_each_image(weight, args.shape("shape")?, batch, lowering)
    }
}

/// The same numbers for each image of a batch.
pub(crate) fn for_each_image(
    numbers: Value,
    shape: &Shape,
    batch: usize,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let one = lowering.reshape(numbers, &shape.batched(1))?;
    let attrs = Attrs::new().ints("shape", shape.batched(batch).dims()).int("rows", 1);
    lowering.apply(&EXPAND, attrs, &[one])
}
