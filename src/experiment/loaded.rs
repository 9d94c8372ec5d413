//! A text and where it lies → the checked experiment together with all that it was made of: for those who show it, run it or
//! write it down.

use std::path::{Path, PathBuf};

use crate::diag::{Diagnostics, has_errors};
use crate::experiment::figures::broken_expectations;
use crate::experiment::imports::{Imports, Project, normal};
use crate::experiment::{self, Checked, Experiment, disk, resolved};
use crate::source::Sources;
use crate::syntax::ast::Ast;
use crate::train::auto_batch::Batch;

/// A file that was read and checked.
pub struct Loaded {
    pub path: PathBuf,
    /// The overrides that it was checked with.
    pub settings: Vec<String>,
    pub sources: Sources,
    pub ast: Ast,
    pub imports: Imports,
    pub experiment: Experiment,
    /// Everything that was found, in the order of the text.
    pub diagnostics: Diagnostics,
}

/// Checks a text that stands for the file at `path`, and its expectations where it is right otherwise.
pub fn load_text(path: &Path, text: String, settings: &[String]) -> Loaded {
    let mut sources = Sources::default();
    let root = project_root(path);
    let read = |path: &Path| disk::import(Path::new(""), &root, path);
    let project = Project { root: &root, read: &read };
    let Checked { ast, imports, experiment, mut diagnostics, .. } =
        experiment::check(&mut sources, path, text, settings, &project);
    if !has_errors(&diagnostics) {
        diagnostics.extend(broken_expectations(&experiment));
    }
    let (path, settings) = (path.to_owned(), settings.to_vec());
    Loaded { path, settings, sources, ast, imports, experiment, diagnostics }
}

/// The folder that a file's imports must stay in: the current one where the file lies in it, else the file's own.
fn project_root(path: &Path) -> PathBuf {
    let path = normal(path);
    let current = std::env::current_dir().unwrap_or_default();
    if path.is_absolute() && path.starts_with(&current) {
        return current;
    }
    if path.is_relative() && !path.starts_with("..") {
        return PathBuf::new();
    }
    path.parent().map(Path::to_owned).unwrap_or_default()
}

impl Loaded {
    /// The folder that paths in the file are relative to.
    pub fn base(&self) -> PathBuf {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// The file's name without its ending: what its runs are called.
    pub fn stem(&self) -> String {
        self.path.file_stem().map_or_else(|| "run".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    /// The file with every default filled in, and the batch that was chosen.
    pub fn resolved(&self, batch: Option<Batch>) -> String {
        resolved::text(&self.sources, &self.ast, &self.imports, &self.experiment, batch)
    }

    /// The same for a file in `folder`, from which its data are found, whose paths are relative to `base` now.
    pub fn resolved_in(&self, folder: &Path, base: &Path, batch: Option<Batch>) -> String {
        let moved = resolved::moved(&self.ast, &self.imports, base, folder);
        resolved::text(&self.sources, &moved, &self.imports, &self.experiment, batch)
    }
}
