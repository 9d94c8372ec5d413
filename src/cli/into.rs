//! `dslc import WEIGHTS --into FILE`: the weights of others as those of a model here.

use std::path::{Path, PathBuf};

use crate::cli::Stop;
use crate::cli::carried::{self, How, take};
use crate::cli::out::out;
use crate::weights::matching::Need;

/// What is imported, and how.
pub struct Into<'a> {
    /// safetensors, PyTorch or NumPy, or a run's folder.
    pub weights: &'a Path,
    /// The network file that has the model.
    pub file: &'a Path,
    pub settings: &'a [String],
    /// What to write.
    pub to: &'a Path,
    pub how: &'a How,
    /// A text file with a class name on each line.
    pub classes: Option<&'a PathBuf>,
}

pub fn run(into: &Into<'_>) -> Result<(), Stop> {
    let taken = take(into.weights, into.file, into.settings, &["model"], into.how, Need::Trunk)?;
    let classes = match into.classes {
        None => Vec::new(),
        Some(path) => {
            let text = crate::cli::load::read(path)?;
            text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
        }
    };
    let (head, counts) = (taken.head(), taken.counts());
    let table = carried::text(taken.rows().iter());
    let unsaid = taken.unsaid().map(|unsaid| format!("\n{unsaid}")).unwrap_or_default();
    let length = taken.write(into.to, classes)?;
    out(&format!("{table}\n\n{head}\n{counts}{unsaid}\n{}", carried::written(into.to, length)))
}
