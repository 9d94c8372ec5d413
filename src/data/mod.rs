//! Labelled images from files to batches: the data sets that can be read (`SOURCES`), the `data { … }` section,
//! its preprocessing and augmentation, the loader, and single pictures for prediction.

pub mod decode;
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

use flate2::Crc;

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

    /// Reads the test images alone, and needs no file of the others.
    fn load_test(&self, args: &Args, base: &Path) -> Result<Tested, Fault>;

    /// Mean and standard deviation of the images' pixels (0 to 1), where every data set of this kind is about so bright.
    fn brightness(&self) -> Option<[f64; 2]> {
        None
    }
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

impl Dataset {
    /// A text that is another one where any pixel or label is: sizes, and a CRC-32 of all bytes.
    pub fn fingerprint(&self) -> String {
        let mut sum = Crc::new();
        for images in [&self.train, &self.test] {
            sum.update(&images.pixels);
            images.labels.iter().for_each(|label| sum.update(&label.to_le_bytes()));
        }
        format!(
            "{} + {} of {}, CRC-32 {:08x}",
            self.train.len(),
            self.test.len(),
            self.train.shape,
            sum.sum()
        )
    }
}

/// The part of a data set that is measured on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    pub images: Images,
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
