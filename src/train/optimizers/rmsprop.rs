//! `optimizer rmsprop` (Tieleman and Hinton, 2012): steps scaled by a running root mean square of the gradient, in PyTorch's
//! formulation.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::ops::activation::sqrt::SQRT;
use crate::ops::activation::square::SQUARE;
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY, SUBTRACT};
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::optimizers::{EPSILON, MOMENTUM, Optimizer, Rule, WEIGHT_DECAY, lr};

pub struct RmsProp;

static SPEC: Spec = Spec {
    name: "rmsprop",
    summary: "steps scaled by a running root mean square of the gradient",
    docs: "`v = alpha v + (1 - alpha) g²`, `s = g / (sqrt(v) + epsilon)`, `w = w - lr s`; with `centered=true` the square of the \
           gradient's running mean is subtracted from `v` under the root. With momentum `b = momentum b + s` and `w = w - lr b`. \
           `weight_decay w` is added to `g`.",
    params: &[
        lr(Preset::Number(1e-2)),
        keyword(
            "alpha",
            Kind::Number { min: 0.0, max: 0.999_999 },
            Preset::Number(0.99),
            "decay of the running mean of the gradient's square",
        ),
        EPSILON,
        MOMENTUM,
        keyword("centered", Kind::Bool, Preset::Bool(false), "scales by the deviation from the mean"),
        WEIGHT_DECAY,
    ],
    example: "optimizer rmsprop lr=1e-3 momentum=0.9",
    elsewhere: &["RMSprop", "RMSProp", "torch.optim.RMSprop"],
};

impl Optimizer for RmsProp {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn scalars(&self, _args: &Args, lr: f64, _step: u64) -> Result<Vec<(&'static str, f64)>, Fault> {
        Ok(vec![("lr", lr)])
    }

    fn update(&self, args: &Args, rule: &mut Rule<'_>) -> Result<Value, Fault> {
        let (alpha, momentum) = (args.number("alpha")?, args.number("momentum")?);
        let grad = rule.decayed(args.number("weight_decay")?)?;
        let square = rule.moment("square")?;
        let grad_square = rule.builder.apply(&SQUARE, Attrs::new(), &[grad])?;
        let next_square = rule.blend(square, alpha, grad_square, 1.0 - alpha)?;
        rule.builder.update(square, next_square)?;
        let mut variance = next_square;
        if args.bool("centered")? {
            let mean = rule.moment("mean")?;
            let next_mean = rule.blend(mean, alpha, grad, 1.0 - alpha)?;
            rule.builder.update(mean, next_mean)?;
            let of_mean = rule.builder.apply(&SQUARE, Attrs::new(), &[next_mean])?;
            variance = rule.apply(&SUBTRACT, next_square, of_mean)?;
        }
        let root = rule.builder.apply(&SQRT, Attrs::new(), &[variance])?;
        let epsilon = rule.builder.scalar(args.number("epsilon")? as f32);
        let divisor = rule.apply(&ADD, root, epsilon)?;
        let mut step = rule.apply(&DIVIDE, grad, divisor)?;
        if momentum > 0.0 {
            let velocity = rule.moment("velocity")?;
            let next = rule.blend(velocity, momentum, step, 1.0)?;
            rule.builder.update(velocity, next)?;
            step = next;
        }
        let step = rule.apply(&MULTIPLY, step, rule.scalars[0])?;
        rule.apply(&SUBTRACT, rule.parameter, step)
    }
}
