//! What the losses share that measure a distance: the target as numbers of the output's shape.

use crate::data::sample::Task;
use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::spec::{Args, Kind, Param, Preset, keyword};
use crate::train::losses::formula::Formula;
use crate::train::losses::per_class::right;
use crate::train::losses::{Given, Sides, Target};

/// The parameter that names the target.
pub const TARGET: Param = keyword(
    "target",
    Kind::Choice(&["label", "input"]),
    Preset::Word("label"),
    "`label`: the target in the data, a class as a one-hot vector; `input`: the image itself, for an autoencoder",
);

/// The targets that have a distance.
pub const TASKS: &[Task] = &[Task::Classes, Task::Numbers, Task::Images, Task::Labels];

/// What [`TARGET`] says.
pub fn target(args: &Args) -> Result<Target, Fault> {
    Ok(if args.word(TARGET.name)? == "input" { Target::Input } else { Target::Data })
}

/// Refuses an image where one number a class is needed.
pub fn check(loss: &str, sides: &Sides<'_>) -> Result<(), Fault> {
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
pub fn difference(given: &Given, formula: &mut Formula<'_>) -> Result<Value, Fault> {
    let wanted = match given.task {
        Task::Classes => {
            let classes = formula.builder.shape(given.output).dims().get(1).copied().unwrap_or(1);
            right(given, classes, formula)?
        }
        Task::Labels | Task::Numbers | Task::Images | Task::Masks => given.target,
    };
    formula.subtract(given.output, wanted)
}
