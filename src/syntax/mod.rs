//! Text → [`Ast`] and every syntax error. Parsing never fails: what cannot be read becomes a diagnostic and
//! the rest of the file is read all the same. The only folder that knows pest.

pub mod ast;
mod build;
mod characters;
pub mod guard;
mod items;
mod mistaken;
pub mod print;
mod reading;
pub mod scan;
mod spans;
mod unclosed;

use crate::diag::Diagnostics;
use crate::source::{FileId, Sources};
use crate::syntax::ast::Ast;
pub use crate::syntax::reading::Reading;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/dslc.pest"]
struct Grammar;

/// Reads one file. The tree holds all that could be read.
pub fn parse(sources: &Sources, file: FileId) -> (Ast, Diagnostics) {
    let (ast, reading) = read(sources, file);
    (ast, reading.diagnostics)
}

/// The same, with what [`read_again`] begins with.
pub fn read(sources: &Sources, file: FileId) -> (Ast, Reading) {
    read_again(Default::default(), "", sources, file)
}

/// Reads a file whose text was `old` when it was read before; the more quickly, the more alike the texts are. What
/// comes out is the same as by [`read`].
pub fn read_again(before: (Ast, Reading), old: &str, sources: &Sources, file: FileId) -> (Ast, Reading) {
    let text = &sources.get(file).text;
    if before.0.file == file && old == text {
        return before;
    }
    match guard::balance(file, text) {
        Ok(guarded) => reading::read(file, text, guarded, before),
        Err(diagnostic) => reading::refused(file, *diagnostic),
    }
}
