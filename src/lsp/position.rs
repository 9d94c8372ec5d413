//! Byte offsets ↔ the protocol's positions: a line, and a column in the code units that client and server agreed on.

use std::ops::Range;

use gen_lsp_types::{Position, PositionEncodingKind};
use line_index::{LineCol, LineIndex, TextSize, WideEncoding, WideLineCol};

/// The code units of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16,
}

impl Encoding {
    /// Bytes where the client knows them, since that is what we count in; else what every client knows.
    pub fn best(offered: &[PositionEncodingKind]) -> Encoding {
        match offered.contains(&PositionEncodingKind::UTF8) {
            true => Encoding::Utf8,
            false => Encoding::Utf16,
        }
    }

    pub fn kind(self) -> PositionEncodingKind {
        match self {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
        }
    }
}

/// A text by its lines. Lines end in `\n`; a `\r` before it is part of the line's end.
pub struct Lines<'a> {
    text: &'a str,
    index: LineIndex,
    encoding: Encoding,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str, encoding: Encoding) -> Lines<'a> {
        Lines { text, index: LineIndex::new(text), encoding }
    }

    /// The offset of a position. One behind the end of its line means that end, one behind the last line the end of
    /// the text, and one inside a character its beginning.
    pub fn offset(&self, position: Position) -> usize {
        let Some(bytes) = self.index.line(position.line) else { return self.text.len() };
        let (start, end) = (usize::from(bytes.start()), usize::from(bytes.end()));
        let line = &self.text[start..end];
        let content = line.strip_suffix("\r\n").or_else(|| line.strip_suffix('\n')).unwrap_or(line);
        let column = match self.encoding {
            Encoding::Utf8 => Some(position.character),
            Encoding::Utf16 => {
                let wide = WideLineCol { line: position.line, col: position.character };
                self.index.to_utf8(WideEncoding::Utf16, wide).map(|at| at.col)
            }
        };
        let column = column.map_or(content.len(), |column| content.len().min(column as usize));
        start + character_start(content, column)
    }

    /// The position of an offset; one inside a character counts as its beginning.
    pub fn position(&self, offset: usize) -> Position {
        let offset = character_start(self.text, offset);
        let at = self.index.try_line_col(TextSize::new(offset as u32)).unwrap_or(LineCol { line: 0, col: 0 });
        let column = match self.encoding {
            Encoding::Utf8 => at.col,
            Encoding::Utf16 => self.index.to_wide(WideEncoding::Utf16, at).map_or(at.col, |wide| wide.col),
        };
        Position { line: at.line, character: column }
    }

    /// The bytes of a range; a range that ends before it begins is empty.
    pub fn bytes(&self, range: gen_lsp_types::Range) -> Range<usize> {
        let start = self.offset(range.start);
        start..self.offset(range.end).max(start)
    }

    pub fn range(&self, bytes: Range<usize>) -> gen_lsp_types::Range {
        gen_lsp_types::Range { start: self.position(bytes.start), end: self.position(bytes.end) }
    }
}

/// The beginning of the character that an offset lies in; at most the text's length.
fn character_start(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a é\r\n😀b\n\nlast";

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn offsets_and_positions_are_each_others_inverse() {
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            let lines = Lines::new(TEXT, encoding);
            for (offset, c) in TEXT.char_indices().filter(|(_, c)| *c != '\n').chain([(TEXT.len(), ' ')]) {
                assert_eq!(lines.offset(lines.position(offset)), offset, "{c:?} {encoding:?}");
            }
        }
        let column = |encoding| Lines::new(TEXT, encoding).position(TEXT.find('b').unwrap());
        assert_eq!(column(Encoding::Utf8), at(1, 4));
        assert_eq!(column(Encoding::Utf16), at(1, 2));
    }

    #[test]
    fn positions_outside_are_moved_inside() {
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            let lines = Lines::new(TEXT, encoding);
            assert_eq!(lines.offset(at(0, 99)), "a é".len(), "the line's end is no part of it");
            assert_eq!(lines.offset(at(0, u32::MAX)), "a é".len());
            assert_eq!(lines.offset(at(2, 1)), TEXT.find("last").unwrap() - 1);
            assert_eq!(lines.offset(at(9, 0)), TEXT.len());
            assert_eq!(lines.offset(at(u32::MAX, u32::MAX)), TEXT.len());
            let smile = TEXT.find('😀').unwrap();
            assert_eq!(lines.offset(at(1, 1)), smile, "inside of a character");
            assert_eq!(
                lines.bytes(gen_lsp_types::Range { start: at(1, 5), end: at(0, 0) }),
                smile + 5..smile + 5
            );
        }
        assert_eq!(Lines::new("", Encoding::Utf16).offset(at(0, 3)), 0);
        assert_eq!(Lines::new("a\r", Encoding::Utf8).offset(at(0, 9)), 2, "no line ends here");
    }
}
