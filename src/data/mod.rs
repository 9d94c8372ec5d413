//! Labelled images from files to batches: the data sets that can be read (`SOURCES`), the `data { … }` section,
//! its preprocessing and augmentation, the loader, and single pictures for prediction.

pub mod idx;
pub mod loader;
pub mod mnist;
pub mod picture;
pub mod png;
mod reader;
pub mod section;
pub mod settings;
pub mod transforms;

#[cfg(test)]
pub mod testing;

use std::path::Path;

use crate::diag::Fault;
use crate::shape::Shape;
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

    /// What holds before any file is opened.
    fn facts(&self, args: &Args) -> Result<Facts, Fault>;

    /// Reads the whole data set; relative paths start at `base`, the folder of the experiment's file.
    fn load(&self, args: &Args, base: &Path) -> Result<Dataset, Fault>;
}

/// What is known of a data set from its declaration alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// One image, channels x height x width.
    pub shape: Shape,
    pub classes: usize,
    /// The number of training images, where every copy of the data set has the same.
    pub train: Option<usize>,
    pub test: Option<usize>,
}

/// A data set in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    pub train: Images,
    pub test: Images,
    /// The classes' names, in the order of the labels.
    pub classes: Vec<String>,
}

/// Images of one shape with their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// One image, channels x height x width.
    pub shape: Shape,
    /// All images one behind the other, `len() * shape.elements()` bytes.
    pub pixels: Vec<u8>,
    /// One an image, each below the number of classes.
    pub labels: Vec<u32>,
}

impl Images {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of image `i`, which must be below `len()`.
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.shape.elements();
        &self.pixels[i * size..(i + 1) * size]
    }
}
