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
                .advise("a `.net` or `.model` file: it names weights and data, and does not contain them"),
        ));
    }
    let Plain { mut bytes, mut diagnostics, places } = plain(file, text);
    let mut open: Vec<usize> = Vec::new();
    let mut brackets = 0usize;
    // Whether a bracket is open at the end of the line before.
    let mut goes_on = false;
    let mut at = 0;
    while at < bytes.len() {
        while !goes_on && bytes.get(at).is_some_and(|&byte| !COUNTS[usize::from(byte)]) {
            at += 1;
        }
        let Some(&byte) = bytes.get(at) else { break };
        match byte {
            b'\n' => goes_on = brackets > 0,
            b'#' => {
                let end = line_end(&bytes, at);
                bytes[at..end].fill(b' ');
                at = end;
                continue;
            }
            b'\t' | b'\r' => bytes[at] = b' ',
            b' ' => {}
            byte => {
                // Lists and parameters may go over several lines; any other bracket ends with its line.
                if goes_on && !is_continued(&bytes[..at], byte) {
                    brackets = 0;
                }
                goes_on = false;
                match byte {
                    b'"' => at = closing_quote(&bytes, at).unwrap_or(at),
                    b'{' => open.push(at),
                    b'}' => {
                        open.pop();
                    }
                    b'(' | b'[' => brackets += 1,
                    b')' | b']' => brackets = brackets.saturating_sub(1),
                    _ => {}
                }
                if open.len() + brackets > MAX_NESTING {
                    return Err(Box::new(too_deep(file, at)));
                }
            }
        }
        at += 1;
    }
    // Whole comments went, so no character was cut.
    let mut plain = String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned());
    if !open.is_empty() {
        diagnostics.extend(unclosed::findings(file, text, &plain, &open));
    }
    plain.extend(std::iter::repeat_n('}', open.len()));
    Ok(Guarded { text: plain, diagnostics, strange: places })
}

fn too_deep(file: FileId, at: usize) -> Diagnostic {
    let message = format!("brackets nest more than {MAX_NESTING} deep here");
    Diagnostic::error(codes::NESTING, Span::new(file, at..at + 1), message)
        .label("one level too many")
        .advise("name the inner part as a `block` and use it by its name")
}

/// The bytes that are counted, or that the grammar does not get as they are.
static COUNTS: [bool; 256] = marked(b"\n\t\r#\"{}()[]");

/// A table that is true for these bytes.
pub const fn marked(bytes: &[u8]) -> [bool; 256] {
    let (mut table, mut at) = ([false; 256], 0);
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

/// Whether what is open in the lines before goes on in one that begins with this byte. The lines are without comments.
fn is_continued(before: &[u8], first: u8) -> bool {
    let last = before.iter().rfind(|byte| !matches!(byte, b' ' | b'\n'));
    matches!(last, Some(b',' | b'(' | b'[')) || matches!(first, b')' | b']')
}

/// Where the line of `from` ends.
fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |n| from + n)
}

/// The `"` that closes the one at `from`, on the same line.
pub fn closing_quote(bytes: &[u8], from: usize) -> Option<usize> {
    let n = bytes[from + 1..].iter().position(|&b| b == b'"' || b == b'\n')?;
    (bytes[from + 1 + n] == b'"').then_some(from + 1 + n)
}
