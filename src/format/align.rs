//! Lines → pieces of text: indents, blank lines, and the columns in which asserted shapes and comments stand.

use std::collections::BTreeMap;

use crate::format::INDENT;

/// The first column that shapes and comments may have.
const FIRST_COLUMN: usize = 40;
/// Code that is longer than this has its shape or comment right behind it.
const LONGEST_ALIGNED: usize = 72;
/// What a line begins with that goes on with a chain.
pub const ARROW: &str = "-> ";
/// Blanks in front of a shape or comment, at least.
const GAP: usize = 2;

/// One line of the result, in parts.
#[derive(Debug, Default)]
pub struct Line {
    pub depth: usize,
    pub code: String,
    /// Columns of indent, arrow and code.
    pub width: usize,
    /// The asserted shape at its end.
    pub shape: Option<String>,
    pub comment: Option<String>,
    /// Whether a blank line stands above.
    pub blank_above: bool,
    /// Lines with the same number share their columns.
    pub section: usize,
    /// Whether its code goes on behind a `->`, which is not part of `code`.
    pub arrow: bool,
    /// Where in the old text it begins, with its blanks unless it has an arrow; nothing if it is tied to the line above.
    pub from: Option<usize>,
}

/// The new text from the beginning of one line's code to that of the next, and where that is in the old text. A
/// piece says the same as the old text up to the next one.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    pub from: usize,
    pub text: String,
}

impl Line {
    fn aligned(&self) -> bool {
        !self.code.is_empty() && self.width <= LONGEST_ALIGNED
    }

    fn shape_width(&self) -> usize {
        self.shape.as_ref().map_or(0, |shape| ": ".len() + shape.len())
    }
}

/// Columns of one section.
#[derive(Clone, Copy, Default)]
struct Columns {
    /// Where shapes begin, and comments on lines without a shape.
    shape: usize,
    /// Where comments behind shapes begin.
    comment: usize,
}

/// The whole text, in order: what stands in front of the first line, and a piece for each line.
pub fn pieces(lines: &[Line]) -> Vec<Piece> {
    let columns = columns(lines);
    let mut pieces = vec![Piece { from: 0, text: String::new() }];
    for line in lines {
        let indent = " ".repeat(line.depth * INDENT);
        let mut lead = if line.blank_above { "\n".to_owned() } else { String::new() };
        let mut text = String::new();
        // An arrow may come from the line above, and takes its indent along.
        match line.arrow {
            true => lead.extend([indent.as_str(), ARROW]),
            false => text.push_str(&indent),
        }
        if let Some(before) = pieces.last_mut() {
            before.text.push_str(&lead);
        }
        text.push_str(&line.code);
        let own = columns.get(&line.section).copied().unwrap_or_default();
        let mut width = line.width;
        let mut put = |column: usize, part: &str| {
            let blanks = if line.aligned() { column.saturating_sub(width).max(GAP) } else { GAP };
            text.extend(std::iter::repeat_n(' ', blanks));
            text.push_str(part);
            width += blanks + part.chars().count();
        };
        if let Some(shape) = &line.shape {
            put(own.shape, &format!(": {shape}"));
        }
        match &line.comment {
            Some(comment) if line.code.is_empty() => text.push_str(comment),
            Some(comment) => put(if line.shape.is_some() { own.comment } else { own.shape }, comment),
            None => {}
        }
        text.push('\n');
        match (line.from, pieces.last_mut()) {
            (None, Some(before)) => before.text.push_str(&text),
            (from, _) => pieces.push(Piece { from: from.unwrap_or(0), text }),
        }
    }
    pieces
}

fn columns(lines: &[Line]) -> BTreeMap<usize, Columns> {
    let mut columns: BTreeMap<usize, Columns> = BTreeMap::new();
    let stop = |width: usize| (width + GAP).next_multiple_of(INDENT).max(FIRST_COLUMN);
    for line in lines.iter().filter(|line| line.aligned() && (line.shape.is_some() || line.comment.is_some()))
    {
        let own = columns.entry(line.section).or_default();
        own.shape = own.shape.max(stop(line.width));
    }
    for line in lines.iter().filter(|line| line.aligned() && line.shape.is_some() && line.comment.is_some()) {
        let own = columns.entry(line.section).or_default();
        own.comment = own.comment.max(stop(own.shape + line.shape_width()));
    }
    columns
}
