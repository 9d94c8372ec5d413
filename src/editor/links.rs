//! The paths of `use` lines as links to the files they name.

use std::path::{Path, PathBuf};

use crate::editor::Program;
use crate::editor::defined::statements;
use crate::experiment::imports::normal;
use crate::source::Span;
use crate::syntax::ast::{Argument, Value, ValueKind};

/// A path that can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The path without its quotes.
    pub span: Span,
    /// The file, as the project knows it; it was read when the program was checked.
    pub path: PathBuf,
}

/// Every `use` that leads to a file.
pub fn links(program: &Program) -> Vec<Link> {
    let uses = statements(&program.checked.ast).filter(|statement| statement.word.text == "use");
    let link = |statement: &crate::syntax::ast::Statement| {
        let [Argument::Value(Value { kind: ValueKind::Text(_), span })] = statement.arguments.as_slice()
        else {
            return None;
        };
        let to = program.checked.imports.uses.iter().find(|line| line.at == statement.span)?.to;
        let path = normal(Path::new(&program.sources.get(to).path));
        Some(Link { span: Span { start: span.start + 1, end: span.end - 1, ..*span }, path })
    };
    uses.filter_map(link).collect()
}
