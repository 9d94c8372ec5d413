//! The kinds of data sets that `source` can name, one file each: files on a disk → samples, and the parts that they are in.

pub mod array_targets;
pub mod arrays;
pub mod cells;
pub mod cifar;
pub mod files;
pub mod folder;
pub mod idx;
pub mod learnt;
pub mod listed;
pub mod masks;
pub mod mnist;
pub mod npy;
pub mod paired;
pub mod pairs;
pub mod parquet;
mod pickle;
pub mod records;
pub mod shards;
pub mod table;
pub mod usual;
pub mod webdataset;

use std::path::Path;

use crate::data::parts::Dataset;
use crate::data::sample::{Form, Size, Task};
use crate::data::samples::Samples;
use crate::diag::{Fault, codes};
use crate::spec::section::Registry;
use crate::spec::{Args, Spec};

/// Every kind of data set.
pub static SOURCES: &[&dyn Source] = &[
    &mnist::Mnist,
    &folder::Folder,
    &cifar::Cifar10,
    &cifar::Cifar100,
    &arrays::Arrays,
    &table::Table,
    &webdataset::WebDataset,
    &parquet::Parquet,
    &masks::Masks,
    &pairs::Pairs,
];

pub static REGISTRY: Registry = Registry {
    title: "Data sets",
    intro: "The name after `source`.",
    one: "data set",
    specs: || SOURCES.iter().map(|source| source.spec()).collect(),
};

/// A kind of data set. Relative paths start at `base`, the folder of the experiment's file.
pub trait Source: Sync {
    fn spec(&self) -> &'static Spec;

    /// What the arguments alone tell, before any file is looked at.
    fn facts(&self, args: &Args) -> Result<Facts, Fault>;

    /// What a cheap look at names and headers tells; `None` where nothing lies there. The kinds whose arguments tell all need
    /// no look.
    fn look(&self, args: &Args, _base: &Path) -> Result<Option<Facts>, Fault> {
        self.facts(args).map(Some)
    }

    /// The samples, and the parts that the data set itself has. For [`Wanted::Test`] no other files than those of the test part
    /// need to be there, where it has one.
    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault>;

    /// The names of the columns that lie there, where it has such; none where they cannot be read.
    fn columns(&self, _args: &Args, _base: &Path) -> Vec<String> {
        Vec::new()
    }

    /// The group of each sample by the column or value that is called `by`.
    fn groups(&self, _args: &Args, _base: &Path, by: &str, _samples: &Samples) -> Result<Vec<String>, Fault> {
        let message = format!("{} has no columns, and so none called `{by}`", self.spec().name);
        Err(Fault::new(codes::BAD_VALUE, message)
            .advise("a pattern of the files' names, such as `by=\"*_*\"`")
            .advise("a `table` with a column of the groups"))
    }

    /// What each sample has in these columns: column by column.
    ///
    /// # Errors
    /// A column that is not there, or an empty cell.
    fn cells(
        &self,
        args: &Args,
        base: &Path,
        columns: &[String],
        _blanks: Blanks,
        samples: &Samples,
    ) -> Result<Vec<Vec<String>>, Fault> {
        columns.iter().map(|column| self.groups(args, base, column, samples)).collect()
    }

    /// What numbers of a file are divided by.
    fn scale(&self, _args: &Args) -> Result<f32, Fault> {
        Ok(1.0)
    }

    /// Mean and standard deviation of the images' pixels (0 to 1), where every data set of this kind is about so bright.
    fn brightness(&self) -> Option<[f64; 2]> {
        None
    }
}

/// What becomes of cells that say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blanks {
    Refused,
    Kept,
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
    /// What is to be learnt of an image.
    pub task: Task,
    /// How many classes, labels or numbers, or channels of images.
    pub classes: Option<usize>,
    /// The numbers of images in the parts that the data set itself has: to train on, to watch the training, to test on.
    pub parts: Option<[usize; 3]>,
    /// Whether there is a part to watch the training.
    pub watched: Option<bool>,
}

impl Facts {
    /// The same, with the number of images in each part.
    fn with_parts(self, parts: [usize; 3]) -> Facts {
        Facts { parts: Some(parts), watched: Some(parts[1] > 0), ..self }
    }

    /// These, and where they tell nothing, the others.
    pub fn or(&self, others: &Facts) -> Facts {
        let size = if self.form.size == Size::Unknown { others.form.size } else { self.form.size };
        Facts {
            form: Form { channels: self.form.channels.or(others.form.channels), size },
            task: self.task,
            classes: self.classes.or(others.classes),
            parts: self.parts.or(others.parts),
            watched: self.watched.or(others.watched),
        }
    }
}
