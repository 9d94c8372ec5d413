//! `optimizer lamb` (You et al., 2020): Adam's direction, as long as the weights of each layer are.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::ops::activation::sqrt::SQRT;
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY, SUBTRACT};
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::optimizers::{BETA1, BETA2, Optimizer, Rule, lr, weight_decay_of};

pub struct Lamb;

static SPEC: Spec = Spec {
    name: "lamb",
    summary: "Adam's direction, with steps scaled to the norm of the weights: for large batches",
    docs: "`m` and `v` as with `adam`, `r = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w`, `w = w - \
           lr |w| / |r| r` with the norms of each parameter; if either is 0, the step is `lr r` (You et al., 2020, algorithm 2). \
           The authors clip gradients, as with `clip norm=1`.",
    params: &[
        lr(Preset::Number(1e-3)),
        BETA1,
        BETA2,
        keyword("epsilon", Kind::Number { min: 0.0, max: 1.0 }, Preset::Number(1e-6), "added to the divisor"),
        weight_decay_of(0.01),
    ],
    example: "optimizer lamb lr=2e-3",
    elsewhere: &["LAMB", "Lamb", "FusedLAMB"],
};

impl Optimizer for Lamb {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn carries(&self) -> Option<&'static str> {
        Some("beta1")
    }

    fn scalars(&self, args: &Args, lr: f64, step: u64) -> Result<Vec<(&'static str, f64)>, Fault> {
        let step = step.min(i32::MAX as u64) as i32;
        let correction = |beta: f64| 1.0 - beta.powi(step);
        Ok(vec![
            ("lr", lr),
            ("mean_scale", 1.0 / correction(args.number("beta1")?)),
            ("square_scale", 1.0 / correction(args.number("beta2")?)),
        ])
    }

    fn update(&self, args: &Args, rule: &mut Rule<'_>) -> Result<Value, Fault> {
        let [lr, mean_scale, square_scale] = [0, 1, 2].map(|i| rule.scalars[i]);
        let [mean, square] = rule.moments(rule.grad, args.number("beta1")?, args.number("beta2")?)?;
        let mean = rule.apply(&MULTIPLY, mean, mean_scale)?;
        let square = rule.apply(&MULTIPLY, square, square_scale)?;
        let root = rule.builder.apply(&SQRT, Attrs::new(), &[square])?;
        let epsilon = rule.builder.scalar(args.number("epsilon")? as f32);
        let divisor = rule.apply(&ADD, root, epsilon)?;
        let mut step = rule.apply(&DIVIDE, mean, divisor)?;
        let decay = args.number("weight_decay")?;
        if decay > 0.0 {
            step = rule.blend(step, 1.0, rule.parameter, decay)?;
        }
        let [of_weight, of_step] = [rule.norm(rule.parameter)?, rule.norm(step)?];
        let trust = ratio(rule, of_weight, of_step)?;
        let length = rule.apply(&MULTIPLY, trust, lr)?;
        let step = rule.apply(&MULTIPLY, step, length)?;
        rule.apply(&SUBTRACT, rule.parameter, step)
    }
}

/// `a / b` of two numbers of at least 0, and 1 where one of them is 0.
fn ratio(rule: &mut Rule<'_>, a: Value, b: Value) -> Result<Value, Fault> {
    let one = rule.builder.scalar(1.0);
    let [has_a, has_b] = [rule.sign(a)?, rule.sign(b)?];
    let has_none = rule.apply(&SUBTRACT, one, has_b)?;
    let divisor = rule.apply(&ADD, b, has_none)?;
    let ratio = rule.apply(&DIVIDE, a, divisor)?;
    let both = rule.apply(&MULTIPLY, has_a, has_b)?;
    let ratio = rule.apply(&MULTIPLY, ratio, both)?;
    let neither = rule.apply(&SUBTRACT, one, both)?;
    rule.apply(&ADD, ratio, neither)
}
