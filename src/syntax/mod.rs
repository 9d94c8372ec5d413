//! Text → [`Ast`] and every syntax error. Parsing never fails: what cannot be read becomes a diagnostic and
//! the rest of the file is read all the same. The only folder that knows pest.

pub mod ast;
mod bare;
mod build;
pub mod guard;
pub mod print;
pub mod scan;

use pest::Parser;

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::{FileId, Sources, Span};
use crate::syntax::ast::Ast;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/dslc.pest"]
struct Grammar;

/// Reads one file. The tree holds all that could be read.
pub fn parse(sources: &Sources, file: FileId) -> (Ast, Diagnostics) {
    let text = &sources.get(file).text;
    let guarded = match guard::balance(file, text) {
        Ok(guarded) => guarded,
        Err(diagnostic) => return (Ast { file, chains: Vec::new() }, vec![*diagnostic]),
    };
    let mut diagnostics: Diagnostics = guarded.diagnostics;
    match Grammar::parse(Rule::file, &guarded.text) {
        Ok(pairs) => {
            let mut builder = build::Builder::new(file, text, &guarded.text, &mut diagnostics);
            let chains = builder.file(pairs);
            diagnostics.sort_by_key(|d| d.primary.span);
            (Ast { file, chains }, diagnostics)
        }
        Err(error) => {
            let at = match error.location {
                pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
            };
            let at = at.min(text.len());
            let span = Span::new(file, at..at);
            diagnostics.push(Diagnostic::error(codes::SYNTAX, span, "this text cannot be read"));
            (Ast { file, chains: Vec::new() }, diagnostics)
        }
    }
}
