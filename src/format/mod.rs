//! Text → the same text in the one style of the language: indented by four, blanks and line breaks set, comments
//! kept. It sees the syntax only, so that a file with unknown words is laid out all the same.
//!
//! The style in short: a statement's parts one blank apart; a block on one line stays there while it fits into
//! [`MAX_WIDTH`] columns; a chain stays broken where its writer broke it at `->`; shapes and comments at line ends
//! stand in one column a block; at most one blank line between lines.

mod align;
mod comments;
mod edits;

mod inline;
mod layout;

use std::ops::Range;

pub use crate::format::edits::Edit;
use crate::syntax::ast::Ast;

/// Columns that a line of code may fill, with an asserted shape but without a comment.
pub const MAX_WIDTH: usize = 100;
/// Columns of one level of blocks.
const INDENT: usize = 4;

/// The text of a file in the one style. `ast` is the tree of `text`, read without a syntax error (what could not be
/// read is in no tree, and would be lost); asserted shapes are written as the tree has them, all else as the text.
pub fn format(text: &str, ast: &Ast) -> String {
    align::pieces(&layout::lines(text, ast)).into_iter().map(|piece| piece.text).collect()
}

/// The same as replacements in the text, in order and apart from each other, at most one for each new line.
pub fn edits(text: &str, ast: &Ast) -> Vec<Edit> {
    edits::edits(text, &align::pieces(&layout::lines(text, ast)))
}

/// The one replacement that leads from a text to another; none where they are the same.
pub fn smallest_edit(old: &str, new: &str) -> Option<Edit> {
    edits::smallest(old, 0..old.len(), new)
}

/// Those replacements that touch the lines of a range of bytes: what an editor applies to lay out a selection. Any
/// choice of them leaves what the text says as it is.
pub fn edits_within(text: &str, ast: &Ast, range: Range<usize>) -> Vec<Edit> {
    let bytes = text.as_bytes();
    let newline = |byte: &u8| *byte == b'\n';
    let (first, last) = (range.start.min(bytes.len()), range.end.min(bytes.len()));
    let start = bytes[..first].iter().rposition(newline).map_or(0, |at| at + 1);
    let end = bytes[last..].iter().position(newline).map_or(bytes.len(), |n| last + n);
    let touches = |edit: &Edit| edit.range.start <= end && start <= edit.range.end;
    edits(text, ast).into_iter().filter(touches).collect()
}
