//! A checked file → how many images a step of its training sees, with what is wrong shown at the file's `batch` line.

use crate::cli::Stop;
use crate::diag::{Diagnostic, codes};
use crate::experiment::loaded::Loaded;
use crate::model::Model;
use crate::tensor::Device;
use crate::train::auto_batch::{self, Batch};
use crate::train::programs::Sizes;
use crate::train::section::{BatchSize, TrainSection};

/// The batch of a file that trains on a device; for `batch auto` its images are counted, so that the data set must be there.
pub fn of(loaded: &Loaded, device: &Device) -> Result<Option<Batch>, Stop> {
    let experiment = &loaded.experiment;
    let (Some(model), Some(train)) = (&experiment.model, &experiment.train) else { return Ok(None) };
    let sizes = match (train.batch, &experiment.data) {
        (BatchSize::Images(images), _) => return Ok(Some(Batch { images, bound: None })),
        (BatchSize::Auto { .. }, Some(_)) => Sizes::of(&loaded.data()?.1),
        (BatchSize::Auto { .. }, None) => {
            let message = "`batch auto` takes at most the training images, and the file has no `data`";
            let at = train.batch_span.unwrap_or(train.span);
            let d = Diagnostic::error(codes::MISSING_SECTION, at, message)
                .label("how many there are is not known")
                .advise("a number of images, such as `batch 64`")
                .advise("add `data { source mnist \"data/mnist\" }`");
            crate::cli::load::print(&loaded.sources, &[d]);
            return Err(Stop::Findings);
        }
    };
    chosen(loaded, model, train, sizes, device).map(Some)
}

/// The batch of a run through sets of these sizes.
pub fn chosen(
    loaded: &Loaded,
    model: &Model,
    train: &TrainSection,
    sizes: Sizes,
    device: &Device,
) -> Result<Batch, Stop> {
    auto_batch::batch(model, train, sizes, device).map_err(|fault| match train.batch_span {
        Some(span) => {
            loaded.print_at(&fault, span);
            Stop::Findings
        }
        None => fault.into(),
    })
}
