//! The layers that apply one function to every element; the function itself is an op.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::op::Op;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, UNBOUNDED};
use crate::ops::activation::{
    elu, exp, gelu, hardsigmoid, hardswish, leaky_relu, mish, relu, relu6, selu, sigmoid, silu, softplus,
    sqrt, tanh,
};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Param, Preset, Spec, positional};

/// A layer that is one op; its `alpha`, where it has one, is the op's.
pub struct Activation {
    spec: &'static Spec,
    op: &'static dyn Op,
    /// Bounds of its numbers; given its `alpha`, or 0 where it has none.
    range: fn(f64) -> [f64; 2],
}

const fn above(least: f64) -> [f64; 2] {
    [least, f64::INFINITY]
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
    range: |_| above(0.0),
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
    range: |alpha| if alpha == 0.0 { above(0.0) } else { UNBOUNDED },
};

pub static TANH: Activation = Activation {
    spec: &plain("tanh", "hyperbolic tangent", "into (-1, 1)", "tanh", &["Tanh", "TanH", "nn.Tanh"]),
    op: &tanh::TANH,
    range: |_| [-1.0, 1.0],
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
    range: |_| [0.0, 1.0],
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
    range: |_| above(-0.17),
};

pub static RELU6: Activation = Activation {
    spec: &plain(
        "relu6",
        "negative numbers become 0, large ones 6",
        "`min(max(x, 0), 6)`. Howard et al., 2017.",
        "relu6",
        &["ReLU6", "nn.ReLU6"],
    ),
    op: &relu6::RELU6,
    range: |_| [0.0, 6.0],
};

pub static SILU: Activation = Activation {
    spec: &plain(
        "silu",
        "sigmoid linear unit, also called swish",
        "`x σ(x)`. Elfwing et al., 2017.",
        "silu",
        &["SiLU", "swish", "Swish", "nn.SiLU"],
    ),
    op: &silu::SILU,
    range: |_| above(-0.279),
};

pub static HARDSWISH: Activation = Activation {
    spec: &plain(
        "hardswish",
        "swish in straight pieces",
        "`x min(max(x + 3, 0), 6) / 6`. Howard et al., 2019.",
        "hardswish",
        &["Hardswish", "nn.Hardswish", "hard_swish", "HardSwish", "h_swish"],
    ),
    op: &hardswish::HARDSWISH,
    range: |_| above(-0.375),
};

pub static HARDSIGMOID: Activation = Activation {
    spec: &plain(
        "hardsigmoid",
        "the logistic function in straight pieces",
        "`min(max(x / 6 + 1/2, 0), 1)`, as in PyTorch; before its third version, Keras had a slope of 0.2.",
        "hardsigmoid",
        &["Hardsigmoid", "nn.Hardsigmoid", "hard_sigmoid", "HardSigmoid"],
    ),
    op: &hardsigmoid::HARDSIGMOID,
    range: |_| [0.0, 1.0],
};

const ELU_PARAMS: &[Param] = &[positional(
    "alpha",
    Kind::Number { min: 0.0, max: 1e3 },
    Preset::Number(1.0),
    "minus what large negative numbers become",
)];

pub static ELU: Activation = Activation {
    spec: &Spec {
        name: "elu",
        summary: "exponential linear unit",
        docs: "`x` above 0, `alpha (e^x - 1)` below. Clevert et al., 2016.",
        params: ELU_PARAMS,
        example: "elu",
        elsewhere: &["ELU", "nn.ELU", "Elu"],
    },
    op: &elu::ELU,
    range: |alpha| above(-alpha),
};

pub static SELU: Activation = Activation {
    spec: &plain(
        "selu",
        "scaled exponential linear unit",
        "`λ x` above 0, `λ α (e^x - 1)` below; λ = 1.0507 and α = 1.6733 keep mean 0 and variance 1. Klambauer et al., 2017.",
        "selu",
        &["SELU", "nn.SELU", "Selu"],
    ),
    op: &selu::SELU,
    range: |_| above(-1.759),
};

pub static SOFTPLUS: Activation = Activation {
    spec: &plain(
        "softplus",
        "a smooth relu",
        "`ln(1 + e^x)`, above 0",
        "softplus",
        &["Softplus", "nn.Softplus", "SoftPlus"],
    ),
    op: &softplus::SOFTPLUS,
    range: |_| above(0.0),
};

pub static MISH: Activation = Activation {
    spec: &plain(
        "mish",
        "a smooth relu that is not monotonic",
        "`x tanh(ln(1 + e^x))`. Misra, 2019.",
        "mish",
        &["Mish", "nn.Mish"],
    ),
    op: &mish::MISH,
    range: |_| above(-0.309),
};

pub static EXP: Activation = Activation {
    spec: &plain("exp", "the exponential function", "`e^x`", "clamp -10 10 -> exp", &["Exp", "torch.exp"]),
    op: &exp::EXP,
    range: |_| above(0.0),
};

pub static SQRT: Activation = Activation {
    spec: &plain(
        "sqrt",
        "the square root",
        "`√x`. At 0 its slope is infinite, and of a negative number it is NaN: `clamp` before it keeps x above 0.",
        "clamp 1e-6 100 -> sqrt",
        &["Sqrt", "torch.sqrt"],
    ),
    op: &sqrt::SQRT,
    range: |_| above(0.0),
};

impl Layer for Activation {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(input.clone()))
    }

    fn range(&self, args: &Args) -> [f64; 2] {
        (self.range)(args.number("alpha").unwrap_or_default())
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let attrs = match args.has("alpha") {
            true => Attrs::new().float("alpha", args.number("alpha")? as f32),
            false => Attrs::new(),
        };
        lowering.apply(self.op, attrs, &[input])
    }
}
