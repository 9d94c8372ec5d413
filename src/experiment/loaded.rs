//! A text and where it lies → the checked experiment together with all that it was made of: for those who show it, run it or
//! write it down.

use std::path::{Path, PathBuf};

use crate::data::section::DataSection;
use crate::data::{self, Dataset, Wanted};
use crate::diag::{Diagnostics, Fault, has_errors};
use crate::experiment::figures::broken_expectations;
use crate::experiment::imports::{Imports, Project, normal};
use crate::experiment::resolved::Settled;
use crate::experiment::{self, Checked, Experiment, disk, ending, resolved};
use crate::source::Sources;
use crate::syntax::ast::Ast;

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
    let base = base(path);
    let look = |data: &DataSection| Some(data.source.look(&data.args, &base));
    let Checked { ast, imports, experiment, mut diagnostics, .. } =
        experiment::check_with(&mut sources, path, text, settings, &project, Some(&look));
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

fn base(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

impl Loaded {
    /// The folder that paths in the file are relative to.
    pub fn base(&self) -> PathBuf {
        base(&self.path)
    }

    /// The file's name without its ending: what its runs are called.
    pub fn stem(&self) -> String {
        self.path.file_stem().map_or_else(|| "run".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    /// The data set with its section, which learns from it what only the data tell; paths are relative to `base`.
    ///
    /// Errors: what [`data::open`] refuses; data of other classes than the model tells apart; a file without data.
    pub fn open(&self, base: &Path) -> Result<(DataSection, Dataset), Fault> {
        let Experiment { model, train, .. } = &self.experiment;
        let (mut section, seed) = self.section()?;
        let dataset = data::open(&mut section, base, seed, Wanted::All)?;
        let itself = train.as_ref().is_some_and(|train| train.reproduces().unwrap_or(false));
        let wrong = model.as_ref().filter(|_| !itself).and_then(|model| ending::outputs(&section, model));
        match wrong {
            Some(wrong) => {
                Err(Fault::new(wrong.code, wrong.message).advise("run `dslc check` where the data is"))
            }
            None => Ok((section, dataset)),
        }
    }

    /// The data set, divided, with no image read yet.
    pub fn divided(&self, base: &Path) -> Result<(DataSection, Dataset), Fault> {
        let (mut section, seed) = self.section()?;
        let dataset = data::divided(&mut section, base, seed, Wanted::All)?;
        Ok((section, dataset))
    }

    /// The section, and the seed that divides the data.
    fn section(&self) -> Result<(DataSection, u64), Fault> {
        let Experiment { data, train, .. } = &self.experiment;
        let section = data.clone().ok_or_else(|| Fault::internal("a file without data"))?;
        Ok((section, train.as_ref().map_or(0, |train| train.seed)))
    }

    /// The file with every default filled in, and what was settled beyond it.
    pub fn resolved(&self, settled: Settled<'_>) -> String {
        resolved::text(&self.sources, &self.ast, &self.imports, &self.experiment, settled)
    }

    /// The same for a file in `folder`, from which its data are found, whose paths are relative to `base` now.
    pub fn resolved_in(&self, folder: &Path, base: &Path, settled: Settled<'_>) -> String {
        let moved = resolved::moved(&self.ast, &self.imports, base, folder);
        resolved::text(&self.sources, &moved, &self.imports, &self.experiment, settled)
    }
}
