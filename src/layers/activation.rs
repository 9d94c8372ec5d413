//! The layers that apply one function to every element; the function itself is an op.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::op::Op;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::ops::activation::{gelu, leaky_relu, relu, sigmoid, tanh};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Param, Preset, Spec, positional};

/// A layer that is one op; its `alpha`, where it has one, is the op's.
pub struct Activation {
    spec: &'static Spec,
    op: &'static dyn Op,
}

const fn plain(
    name: &'static str,
    summary: &'static str,
    docs: &'static str,
    example: &'static str,
    elsewhere: &'static [&'static str],
) -> Spec {
    Spec { name, summary, docs, params: &[], example, elsewhere }
}

pub static RELU: Activation = Activation {
    spec: &plain("relu", "negative numbers become 0", "`max(x, 0)`", "relu", &["ReLU", "nn.ReLU", "Relu"]),
    op: &relu::RELU,
};

const LEAKY_RELU_PARAMS: &[Param] =
    &[positional("alpha", Kind::Number { min: 0.0, max: 1.0 }, Preset::Number(0.01), "the slope below 0")];

pub static LEAKY_RELU: Activation = Activation {
    spec: &Spec {
        name: "leaky_relu",
        summary: "negative numbers keep a small slope",
        docs: "`x` above 0, `alpha x` below",
        params: LEAKY_RELU_PARAMS,
        example: "leaky_relu 0.1",
        elsewhere: &["LeakyReLU", "leaky", "nn.LeakyReLU", "lrelu"],
    },
    op: &leaky_relu::LEAKY_RELU,
};

pub static TANH: Activation = Activation {
    spec: &plain("tanh", "hyperbolic tangent", "into (-1, 1)", "tanh", &["Tanh", "TanH", "nn.Tanh"]),
    op: &tanh::TANH,
};

pub static SIGMOID: Activation = Activation {
    spec: &plain(
        "sigmoid",
        "the logistic function",
        "`1 / (1 + e^-x)`, into (0, 1)",
        "sigmoid",
        &["Sigmoid", "logistic", "nn.Sigmoid"],
    ),
    op: &sigmoid::SIGMOID,
};

pub static GELU: Activation = Activation {
    spec: &plain(
        "gelu",
        "Gaussian error linear unit",
        "`x Φ(x)`, with the exact normal distribution function. Hendrycks and Gimpel, 2016.",
        "gelu",
        &["GELU", "nn.GELU"],
    ),
    op: &gelu::GELU,
};

impl Layer for Activation {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(input.clone()))
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let attrs = match args.has("alpha") {
            true => Attrs::new().float("alpha", args.number("alpha")? as f32),
            false => Attrs::new(),
        };
        lowering.apply(self.op, attrs, &[input])
    }
}
