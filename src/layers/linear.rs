//! `linear`: every output a weighted sum of all inputs.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::{Init, Value};
use crate::layers::initial::{self, Fans};
use crate::layers::l2_normalize::unit_length;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach};
use crate::ops::matmul::{self, MATMUL};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Linear;

static SPEC: Spec = Spec {
    name: "linear",
    summary: "every output a weighted sum of all inputs",
    docs: "`F` features become `FEATURES`: `y = W x + b`. The input must be flat; its size is inferred. Weights and \
           bias begin uniform in ±1/sqrt(F), as in PyTorch. With `normalize=true` the weights of each output are divided by their \
           length, so that features of length 1 give the cosine of the angle between the two: see `cosine_head`.",
    params: &[
        positional("features", Kind::Count, Preset::Required, "the number of outputs"),
        keyword("bias", Kind::Bool, Preset::Bool(true), "adds one learned number per output"),
        keyword("in", Kind::Count, Preset::Absent, "asserts the number of inputs"),
        keyword(
            "normalize",
            Kind::Bool,
            Preset::Bool(false),
            "divides the weights of each output by their length",
        ),
        initial::INIT,
    ],
    example: "flatten -> linear 10",
    elsewhere: &[
        "Dense",
        "dense",
        "Linear",
        "InnerProduct",
        "connected",
        "fully_connected",
        "fc",
        "nn.Linear",
    ],
};

/// The least length that weights are divided by.
pub const LEAST_LENGTH: f64 = 1e-12;

impl Layer for Linear {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let features = args.whole("features")?;
        let output = Shape::from([features]);
        let &[arriving] = input.dims() else {
            let flat = input.elements();
            let dims: Vec<String> = input.dims().iter().map(usize::to_string).collect();
            let mut fault = Fault::new(
                codes::WRONG_RANK,
                format!("`linear` needs a flat vector, but an image of {input} arrives"),
            )
            .label(format!("{input} arrives"))
            .note(format!("flat it is {} = {flat} features", dims.join("·")))
            .remedy(Remedy::Before("flatten".to_owned()))
            .advise("put `global_avg_pool` before it: the mean of each channel")
            .assume(output);
            if args.has("in") && args.whole("in")? != flat {
                fault = fault.note(format!("and `in` says {}, not {flat}", args.whole("in")?));
            }
            return Err(fault);
        };
        if args.has("in") && args.whole("in")? != arriving {
            return Err(Fault::new(
                codes::FEATURES,
                format!("`linear` expects {} input features, but {arriving} arrive", args.whole("in")?),
            )
            .at("in")
            .label(if arriving == 1 {
                "1 feature arrives".to_owned()
            } else {
                format!("{arriving} features arrive")
            })
            .set("in", arriving)
            .remedy(Remedy::Unset { name: "in" })
            .assume(output));
        }
        let init = Init::Uniform { bound: 1.0 / (arriving as f32).sqrt() };
        let fans = Fans { into: arriving, out: features, groups: 1 };
        let parameters = initial::learned(args, [features, arriving], fans, init, features)?;
        Ok(Inferred { output, parameters, ..Inferred::default() })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let mut weight = lowering.parameter("weight")?;
        if args.bool("normalize")? {
            weight = unit_length(weight, LEAST_LENGTH, lowering)?;
        }
        let value = lowering.apply(&MATMUL, matmul::attrs(0, 1), &[input, weight])?;
        lowering.add_bias(value)
    }
}
