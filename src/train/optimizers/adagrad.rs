//! `optimizer adagrad` (Duchi, Hazan and Singer, 2011): steps that shrink where gradients were large, in PyTorch's formulation.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::ops::activation::sqrt::SQRT;
use crate::ops::activation::square::SQUARE;
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY, SUBTRACT};
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::optimizers::{Optimizer, Rule, WEIGHT_DECAY, lr};

pub struct AdaGrad;

static SPEC: Spec = Spec {
    name: "adagrad",
    summary: "steps that shrink where gradients were large",
    docs: "`v = v + g²`, `w = w - lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + epsilon)`; `v` begins at `initial`. \
           `weight_decay w` is added to `g`.",
    params: &[
        lr(Preset::Number(1e-2)),
        keyword(
            "lr_decay",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(0.0),
            "how fast the learning rate falls",
        ),
        keyword(
            "initial",
            Kind::Number { min: 0.0, max: 1e6 },
            Preset::Number(0.0),
            "where the sum of squares begins",
        ),
        keyword(
            "epsilon",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(1e-10),
            "added to the divisor",
        ),
        WEIGHT_DECAY,
    ],
    example: "optimizer adagrad lr=0.01",
    elsewhere: &["Adagrad", "AdaGrad", "torch.optim.Adagrad"],
};

impl Optimizer for AdaGrad {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn scalars(&self, args: &Args, lr: f64, step: u64) -> Result<Vec<(&'static str, f64)>, Fault> {
        Ok(vec![("lr", lr / (1.0 + step.saturating_sub(1) as f64 * args.number("lr_decay")?))])
    }

    fn update(&self, args: &Args, rule: &mut Rule<'_>) -> Result<Value, Fault> {
        let grad = rule.decayed(args.number("weight_decay")?)?;
        let sum = rule.moment_from("square_sum", args.number("initial")?)?;
        let square = rule.builder.apply(&SQUARE, Attrs::new(), &[grad])?;
        let next = rule.apply(&ADD, sum, square)?;
        rule.builder.update(sum, next)?;
        let root = rule.builder.apply(&SQRT, Attrs::new(), &[next])?;
        let epsilon = rule.builder.scalar(args.number("epsilon")? as f32);
        let divisor = rule.apply(&ADD, root, epsilon)?;
        let direction = rule.apply(&DIVIDE, grad, divisor)?;
        let step = rule.apply(&MULTIPLY, direction, rule.scalars[0])?;
        rule.apply(&SUBTRACT, rule.parameter, step)
    }
}
