//! A text and its lines in the one style → the replacements that lead from one to the other: what an editor applies
//! without moving the cursor.

use std::ops::Range;

use crate::format::align::Piece;

/// The bytes of the old text under `range` become `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub range: Range<usize>,
    pub text: String,
}

/// At most one edit for each piece, in order and apart from each other.
pub fn edits(old: &str, pieces: &[Piece]) -> Vec<Edit> {
    let ends = pieces.iter().skip(1).map(|piece| piece.from).chain([old.len()]);
    pieces.iter().zip(ends).filter_map(|(piece, end)| smallest(old, piece.from..end, &piece.text)).collect()
}

/// The replacement of what differs between the common beginning and the common end.
pub fn smallest(text: &str, range: Range<usize>, new: &str) -> Option<Edit> {
    let old = text.get(range.clone())?;
    if old == new {
        return None;
    }
    let pairs = old.chars().zip(new.chars());
    let start: usize = pairs.take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    let pairs = old[start..].chars().rev().zip(new[start..].chars().rev());
    let end: usize = pairs.take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    Some(Edit { range: range.start + start..range.end - end, text: new[start..new.len() - end].to_owned() })
}
