//! `loss hinge`: by how much the right class's score fails to be above the others by a margin.

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::ops::activation::relu::RELU;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::losses::formula::Formula;
use crate::train::losses::per_class::right;
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides, once};

pub struct Hinge;

static SPEC: Spec = Spec {
    name: "hinge",
    summary: "how far the right class's score falls short of beating the others by a margin",
    docs: "The sum over the other classes of `max(0, margin - right + other)`, divided by the number of classes, the same as \
           `MultiMarginLoss` in PyTorch. For several labels it is the mean of `max(0, margin - y output)`, where `y` is 1 if a \
           label is present and -1 if it is absent.",
    params: &[
        keyword("margin", Kind::Number { min: 1e-6, max: 1e6 }, Preset::Number(1.0), "the margin"),
        SHARE,
    ],
    example: "loss hinge",
    elsewhere: &["MultiMarginLoss", "HingeEmbeddingLoss", "CategoricalHinge", "Hinge", "hinge_loss"],
};

impl Loss for Hinge {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn takes(&self) -> &'static [Task] {
        &[Task::Classes, Task::Labels]
    }

    fn check(&self, _args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        once(SPEC.name, sides)
    }

    fn lower(&self, args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let margin = args.number("margin")? as f32;
        let output = given.output;
        if given.task == Task::Labels {
            let sign = formula.affine(given.target, -2.0, 1.0)?;
            let missed = formula.multiply(output, sign)?;
            let missed = formula.affine(missed, 1.0, margin)?;
            let missed = formula.of(&RELU, missed)?;
            return Ok(Losses { sums: formula.mean(missed)?, weights: None });
        }
        let classes = formula.builder.shape(output).dims().get(1).copied().unwrap_or(1);
        let right = right(given, classes, formula)?;
        let score = formula.multiply(output, right)?;
        let score = formula.over_classes(score)?;
        let missed = formula.subtract(output, score)?;
        let missed = formula.affine(missed, 1.0, margin)?;
        let missed = formula.of(&RELU, missed)?;
        let others = formula.affine(right, -1.0, 1.0)?;
        let missed = formula.multiply(missed, others)?;
        Ok(Losses { sums: formula.mean(missed)?, weights: None })
    }
}
