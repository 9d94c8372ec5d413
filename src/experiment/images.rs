//! What must hold of an experiment whose loss is held against the images themselves (`target=input`): the output has
//! the input's shape, and numbers stay those of pixels.

use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::experiment::Experiment;
use crate::model::Model;
use crate::train::section::TrainSection;

/// Whether the model learns the images that it is given.
pub fn learnt(train: &TrainSection) -> bool {
    train.reproduces().is_ok_and(|itself| itself)
}

/// Holds the parts of an experiment whose images are [`learnt`] against each other.
pub fn check(experiment: &Experiment, diagnostics: &mut Diagnostics) {
    let Some(train) = &experiment.train else { return };
    if let Some(model) = &experiment.model {
        diagnostics.extend(other_shape(model, train));
    }
    if let Some(data) = &experiment.data {
        diagnostics.extend(other_numbers(data, train));
    }
}

/// The output must have the shape of the input that it is held against.
fn other_shape(model: &Model, train: &TrainSection) -> Option<Diagnostic> {
    let (input, output, last) = (model.input.as_ref()?, model.output()?, model.last()?);
    if input == output {
        return None;
    }
    let message = format!(
        "the loss compares the output with the input, but the input is {input} and the output is {output}"
    );
    let mut d =
        Diagnostic::error(codes::LOSS, train.loss.span, message).label("both must have the same shape");
    let own = last.span.file == train.loss.span.file;
    if own {
        d = d.related(model.input_span, format!("{input} here"));
        d = d.related(last.span, format!("the model ends here in {output}"));
    }
    Some(match own && input.elements() == output.elements() {
        true => d.replace(
            format!("put `reshape {input}` after the last layer"),
            last.span.after(),
            format!(" -> reshape {input}"),
        ),
        false => d.advise("layers such as `conv_transpose2d` or `upsample` that restore the input's shape"),
    })
}

/// Images must reach the model with pixels from 0 to 1: it learns to give such numbers, and they are written as pixels.
fn other_numbers(data: &DataSection, train: &TrainSection) -> Option<Diagnostic> {
    let step = data.preprocess.iter().find(|step| step.transform.pointwise(&step.args, 0, 0.0).is_some())?;
    let name = step.transform.spec().name;
    let message =
        format!("with `{name}` the model would learn to output something other than pixels from 0 to 1");
    Some(
        Diagnostic::error(codes::LOSS, step.span, message)
            .label("the images are changed here")
            .related(train.loss.span, "and they are what the output is compared with")
            .replace(format!("remove `{name}`"), step.span, "")
            .advise("put a `batch_norm` first in the model, which normalises as well"),
    )
}
