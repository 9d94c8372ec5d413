//! A weights file → the experiment that it describes: the model, how pictures are prepared for it, and how it was trained.

use std::path::Path;

use crate::diag::{Fault, Severity, codes};
use crate::experiment::imports::Project;
use crate::experiment::{self, Experiment};
use crate::source::Sources;
use crate::train::checkpoint::Weights;

/// The checked experiment in a weights file, whole.
///
/// Errors: a description that is empty, as other programs leave it, or that this dslc cannot read.
pub fn experiment(weights: &Weights) -> Result<Experiment, Fault> {
    let path = weights.path();
    let refuse = |code, what: String| {
        Fault::new(code, format!("{} {what}", path.display()))
            .advise("a weights file that `dslc run` wrote, such as runs/mnist-1/best.safetensors")
    };
    let source = &weights.card.source;
    if source.trim().is_empty() {
        return Err(refuse(
            codes::DATA_FILE,
            "contains numbers, but no description of their model (its `source` is empty)".to_owned(),
        ));
    }
    let mut sources = Sources::default();
    // A resolved file holds all it needs.
    let alone = |_: &Path| Err("a weights file uses no others".to_owned());
    let project = Project { root: Path::new(""), read: &alone };
    let checked = experiment::check(&mut sources, path, source.clone(), &[], &project);
    if let Some(first) = checked.diagnostics.iter().find(|d| d.severity == Severity::Error) {
        let (line, version) = (sources.line(first.primary.span), &weights.card.version);
        return Err(refuse(
            first.code,
            format!("contains a description that is wrong in line {line}: {}", first.message),
        )
        .note(format!("it was written by dslc {version}; this is {}", env!("CARGO_PKG_VERSION"))));
    }
    match checked.experiment.model {
        Some(_) => Ok(checked.experiment),
        None => Err(refuse(codes::DATA_FILE, "contains a description without a model".to_owned())),
    }
}
