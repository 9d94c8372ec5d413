//! All that `dslc check` says of a file, each with a place in that file: a finding in a file that is used stands where
//! this file leads to it.

use crate::diag::{Diagnostic, has_errors};
use crate::editor::Program;
use crate::experiment::figures::broken_expectations;
use crate::experiment::missing_parts;
use crate::source::{FileId, Span};

/// More findings than this help nobody.
const MOST: usize = 1_000;

pub struct Finding {
    pub diagnostic: Diagnostic,
    /// Its place in the file that was checked.
    pub at: Span,
}

pub fn findings(program: &Program) -> Vec<Finding> {
    let checked = &program.checked;
    let mut found = checked.diagnostics.clone();
    if !has_errors(&found) {
        found.extend(broken_expectations(&checked.experiment));
    }
    if found.is_empty() && checked.ast.chains.is_empty() {
        found = missing_parts(&checked.ast, &checked.experiment, &["model"]);
    }
    found.truncate(MOST);
    found.into_iter().map(|diagnostic| Finding { at: place(program, &diagnostic), diagnostic }).collect()
}

/// The place itself, one that the finding names beside it, or the `use` that leads to its file.
fn place(program: &Program, diagnostic: &Diagnostic) -> Span {
    let labels = std::iter::once(&diagnostic.primary).chain(&diagnostic.related);
    let own = labels.map(|label| label.span).find(|span| span.file == program.file);
    own.or_else(|| leading_to(program, diagnostic.primary.span.file)).unwrap_or(Span {
        file: program.file,
        start: 0,
        end: 0,
    })
}

/// The `use` of the checked file that leads to another, directly or through others.
fn leading_to(program: &Program, file: FileId) -> Option<Span> {
    let uses = &program.checked.imports.uses;
    let mut to = file;
    // Files are read in the order of their ids, so a file's first use is in one with a lower id.
    while let Some(found) = uses.iter().find(|found| found.to == to && found.at.file < to) {
        if found.at.file == program.file {
            return Some(found.at);
        }
        to = found.at.file;
    }
    None
}
