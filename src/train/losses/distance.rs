//! What the losses share that measure a distance: the target as numbers of the output's shape, and the mean over them.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::ops::binary::SUBTRACT;
use crate::ops::one_hot::ONE_HOT;
use crate::ops::reduce::REDUCE_MEAN;
use crate::ops::reshape::RESHAPE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Param, Preset, keyword};
use crate::train::losses::Target;

/// The parameter that names the target.
pub const TARGET: Param = keyword(
    "target",
    Kind::Choice(&["label", "input"]),
    Preset::Word("label"),
    "`label`: 1 at the image's class and 0 elsewhere; `input`: the image itself, for an autoencoder",
);

/// What [`TARGET`] says.
pub fn target(args: &Args) -> Result<Target, Fault> {
    Ok(if args.word(TARGET.name)? == "input" { Target::Input } else { Target::Label })
}

/// Refuses an image where one number a class is needed.
pub fn check(loss: &str, args: &Args, output: &Shape) -> Result<(), Fault> {
    if target(args)? == Target::Input || output.rank() == 1 {
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
pub fn difference(
    args: &Args,
    output: Value,
    target_value: Value,
    builder: &mut Builder,
) -> Result<Value, Fault> {
    let wanted = match target(args)? {
        Target::Input => target_value,
        Target::Label => {
            let classes = builder.shape(output).dims().get(1).copied().unwrap_or(1);
            builder.apply(&ONE_HOT, Attrs::new().int("classes", classes as i64), &[target_value])?
        }
    };
    builder.apply(&SUBTRACT, Attrs::new(), &[output, wanted])
}

/// The mean over all axes but the batch: `N x …` → `N`.
pub fn mean(value: Value, builder: &mut Builder) -> Result<Value, Fault> {
    let shape = builder.shape(value).clone();
    let axes: Vec<usize> = (1..shape.rank()).collect();
    let mean = builder.apply(&REDUCE_MEAN, Attrs::new().ints("axes", axes), &[value])?;
    builder.apply(&RESHAPE, Attrs::new().ints("shape", [shape.dims()[0]]), &[mean])
}
