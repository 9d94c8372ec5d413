//! Losses that measure a distance between the output and a target of its shape, and what they share with others.

use crate::data::sample::Task;
use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword};
use crate::train::losses::formula::Formula;
use crate::train::losses::per_class::right;
use crate::train::losses::{Given, Loss, Losses, Sides, Target};

/// The mean over all numbers of the output of what each one's distance to the target costs.
pub struct Distance {
    pub spec: &'static Spec,
    /// What distances `output - target` cost.
    pub cost: fn(&Args, Value, &mut Formula<'_>) -> Result<Value, Fault>,
}

impl Loss for Distance {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn target(&self, args: &Args) -> Result<Target, Fault> {
        target(args)
    }

    fn takes(&self) -> &'static [Task] {
        &[Task::Classes, Task::Numbers, Task::Images, Task::Labels]
    }

    fn check(&self, _args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        check(self.spec.name, sides)
    }

    fn lower(&self, args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let difference = difference(given, formula)?;
        let cost = (self.cost)(args, difference, formula)?;
        Ok(Losses { sums: formula.mean(cost)?, weights: None })
    }
}

/// The parameter that names the target.
pub const TARGET: Param = keyword(
    "target",
    Kind::Choice(&["label", "input"]),
    Preset::Word("label"),
    "`label`: the target in the data, a class as a one-hot vector; `input`: the image itself, for an autoencoder",
);

/// What [`TARGET`] says.
pub fn target(args: &Args) -> Result<Target, Fault> {
    Ok(if args.word(TARGET.name)? == "input" { Target::Input } else { Target::Data })
}

/// Refuses an image where one number a class is needed.
fn check(loss: &str, sides: &Sides<'_>) -> Result<(), Fault> {
    let output = sides.output;
    if sides.task == Task::Numbers && sides.last == "softmax" {
        let message = "the model ends in a `softmax`, whose numbers add up to 1: those of the data hardly do";
        return Err(Fault::new(codes::LOSS, message)
            .label(format!("`loss {loss}` compares them as they are"))
            .advise("remove the `softmax` at the model's end")
            .advise("`loss kl`, if the data tell shares of one whole"));
    }
    if sides.task != Task::Classes || output.rank() == 1 {
        return Ok(());
    }
    Err(Fault::new(
        codes::LOSS,
        format!("`loss {loss}` needs one number per class, but the model gives an image of {output}"),
    )
    .label(format!("{output} arrives at the loss"))
    .set(TARGET.name, "input"))
}

/// `output - target`, of the output's shape.
fn difference(given: &Given, formula: &mut Formula<'_>) -> Result<Value, Fault> {
    let wanted = match given.task {
        Task::Classes => {
            let classes = formula.builder.shape(given.output).dims().get(1).copied().unwrap_or(1);
            right(given, classes, formula)?
        }
        Task::Labels | Task::Numbers | Task::Images | Task::Masks => given.target,
    };
    formula.subtract(given.output, wanted)
}
