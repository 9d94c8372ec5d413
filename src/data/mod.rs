//! Data from files to batches: the data sets that can be read (`SOURCES`), the `data { … }` section, its preprocessing and
//! augmentation, the loader, and single pictures for prediction.
//!
//! ```text
//! Source ── Facts ──▶ DataSection          (checked before any file is opened)
//! Source ──▶ Samples, Parts ── Transform (a Sample) ──▶ Loader ── Fields ──▶ the graph's inputs
//! ```

pub mod decode;
pub mod idx;
pub mod loader;
pub mod mnist;
pub mod parts;
pub mod picture;
pub mod png;
mod reader;
pub mod recipe;
pub mod sample;
pub mod samples;
pub mod section;
pub mod settings;
pub mod transforms;

#[cfg(test)]
pub mod testing;

pub use crate::data::parts::Dataset;

use std::path::Path;

use crate::data::sample::Form;
use crate::data::section::DataSection;
use crate::diag::{Fault, codes};
use crate::spec::section::Registry;
use crate::spec::{Args, Spec};

/// Every data set that `source` can name.
pub static SOURCES: &[&dyn Source] = &[&mnist::Mnist];

pub static REGISTRY: Registry = Registry {
    title: "Data sets",
    intro: "The name behind `source`.",
    one: "data set",
    specs: || SOURCES.iter().map(|source| source.spec()).collect(),
};

/// A kind of data set.
pub trait Source: Sync {
    fn spec(&self) -> &'static Spec;

    /// What the arguments alone tell, before any file is opened.
    fn facts(&self, args: &Args) -> Result<Facts, Fault>;

    /// The samples, and the parts that the data set itself has. Relative paths start at `base`, the folder of the experiment's
    /// file. For [`Wanted::Test`] no other file than those of the test part needs to be there.
    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault>;

    /// Mean and standard deviation of the images' pixels (0 to 1), where every data set of this kind is about so bright.
    fn brightness(&self) -> Option<[f64; 2]> {
        None
    }
}

/// The part of a data set that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    All,
    Test,
}

/// What is known of a data set before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub form: Form,
    pub classes: Option<usize>,
    /// The number of training images, where every copy of the data set has the same.
    pub train: Option<usize>,
    pub test: Option<usize>,
}

/// Reads the data set of a section and divides it by `seed`.
pub fn open(section: &DataSection, base: &Path, seed: u64, wanted: Wanted) -> Result<Dataset, Fault> {
    let dataset = section.source.load(&section.args, base, wanted)?;
    let (own, stated) = (dataset.samples.images.form(), section.facts.form);
    if own != stated {
        let message = format!("{} gave images of {own}, not {stated}", section.source.spec().name);
        return Err(Fault::new(codes::DATA_SHAPE, message));
    }
    match wanted {
        Wanted::All => dataset.divided(section, seed),
        Wanted::Test => Ok(dataset),
    }
}
