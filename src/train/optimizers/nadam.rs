//! `optimizer nadam` (Dozat, 2016): Adam with Nesterov's momentum, in PyTorch's formulation.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::ops::activation::sqrt::SQRT;
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY, SUBTRACT};
use crate::spec::{Args, Preset, Spec};
use crate::train::optimizers::{BETA1, BETA2, EPSILON, Optimizer, Rule, WEIGHT_DECAY, lr};

pub struct NAdam;

static SPEC: Spec = Spec {
    name: "nadam",
    summary: "Adam with Nesterov's momentum",
    docs: "`m` and `v` as with `adam`. With `u(t) = beta1 (1 - 0.96^(0.004 t) / 2)` and `U(t)` the product of `u(1)` to `u(t)`, \
           `w = w - lr ((1 - u(t)) / (1 - U(t)) g + u(t+1) / (1 - U(t+1)) m) / (sqrt(v / (1 - beta2^t)) + epsilon)`. \
           `weight_decay w` is added to `g`.",
    params: &[lr(Preset::Number(2e-3)), BETA1, BETA2, EPSILON, WEIGHT_DECAY],
    example: "optimizer nadam lr=2e-3",
    elsewhere: &["NAdam", "Nadam", "torch.optim.NAdam"],
};

/// How much of the momentum counts in a step.
fn share(beta1: f64, step: u64) -> f64 {
    beta1 * (1.0 - 0.5 * 0.96f64.powf(0.004 * step as f64))
}

/// The product of the shares of all steps so far; 0 from where it no longer changes `1 - product`.
fn product(beta1: f64, step: u64) -> f64 {
    let mut product = 1.0;
    for step in 1..=step {
        product *= share(beta1, step);
        if product < 1e-20 {
            return 0.0;
        }
    }
    product
}

impl Optimizer for NAdam {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn scalars(&self, args: &Args, lr: f64, step: u64) -> Result<Vec<(&'static str, f64)>, Fault> {
        let beta1 = args.number("beta1")?;
        let [now, next] = [step, step + 1].map(|step| (share(beta1, step), product(beta1, step)));
        let power = step.min(i32::MAX as u64) as i32;
        Ok(vec![
            ("of_gradient", lr * (1.0 - now.0) / (1.0 - now.1)),
            ("of_mean", lr * next.0 / (1.0 - next.1)),
            ("square_scale", 1.0 / (1.0 - args.number("beta2")?.powi(power))),
        ])
    }

    fn update(&self, args: &Args, rule: &mut Rule<'_>) -> Result<Value, Fault> {
        let [of_gradient, of_mean, square_scale] = [0, 1, 2].map(|i| rule.scalars[i]);
        let grad = rule.decayed(args.number("weight_decay")?)?;
        let [mean, square] = rule.moments(grad, args.number("beta1")?, args.number("beta2")?)?;
        let corrected = rule.apply(&MULTIPLY, square, square_scale)?;
        let root = rule.builder.apply(&SQRT, Attrs::new(), &[corrected])?;
        let epsilon = rule.builder.scalar(args.number("epsilon")? as f32);
        let divisor = rule.apply(&ADD, root, epsilon)?;
        let first = rule.apply(&MULTIPLY, grad, of_gradient)?;
        let second = rule.apply(&MULTIPLY, mean, of_mean)?;
        let both = rule.apply(&ADD, first, second)?;
        let step = rule.apply(&DIVIDE, both, divisor)?;
        rule.apply(&SUBTRACT, rule.parameter, step)
    }
}
