//! `optimizer sgd`: a step against the gradient, with momentum (Polyak, 1964; Nesterov as in Sutskever et al.,
//! 2013), in PyTorch's formulation.

use crate::diag::Fault;
use crate::graph::Value;
use crate::ops::binary::{ADD, MULTIPLY, SUBTRACT};
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::optimizers::{MOMENTUM, Optimizer, Rule, WEIGHT_DECAY, lr};

pub struct Sgd;

static SPEC: Spec = Spec {
    name: "sgd",
    summary: "a step against the gradient, with momentum",
    docs: "`v = momentum v + g + weight_decay w`, `w = w - lr v`; with `nesterov=true` the step is `g + momentum v`.",
    params: &[
        lr(Preset::Required),
        MOMENTUM,
        keyword("nesterov", Kind::Bool, Preset::Bool(false), "looks ahead along the momentum"),
        WEIGHT_DECAY,
    ],
    example: "optimizer sgd lr=0.01 momentum=0.9",
    elsewhere: &["SGD", "momentum", "nesterov"],
};

impl Optimizer for Sgd {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn carries(&self) -> Option<&'static str> {
        Some("momentum")
    }

    fn scalars(&self, _args: &Args, lr: f64, _step: u64) -> Result<Vec<(&'static str, f64)>, Fault> {
        Ok(vec![("lr", lr)])
    }

    fn update(&self, args: &Args, rule: &mut Rule<'_>) -> Result<Value, Fault> {
        let (momentum, decay) = (args.number("momentum")?, args.number("weight_decay")?);
        let mut step = rule.grad;
        if decay > 0.0 {
            step = rule.blend(step, 1.0, rule.parameter, decay)?;
        }
        if momentum > 0.0 {
            let velocity = rule.moment("velocity")?;
            let carry = |rule: &mut Rule<'_>, value: Value| match rule.carried {
                Some([carried, _]) => rule.apply(&MULTIPLY, value, carried),
                None => rule.scaled(value, momentum),
            };
            let kept = carry(rule, velocity)?;
            let next = rule.apply(&ADD, kept, step)?;
            rule.builder.update(velocity, next)?;
            step = match args.bool("nesterov")? {
                true => {
                    let ahead = carry(rule, next)?;
                    rule.apply(&ADD, step, ahead)?
                }
                false => next,
            };
        }
        let step = rule.apply(&MULTIPLY, step, rule.scalars[0])?;
        rule.apply(&SUBTRACT, rule.parameter, step)
    }
}
