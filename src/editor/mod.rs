//! What an editor asks of a program while it is typed: hovers, hints, completions, names, outlines. Everything here is
//! pure, in byte offsets and plain text, and made from the same [`Checked`] as the command line's words; `lsp` puts
//! it on the wire.

pub mod findings;

use std::path::{Path, PathBuf};

use crate::experiment::imports::Project;
use crate::experiment::{Checked, check};
use crate::source::{FileId, Sources};

/// One file as it stands in the editor, checked with all that it uses.
pub struct Program {
    pub path: PathBuf,
    pub sources: Sources,
    /// The file itself; its imports have other ids, and the library has [`crate::source::LIBRARY`].
    pub file: FileId,
    pub checked: Checked,
}

impl Program {
    /// Checks a text; what it uses is read through `project`, so that unsaved buffers count.
    pub fn check(path: &Path, text: String, project: &Project<'_>) -> Program {
        let mut sources = Sources::default();
        let checked = check(&mut sources, path, text, &[], project);
        // The library is the first file, and the checked one comes behind it.
        Program { path: path.to_owned(), sources, file: FileId(1), checked }
    }

    pub fn text(&self) -> &str {
        &self.sources.get(self.file).text
    }
}
