//! Optimizers: from a parameter and its gradient to the parameter's next value, as nodes of the training graph.
//! One file each.

pub mod adagrad;
pub mod adam;
pub mod lamb;
pub mod lion;
pub mod muon;
pub mod nadam;
pub mod rmsprop;
pub mod sgd;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::{Init, StateKind, Value};
use crate::ops::activation::relu::RELU;
use crate::ops::activation::relu6::RELU6;
use crate::ops::activation::sqrt::SQRT;
use crate::ops::activation::square::SQUARE;
use crate::ops::binary::{ADD, Binary, MULTIPLY, SUBTRACT};
use crate::ops::reduce::REDUCE_SUM;
use crate::ops::reshape::RESHAPE;
use crate::spec::section::Registry;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword};

pub static OPTIMIZERS: &[&dyn Optimizer] = &[
    &sgd::Sgd,
    &adam::ADAM,
    &adam::ADAMW,
    &nadam::NAdam,
    &rmsprop::RmsProp,
    &adagrad::AdaGrad,
    &lion::Lion,
    &lamb::Lamb,
    &muon::Muon,
];

pub static REGISTRY: Registry = Registry {
    title: "Optimizers",
    intro: "The name after `optimizer`.",
    one: "optimizer",
    specs: || OPTIMIZERS.iter().map(|optimizer| optimizer.spec()).collect(),
};

pub trait Optimizer: Sync {
    fn spec(&self) -> &'static Spec;

    /// The numbers that change from step to step, for the learning rate `lr` and the step counted from 1.
    /// `Rule::scalars` holds them in this order.
    fn scalars(&self, args: &Args, lr: f64, step: u64) -> Result<Vec<(&'static str, f64)>, Fault>;

    /// The argument that says how much of the last step carries over, where a schedule may move it.
    fn carries(&self) -> Option<&'static str> {
        None
    }

    /// The parameter's next value.
    fn update(&self, args: &Args, rule: &mut Rule<'_>) -> Result<Value, Fault>;
}

impl std::fmt::Debug for dyn Optimizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec().name)
    }
}

/// Arguments that several optimizers share.
const fn lr(preset: Preset) -> Param {
    keyword("lr", Kind::Number { min: 0.0, max: 1e3 }, preset, "the learning rate")
}

const BETA1: Param = keyword(
    "beta1",
    Kind::Number { min: 0.0, max: 0.9999 },
    Preset::Number(0.9),
    "decay of the running mean of the gradient",
);
const BETA2: Param = keyword(
    "beta2",
    Kind::Number { min: 0.0, max: 0.999_999 },
    Preset::Number(0.999),
    "decay of the running mean of the gradient's square",
);
const EPSILON: Param =
    keyword("epsilon", Kind::Number { min: 0.0, max: 1.0 }, Preset::Number(1e-8), "added to the divisor");
const MOMENTUM: Param = keyword(
    "momentum",
    Kind::Number { min: 0.0, max: 0.9999 },
    Preset::Number(0.0),
    "how much of the last step carries over",
);
const WEIGHT_DECAY: Param = weight_decay_of(0.0);

const fn weight_decay_of(preset: f64) -> Param {
    keyword(
        "weight_decay",
        Kind::Number { min: 0.0, max: 10.0 },
        Preset::Number(preset),
        "pulls weights towards 0",
    )
}

/// One parameter's update under construction.
pub struct Rule<'a> {
    pub builder: &'a mut Builder,
    pub name: &'a str,
    pub parameter: Value,
    pub part: Part,
    pub grad: Value,
    /// The scalar inputs, in the order of `Optimizer::scalars`.
    pub scalars: &'a [Value],
    /// Where a schedule moves what [`Optimizer::carries`] names: inputs that hold it and `1 -` it.
    pub carried: Option<[Value; 2]>,
}

/// What a parameter is to its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The weights of a convolution or a linear layer.
    Weight,
    Other,
}

/// Takes every normal number beyond 6 or -6, where `relu6` cuts it off.
const LARGE: f64 = 3e38;

impl Rule<'_> {
    /// A state of the parameter's shape that begins at 0.
    pub fn moment(&mut self, name: &str) -> Result<Value, Fault> {
        self.moment_from(name, 0.0)
    }

    /// The same that begins at another number.
    pub fn moment_from(&mut self, name: &str, begin: f64) -> Result<Value, Fault> {
        let shape = self.builder.shape(self.parameter).clone();
        let parameter = self.builder.graph().state_of(self.parameter);
        let stream = format!("{}.{name}", parameter.map_or(self.name, |state| state.stream.as_str()));
        let name = format!("{}.{name}", self.name);
        self.builder.drawn_state(&name, &stream, StateKind::Moment, &shape, Init::Constant(begin as f32))
    }

    /// The gradient with a share of the weight added.
    pub fn decayed(&mut self, weight_decay: f64) -> Result<Value, Fault> {
        match weight_decay > 0.0 {
            true => self.blend(self.grad, 1.0, self.parameter, weight_decay),
            false => Ok(self.grad),
        }
    }

    /// Running means of a gradient and of its square, as they are after this step.
    pub fn moments(&mut self, grad: Value, beta1: f64, beta2: f64) -> Result<[Value; 2], Fault> {
        let (mean, square) = (self.moment("mean")?, self.moment("square")?);
        let next_mean = match self.carried {
            Some([carried, rest]) => {
                let (mean, grad) =
                    (self.apply(&MULTIPLY, mean, carried)?, self.apply(&MULTIPLY, grad, rest)?);
                self.apply(&ADD, mean, grad)?
            }
            None => self.blend(mean, beta1, grad, 1.0 - beta1)?,
        };
        let grad_square = self.builder.apply(&SQUARE, Attrs::new(), &[grad])?;
        let next_square = self.blend(square, beta2, grad_square, 1.0 - beta2)?;
        self.builder.update(mean, next_mean)?;
        self.builder.update(square, next_square)?;
        Ok([next_mean, next_square])
    }

    pub fn apply(&mut self, op: &'static Binary, a: Value, b: Value) -> Result<Value, Fault> {
        self.builder.apply(op, Attrs::new(), &[a, b])
    }

    /// 1, 0 or -1, as the number is above, at or below 0.
    pub fn sign(&mut self, value: Value) -> Result<Value, Fault> {
        let [above, below] = [LARGE, -LARGE].map(|factor| {
            let scaled = self.scaled(value, factor)?;
            self.builder.apply(&RELU6, Attrs::new(), &[scaled])
        });
        let both = self.apply(&SUBTRACT, above?, below?)?;
        self.scaled(both, 1.0 / 6.0)
    }

    /// The root of the sum of the squares, one number.
    pub fn norm(&mut self, value: Value) -> Result<Value, Fault> {
        let axes: Vec<usize> = (0..self.builder.shape(value).rank()).collect();
        let squares = self.builder.apply(&SQUARE, Attrs::new(), &[value])?;
        let sum = self.builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", axes), &[squares])?;
        let sum = self.builder.apply(&RESHAPE, Attrs::new().ints("shape", []), &[sum])?;
        self.builder.apply(&SQRT, Attrs::new(), &[sum])
    }

    /// The larger one of a value and a number.
    pub fn at_least(&mut self, value: Value, least: f64) -> Result<Value, Fault> {
        let least = self.builder.scalar(least as f32);
        let short_of = self.apply(&SUBTRACT, least, value)?;
        let short_of = self.builder.apply(&RELU, Attrs::new(), &[short_of])?;
        self.apply(&ADD, value, short_of)
    }

    /// `value · factor`
    pub fn scaled(&mut self, value: Value, factor: f64) -> Result<Value, Fault> {
        let factor = self.builder.scalar(factor as f32);
        self.apply(&MULTIPLY, value, factor)
    }

    /// `a · factor_a + b · factor_b`
    pub fn blend(&mut self, a: Value, factor_a: f64, b: Value, factor_b: f64) -> Result<Value, Fault> {
        let a = if factor_a == 1.0 { a } else { self.scaled(a, factor_a)? };
        let b = if factor_b == 1.0 { b } else { self.scaled(b, factor_b)? };
        self.apply(&ADD, a, b)
    }
}
