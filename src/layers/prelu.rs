//! `prelu`: negative numbers keep a learned slope, one per channel.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::{Init, Value};
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Parameter};
use crate::ops::activation::relu::RELU;
use crate::ops::binary::{ADD, MULTIPLY, SUBTRACT};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct Prelu;

static SPEC: Spec = Spec {
    name: "prelu",
    summary: "negative numbers keep a learned slope, one per channel",
    docs: "`x` above 0, `a x` below; `a` is trained, one per channel, and begins at ALPHA: \
           `torch.nn.PReLU(num_parameters=C)`. He et al., 2015.",
    params: &[positional(
        "alpha",
        Kind::Number { min: -1e3, max: 1e3 },
        Preset::Number(0.25),
        "the slope that training begins with",
    )],
    example: "conv2d 8 3x3 -> prelu",
    elsewhere: &["PReLU", "nn.PReLU", "PRelu"],
};

impl Layer for Prelu {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let channels = input.dims().first().copied().unwrap_or(1);
        let init = Init::Constant(args.number("alpha")? as f32);
        let parameters = vec![Parameter::trained("weight", [channels], init)];
        Ok(Inferred { parameters, ..Inferred::shape(input.clone()) })
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let weight = lowering.parameter("weight")?;
        let slope = lowering.per_channel(weight, input)?;
        let above = lowering.apply(&RELU, Attrs::new(), &[input])?;
        let below = lowering.apply(&SUBTRACT, Attrs::new(), &[input, above])?;
        let below = lowering.apply(&MULTIPLY, Attrs::new(), &[below, slope])?;
        lowering.apply(&ADD, Attrs::new(), &[above, below])
    }
}
