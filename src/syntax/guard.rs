//! What is done to a text before the grammar runs. Brackets are counted: how deep they nest (the grammar recurses),
//! and which are left open (they are closed at the end of the text, so that the grammar reads the whole file).
//! Comments become blanks, so that the grammar has one kind of space, and characters without a meaning what was meant.

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::{FileId, Span};
use crate::syntax::characters::{Plain, plain};
use crate::syntax::unclosed;

/// Deeper nesting than this is refused.
pub const MAX_NESTING: usize = 64;
/// Longer texts than this are refused, in bytes.
pub const MAX_TEXT: usize = 1 << 20;

pub struct Guarded {
    /// The text, with blanks for its comments, tabs and carriage returns, and with what closes the blocks that are
    /// open at its end. Every other byte is where it was.
    pub text: String,
    pub diagnostics: Diagnostics,
    /// Where characters without a meaning are, in order: what else is wrong with their lines may follow from them.
    pub strange: Vec<usize>,
}

pub fn balance(file: FileId, text: &str) -> Result<Guarded, Box<Diagnostic>> {
    if text.len() > MAX_TEXT {
        let message = format!("this file has {} bytes; at most {MAX_TEXT} are read", text.len());
        return Err(Box::new(
            Diagnostic::error(codes::TOO_LARGE, Span::new(file, 0..0), message)
                .advise("a `.net` or `.model` file: weights and data are named in it, not written into it"),
        ));
    }
    let Plain { bytes, mut diagnostics, places } = plain(file, text);
    let bytes = bytes.as_slice();
    let mut plain = bytes.to_vec();
    let mut open: Vec<usize> = Vec::new();
    let mut brackets = 0usize;
    // The last byte that is neither blank nor in a comment, and whether a line has ended behind it.
    let (mut last, mut line_ended) = (b'\n', false);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => line_ended = true,
            b'#' => {
                let end = line_end(bytes, at);
                plain[at..bytes.len().min(end + 1)].fill(b' ');
                at = end;
            }
            b'\t' | b'\r' => plain[at] = b' ',
            b' ' => {}
            byte => {
                // Lists and parameters may go over several lines; any other bracket ends with its line.
                if line_ended && !matches!(last, b',' | b'(' | b'[') && !matches!(byte, b')' | b']') {
                    brackets = 0;
                }
                (last, line_ended) = (byte, false);
                match byte {
                    b'"' => at = closing_quote(bytes, at).unwrap_or(at),
                    b'{' => open.push(at),
                    b'}' => {
                        open.pop();
                    }
                    b'(' | b'[' => brackets += 1,
                    b')' | b']' => brackets = brackets.saturating_sub(1),
                    _ => {}
                }
            }
        }
        if open.len() + brackets > MAX_NESTING {
            let message = format!("brackets nest more than {MAX_NESTING} deep here");
            return Err(Box::new(
                Diagnostic::error(codes::NESTING, Span::new(file, at..at + 1), message)
                    .label("one level too many")
                    .advise("name the inner part as a `block` and use it by its name"),
            ));
        }
        at += 1;
    }
    // Whole comments went, so no character was cut.
    let mut plain = String::from_utf8(plain).unwrap_or_else(|_| text.to_owned());
    if !open.is_empty() {
        diagnostics.extend(unclosed::findings(file, text, &plain, &open));
    }
    plain.extend(std::iter::repeat_n('}', open.len()));
    Ok(Guarded { text: plain, diagnostics, strange: places })
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |n| from + n - 1)
}

/// The `"` that closes the one at `from`, on the same line.
pub fn closing_quote(bytes: &[u8], from: usize) -> Option<usize> {
    let n = bytes[from + 1..].iter().position(|&b| b == b'"' || b == b'\n')?;
    (bytes[from + 1 + n] == b'"').then_some(from + 1 + n)
}
