//! `optimizer lion` (Chen et al., 2023): steps of one length, by the sign of a running mean of the gradient.

use crate::diag::Fault;
use crate::graph::Value;
use crate::ops::binary::{MULTIPLY, SUBTRACT};
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::optimizers::{Optimizer, Rule, WEIGHT_DECAY, lr};

pub struct Lion;

static SPEC: Spec = Spec {
    name: "lion",
    summary: "steps of one size, in the direction of the sign of a running mean of the gradient",
    docs: "`w = (1 - lr weight_decay) w - lr sign(beta1 m + (1 - beta1) g)`, `m = beta2 m + (1 - beta2) g`. Its authors recommend \
           a learning rate 3 to 10 times smaller than AdamW's, and a weight decay larger by the same factor.",
    params: &[
        lr(Preset::Number(1e-4)),
        keyword(
            "beta1",
            Kind::Number { min: 0.0, max: 0.9999 },
            Preset::Number(0.9),
            "how much the running mean counts in a step",
        ),
        keyword(
            "beta2",
            Kind::Number { min: 0.0, max: 0.9999 },
            Preset::Number(0.99),
            "decay of the running mean of the gradient",
        ),
        WEIGHT_DECAY,
    ],
    example: "optimizer lion lr=1e-4 weight_decay=0.1",
    elsewhere: &["Lion", "EvoLved Sign Momentum"],
};

impl Optimizer for Lion {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn scalars(&self, args: &Args, lr: f64, _step: u64) -> Result<Vec<(&'static str, f64)>, Fault> {
        Ok(vec![("lr", lr), ("shrink", 1.0 - lr * args.number("weight_decay")?)])
    }

    fn update(&self, args: &Args, rule: &mut Rule<'_>) -> Result<Value, Fault> {
        let (beta1, beta2) = (args.number("beta1")?, args.number("beta2")?);
        let (lr, shrink) = (rule.scalars[0], rule.scalars[1]);
        let mean = rule.moment("mean")?;
        let towards = rule.blend(mean, beta1, rule.grad, 1.0 - beta1)?;
        let next_mean = rule.blend(mean, beta2, rule.grad, 1.0 - beta2)?;
        rule.builder.update(mean, next_mean)?;
        let direction = rule.sign(towards)?;
        let step = rule.apply(&MULTIPLY, direction, lr)?;
        let weight = match args.number("weight_decay")? > 0.0 {
            true => rule.apply(&MULTIPLY, rule.parameter, shrink)?,
            false => rule.parameter,
        };
        rule.apply(&SUBTRACT, weight, step)
    }
}
