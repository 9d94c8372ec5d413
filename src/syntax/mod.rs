//! Text → [`Ast`] and every syntax error. Parsing never fails: what cannot be read becomes a diagnostic and
//! the rest of the file is read all the same. The only folder that knows pest.

pub mod ast;
mod build;
pub mod guard;
pub mod print;
mod resume;
pub mod scan;
mod spans;

use pest::Parser;
use pest::iterators::Pairs;

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::{FileId, Sources, Span};
use crate::syntax::ast::Ast;
use crate::syntax::guard::Guarded;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/dslc.pest"]
struct Grammar;

/// What is kept of a reading beside the tree, for the next one.
#[derive(Default)]
pub struct Reading {
    /// All, in the order of the text.
    pub diagnostics: Diagnostics,
    /// Those of the grammar.
    own: Diagnostics,
    /// The text as the grammar read it.
    plain: String,
}

/// Reads one file. The tree holds all that could be read.
pub fn parse(sources: &Sources, file: FileId) -> (Ast, Diagnostics) {
    let (ast, reading) = read(sources, file);
    (ast, reading.diagnostics)
}

/// The same, with what [`read_again`] begins with.
pub fn read(sources: &Sources, file: FileId) -> (Ast, Reading) {
    match guard::balance(file, &sources.get(file).text) {
        Ok(guarded) => whole(sources, file, guarded),
        Err(diagnostic) => refused(file, *diagnostic),
    }
}

/// Reads a file whose text was `old` when it was read before, and is like it but for one place, more quickly; what
/// comes out is the same as if it was read as a whole.
pub fn read_again(before: (Ast, Reading), old: &str, sources: &Sources, file: FileId) -> (Ast, Reading) {
    let new = &sources.get(file).text;
    let guarded = match guard::balance(file, new) {
        Ok(guarded) => guarded,
        Err(diagnostic) => return refused(file, *diagnostic),
    };
    resume::resume(file, before, old, new, &guarded).unwrap_or_else(|| whole(sources, file, guarded))
}

fn refused(file: FileId, diagnostic: Diagnostic) -> (Ast, Reading) {
    (Ast { file, chains: Vec::new() }, Reading { diagnostics: vec![diagnostic], ..Reading::default() })
}

fn whole(sources: &Sources, file: FileId, guarded: Guarded) -> (Ast, Reading) {
    let text = &sources.get(file).text;
    let (plain, mut own) = (&guarded.text, Diagnostics::new());
    let chains = match Grammar::parse(Rule::file, plain) {
        Ok(pairs) => build::Builder::within(file, text, plain, 0, &mut own).chains(pairs, Rule::file),
        Err(error) => {
            let at = match error.location {
                pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
            };
            let at = at.min(text.len());
            let span = Span::new(file, at..at);
            own.push(Diagnostic::error(codes::SYNTAX, span, "this text cannot be read"));
            Vec::new()
        }
    };
    (Ast { file, chains }, Reading::of(guarded, own))
}

impl Reading {
    /// What was found before the grammar ran and by it.
    fn of(guarded: Guarded, own: Diagnostics) -> Reading {
        let Guarded { text: plain, mut diagnostics } = guarded;
        diagnostics.extend(own.iter().cloned());
        diagnostics.sort_by_key(|d| d.primary.span);
        Reading { diagnostics, own, plain }
    }
}

/// Reads some entries of a block or file.
fn region(text: &str) -> Result<Pairs<'_, Rule>, Box<pest::error::Error<Rule>>> {
    Grammar::parse(Rule::region, text).map_err(Box::new)
}
