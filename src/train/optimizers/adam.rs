//! `optimizer adam` (Kingma and Ba, 2015) and `adamw` (Loshchilov and Hutter, 2019): steps scaled by running
//! moments of the gradient. They differ in where the weight decay goes.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::ops::activation::relu::RELU;
use crate::ops::activation::sqrt::SQRT;
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY, SUBTRACT};
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword};
use crate::train::optimizers::{BETA1, BETA2, EPSILON, Optimizer, Rule, lr, weight_decay_of};

pub static ADAM: Adam = Adam {
    spec: &Spec {
        name: "adam",
        summary: "steps scaled by running moments of the gradient",
        docs: "`m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g²`, `w = w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - \
               beta2^t)) + epsilon)`; weight decay is added to `g`. With `amsgrad=true` the largest `v` so far takes the place of \
               `v` (Reddi, Kale and Kumar, 2018).",
        params: params(0.0),
        example: "optimizer adam lr=1e-3",
        elsewhere: &["Adam", "torch.optim.Adam"],
    },
    decoupled: false,
};

pub static ADAMW: Adam = Adam {
    spec: &Spec {
        name: "adamw",
        summary: "Adam with weight decay decoupled from the gradient",
        docs: "As `adam`, but the weights shrink by `lr weight_decay` before the step.",
        params: params(0.01),
        example: "optimizer adamw lr=1e-3 weight_decay=0.05",
        elsewhere: &["AdamW", "torch.optim.AdamW"],
    },
    decoupled: true,
};

const fn params(weight_decay: f64) -> &'static [Param] {
    const fn all(weight_decay: f64) -> [Param; 6] {
        [
            lr(Preset::Number(1e-3)),
            BETA1,
            BETA2,
            EPSILON,
            weight_decay_of(weight_decay),
            keyword(
                "amsgrad",
                Kind::Bool,
                Preset::Bool(false),
                "scales by the largest running square so far, which never falls",
            ),
        ]
    }
    const COUPLED: &[Param] = &all(0.0);
    const DECOUPLED: &[Param] = &all(0.01);
    if weight_decay == 0.0 { COUPLED } else { DECOUPLED }
}

pub struct Adam {
    spec: &'static Spec,
    /// Whether weight decay shrinks the weights directly (AdamW).
    decoupled: bool,
}

impl Optimizer for Adam {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn carries(&self) -> Option<&'static str> {
        Some("beta1")
    }

    fn scalars(&self, args: &Args, lr: f64, step: u64) -> Result<Vec<(&'static str, f64)>, Fault> {
        let step = step.min(i32::MAX as u64) as i32;
        let correction = |beta: f64| 1.0 - beta.powi(step);
        Ok(vec![
            ("step_size", lr / correction(args.number("beta1")?)),
            ("square_scale", 1.0 / correction(args.number("beta2")?)),
            ("shrink", 1.0 - lr * args.number("weight_decay")?),
        ])
    }

    fn update(&self, args: &Args, rule: &mut Rule<'_>) -> Result<Value, Fault> {
        let (beta1, beta2) = (args.number("beta1")?, args.number("beta2")?);
        let decay = args.number("weight_decay")?;
        let (step_size, square_scale, shrink) = (rule.scalars[0], rule.scalars[1], rule.scalars[2]);
        let (mut weight, mut grad) = (rule.parameter, rule.grad);
        if decay > 0.0 {
            match self.decoupled {
                true => weight = rule.apply(&MULTIPLY, weight, shrink)?,
                false => grad = rule.blend(grad, 1.0, weight, decay)?,
            }
        }
        let [next_mean, mut next_square] = rule.moments(grad, beta1, beta2)?;
        if args.bool("amsgrad")? {
            let most = rule.moment("most")?;
            let beyond = rule.apply(&SUBTRACT, next_square, most)?;
            let beyond = rule.builder.apply(&RELU, Attrs::new(), &[beyond])?;
            next_square = rule.apply(&ADD, most, beyond)?;
            rule.builder.update(most, next_square)?;
        }
        let corrected = rule.apply(&MULTIPLY, next_square, square_scale)?;
        let root = rule.builder.apply(&SQRT, Attrs::new(), &[corrected])?;
        let epsilon = rule.builder.scalar(args.number("epsilon")? as f32);
        let divisor = rule.apply(&ADD, root, epsilon)?;
        let direction = rule.apply(&DIVIDE, next_mean, divisor)?;
        let step = rule.apply(&MULTIPLY, direction, step_size)?;
        rule.apply(&SUBTRACT, weight, step)
    }
}
