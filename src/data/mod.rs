//! Data from files to batches: the data sets that can be read (`SOURCES`), the `data { … }` section, its preprocessing and
//! augmentation, the loader, and single pictures for prediction.
//!
//! ```text
//! Source ── Facts ──▶ DataSection          (checked before any file is opened)
//! Source ──▶ Samples, Parts ── Transform (a Sample) ──▶ Loader ── Fields ──▶ the graph's inputs
//! ```

mod cache;
pub mod decode;
pub mod fields;
pub mod folds;
pub mod glob;
mod groups;
mod intact;
pub mod loader;
pub mod mask;
pub mod parts;
pub mod picture;
pub mod png;
mod reader;
pub mod recipe;
pub mod sample;
pub mod samples;
pub mod scan;
pub mod section;
pub mod settings;
pub mod sheet;
pub mod sources;
mod stored;
pub mod thumbnail;
pub mod transforms;

#[cfg(test)]
pub mod testing;

pub use crate::data::parts::Dataset;
pub use crate::data::sources::{Facts, REGISTRY, SOURCES, Source, Wanted};

use std::path::Path;

use crate::data::samples::Targets;
use crate::data::section::DataSection;
use crate::data::transforms::normalize;
use crate::diag::{Fault, codes};

/// Reads the data set of a section, divides it by `seed` and keeps its images as `cache` says. The section
/// learns what only the data tell: the classes, and the numbers of `normalize auto`, where all of it is wanted.
pub fn open(section: &mut DataSection, base: &Path, seed: u64, wanted: Wanted) -> Result<Dataset, Fault> {
    let mut dataset = divided(section, base, seed, wanted)?;
    intact::hold(section, &mut dataset)?;
    let cells = fields::cells(section, base, &dataset)?;
    fields::join(section, base, &cells, &mut dataset)?;
    cache::keep(section, &mut dataset, base, wanted)?;
    if wanted == Wanted::All {
        normalize::measure(section, &dataset)?;
        section.balance = balance(&dataset);
    }
    fields::hold(section, base, &cells)?;
    Ok(dataset)
}

/// `n / (K n_class)` of the training images, to four digits; `None` where they have no classes.
fn balance(dataset: &Dataset) -> Option<Vec<f64>> {
    let Targets::Classes { names, values } = &dataset.samples.targets else { return None };
    let mut counts = vec![0u64; names.len()];
    dataset.parts.train.iter().for_each(|&index| counts[values[index as usize] as usize] += 1);
    let (n, k) = (dataset.parts.train.len() as f64, names.len() as f64);
    let weight = |count: u64| if count == 0 { 0.0 } else { (1e4 * n / (k * count as f64)).round() / 1e4 };
    Some(counts.into_iter().map(weight).collect())
}

/// The same without a look at an image.
pub fn divided(section: &mut DataSection, base: &Path, seed: u64, wanted: Wanted) -> Result<Dataset, Fault> {
    let dataset = section.source.load(&section.args, base, wanted)?;
    let groups = groups::of(section, base, &dataset)?;
    let dataset = dataset.divided_by(section, seed, wanted, groups.as_deref())?;
    let (own, stated) = (dataset.samples.images.form(), section.facts.form);
    let name = section.source.spec().name;
    if own != stated && stated.extents().is_some() {
        let message = format!("{name} gave images of {own}, not {stated}");
        return Err(Fault::new(codes::DATA_SHAPE, message));
    }
    section.facts.form = own;
    section.facts.task = dataset.samples.targets.task();
    let told = match &dataset.samples.targets {
        Targets::Images(images) => images.form().channels,
        others => Some(others.names().len()),
    };
    let stated = std::mem::replace(&mut section.facts.classes, told);
    if let (Some(stated), Some(own)) = (stated, told)
        && stated != own
    {
        let message =
            format!("the data has {own} {}, but `classes` says {stated}", section.facts.task.names());
        return Err(Fault::new(codes::CLASSES, message).at("classes").set("classes", own));
    }
    if section.shape().is_none() {
        let message = format!("images reach the model as {}, each of its own size", section.form());
        return Err(
            Fault::new(codes::DATA_SHAPE, message).advise("one size for all: `resize 64x64` in `data`")
        );
    }
    if dataset.parts.test.is_empty() {
        return Err(Fault::new(codes::DATA_FILE, "there are no images to test on")
            .at("path")
            .advise("`split test=20%` in `data`, or a `test` part in the data set"));
    }
    Ok(dataset)
}
