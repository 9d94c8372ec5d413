//! What an editor asks of a program while it is typed: hovers, hints, completions, names, outlines. Everything here is
//! pure, in byte offsets and plain text, and made from the same [`Checked`] as the command line's words; `lsp` puts
//! it on the wire.

pub mod complete;
pub mod defined;
mod facts;
pub mod findings;
pub mod folding;
pub mod hints;
pub mod hover;
pub mod links;
pub mod meaning;
pub mod names;
pub mod place;
mod sections;
pub mod selection;
pub mod signature;
mod snippet;
pub mod symbols;
pub mod tokens;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::experiment::imports::Project;
use crate::experiment::{Checked, Look, check_again, check_with};
use crate::model::receptive::Field;
use crate::model::{cost, receptive};
use crate::source::{FileId, Sources};

/// One file as it stands in the editor, checked with all that it uses.
pub struct Program {
    pub path: PathBuf,
    pub sources: Sources,
    /// The file itself; its imports have other ids, and the library has [`crate::source::LIBRARY`].
    pub file: FileId,
    pub checked: Checked,
    flops: OnceLock<Option<Vec<u64>>>,
    fields: OnceLock<Vec<Field>>,
}

impl Program {
    /// Checks a text; what it uses is read through `project`, so that unsaved buffers count.
    pub fn check(path: &Path, text: String, project: &Project<'_>) -> Program {
        Program::check_with(path, text, project, None)
    }

    /// The same with what is known of the data.
    pub fn check_with(path: &Path, text: String, project: &Project<'_>, look: Option<Look<'_>>) -> Program {
        let mut sources = Sources::default();
        let checked = check_with(&mut sources, path, text, &[], project, look);
        Program::of(path, sources, checked)
    }

    /// Checks a text that stands in the place of this one, and is like it but for one place. This one is of no use
    /// afterwards; it is left to the caller, as freeing it takes time.
    pub fn check_again(
        &mut self,
        path: &Path,
        text: String,
        project: &Project<'_>,
        look: Option<Look<'_>>,
    ) -> Program {
        let mut sources = Sources::default();
        let checked = check_again(&mut self.checked, &self.sources, &mut sources, path, text, project, look);
        Program::of(path, sources, checked)
    }

    fn of(path: &Path, sources: Sources, checked: Checked) -> Program {
        // The library is the first file, and the checked one comes behind it.
        let (flops, fields) = (OnceLock::new(), OnceLock::new());
        Program { path: path.to_owned(), sources, file: FileId(1), checked, flops, fields }
    }

    pub fn text(&self) -> &str {
        &self.sources.get(self.file).text
    }

    /// The operations of each layer of the model for one image; `None` where the model has a fault.
    pub fn flops(&self) -> Option<&[u64]> {
        let count = || cost::flops(self.checked.experiment.model.as_ref()?).ok();
        self.flops.get_or_init(count).as_deref()
    }

    /// The receptive field behind each layer of the model.
    pub fn fields(&self) -> &[Field] {
        let model = self.checked.experiment.model.as_ref();
        self.fields.get_or_init(|| model.map_or_else(Vec::new, receptive::fields))
    }
}
