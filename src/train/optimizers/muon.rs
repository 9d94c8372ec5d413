//! `optimizer muon` (Jordan et al., 2024): each matrix of weights moves by an orthogonal one; the rest by AdamW.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY, SUBTRACT};
use crate::ops::matmul::{self, MATMUL};
use crate::ops::reshape::RESHAPE;
use crate::ops::transpose::TRANSPOSE;
use crate::shape::Shape;
use crate::spec::{Arg, Args, Kind, Preset, Spec, keyword};
use crate::train::optimizers::adam::ADAMW;
use crate::train::optimizers::{BETA1, BETA2, EPSILON, Optimizer, Part, Rule, weight_decay_of};

pub struct Muon;

static SPEC: Spec = Spec {
    name: "muon",
    summary: "orthogonal steps for matrices of weights, and `adamw` for the rest",
    docs: "The weights of a linear layer are a matrix; those of a convolution form one with a row per filter. With `m = momentum \
           m + (1 - momentum) g` and `u = momentum m + (1 - momentum) g`, or `u = m` without `nesterov`, their step is `lr \
           sqrt(max(1, rows / columns))` times the result of five Newton-Schulz iterations on `u` with the coefficients 3.4445, \
           -4.7750 and 2.0315, which is close to the nearest orthogonal matrix. Same as PyTorch's Muon, except that it iterates \
           in f32 instead of bf16. `weight_decay` is decoupled, as with `adamw`.\n\n\
           Biases, norms and all other parameters are updated by AdamW with `adam_lr`, `beta1`, `beta2` and `epsilon`. The \
           schedule moves both rates, and the `lr` of a group changes both by the same factor. Muon's authors also leave the \
           first and last layers to AdamW; dslc does not.",
    params: &[
        keyword(
            "lr",
            Kind::Number { min: 1e-9, max: 1e3 },
            Preset::Number(0.02),
            "the learning rate of matrices",
        ),
        keyword(
            "momentum",
            Kind::Number { min: 0.0, max: 0.9999 },
            Preset::Number(0.95),
            "decay of the running mean of the gradient of matrices",
        ),
        keyword("nesterov", Kind::Bool, Preset::Bool(true), "looks ahead along the momentum"),
        weight_decay_of(0.01),
        keyword(
            "adam_lr",
            Kind::Number { min: 0.0, max: 1e3 },
            Preset::Number(1e-3),
            "the learning rate of everything else",
        ),
        BETA1,
        BETA2,
        EPSILON,
    ],
    example: "optimizer muon lr=0.02 adam_lr=1e-3",
    elsewhere: &["Muon", "MuSGD"],
};

const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
const ITERATIONS: usize = 5;
/// The least norm that a gradient is divided by.
const LEAST: f64 = 1e-7;

/// Numbers of a step beside AdamW's.
const OWN: [&str; 2] = ["matrix_lr", "matrix_shrink"];

impl Optimizer for Muon {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn scalars(&self, args: &Args, lr: f64, step: u64) -> Result<Vec<(&'static str, f64)>, Fault> {
        let adam_lr = args.number("adam_lr")? * (lr / args.number("lr")?);
        let own = [lr, 1.0 - lr * args.number("weight_decay")?];
        let adam = ADAMW.scalars(args, adam_lr, step)?;
        Ok(OWN.into_iter().zip(own).chain(adam).collect())
    }

    fn update(&self, args: &Args, rule: &mut Rule<'_>) -> Result<Value, Fault> {
        if rule.part == Part::Other {
            let args = args.clone().set("amsgrad", Arg::Bool(false));
            let scalars = rule.scalars;
            let mut rest = Rule { scalars: &scalars[OWN.len()..], builder: &mut *rule.builder, ..*rule };
            return ADAMW.update(&args, &mut rest);
        }
        let (lr, shrink) = (rule.scalars[0], rule.scalars[1]);
        let momentum = args.number("momentum")?;
        let mean = rule.moment("mean")?;
        let next = rule.blend(mean, momentum, rule.grad, 1.0 - momentum)?;
        rule.builder.update(mean, next)?;
        let towards = match args.bool("nesterov")? {
            true => rule.blend(next, momentum, rule.grad, 1.0 - momentum)?,
            false => next,
        };
        let shape = rule.builder.shape(rule.parameter).clone();
        let rows = shape.dims()[0];
        let columns = shape.elements() / rows.max(1);
        let matrix = reshaped(rule, towards, &Shape::from([rows, columns]))?;
        let step = orthogonal(rule, matrix, rows > columns)?;
        let step = reshaped(rule, step, &shape)?;
        let step = rule.scaled(step, (rows as f64 / columns as f64).max(1.0).sqrt())?;
        let step = rule.apply(&MULTIPLY, step, lr)?;
        let weight = match args.number("weight_decay")? > 0.0 {
            true => rule.apply(&MULTIPLY, rule.parameter, shrink)?,
            false => rule.parameter,
        };
        rule.apply(&SUBTRACT, weight, step)
    }
}

fn reshaped(rule: &mut Rule<'_>, value: Value, shape: &Shape) -> Result<Value, Fault> {
    rule.builder.apply(&RESHAPE, Attrs::new().ints("shape", shape.dims()), &[value])
}

fn product(rule: &mut Rule<'_>, a: Value, b: Value, transposed: i64) -> Result<Value, Fault> {
    rule.builder.apply(&MATMUL, matmul::attrs(0, transposed), &[a, b])
}

/// The iteration on a matrix, or on its transpose where it is high.
fn orthogonal(rule: &mut Rule<'_>, matrix: Value, is_high: bool) -> Result<Value, Fault> {
    let [a, b, c] = COEFFICIENTS;
    let turned = |rule: &mut Rule<'_>, x: Value| match is_high {
        true => rule.builder.apply(&TRANSPOSE, Attrs::new().ints("axes", [1, 0]), &[x]),
        false => Ok(x),
    };
    let mut x = turned(rule, matrix)?;
    let norm = rule.norm(x)?;
    let norm = rule.at_least(norm, LEAST)?;
    x = rule.apply(&DIVIDE, x, norm)?;
    for _ in 0..ITERATIONS {
        let gram = product(rule, x, x, 1)?;
        let square = product(rule, gram, gram, 0)?;
        let polynomial = rule.blend(gram, b, square, c)?;
        let moved = product(rule, polynomial, x, 0)?;
        let kept = rule.scaled(x, a)?;
        x = rule.apply(&ADD, kept, moved)?;
    }
    turned(rule, x)
}
