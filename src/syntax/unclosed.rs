//! A text in which braces are left open → which ones they are, and where each should have been closed. Counting gives
//! only the outermost; how lines are indented, and the words that begin a section, tell which was meant.

use crate::diag::{Diagnostic, codes};
use crate::source::{FileId, Span};
use crate::syntax::guard::closing_quote;

/// The words that begin a section with a brace: none stands inside another section.
const SECTIONS: [&str; 5] = ["model", "block", "data", "train", "expect"];

/// A brace that is never closed.
struct Unclosed {
    at: usize,
    /// Of the line that it is on.
    indent: usize,
    /// In front of which piece of text it should have been closed; `None` for the end of the text.
    missing: Option<usize>,
}

/// A brace that is open while lines are looked at.
struct Open {
    at: usize,
    indent: usize,
    /// Whether a line inside it is indented more than its own.
    deeper: bool,
}

/// A finding for each brace that is never closed, in the order of the text. `plain` is the text without comments, and
/// `counted` are the braces that are open at its end by counting.
pub fn findings(file: FileId, text: &str, plain: &str, counted: &[usize]) -> Vec<Diagnostic> {
    let mut found = by_layout(plain);
    if found.len() != counted.len() {
        let indent = |at: usize| indent(&plain[line_start(plain, at)..]);
        found = counted.iter().map(|&at| Unclosed { at, indent: indent(at), missing: None }).collect();
    }
    found.sort_by_key(|unclosed| unclosed.at);
    found.iter().map(|unclosed| finding(file, text, plain, unclosed)).collect()
}

fn by_layout(plain: &str) -> Vec<Unclosed> {
    let (mut open, mut found) = (Vec::<Open>::new(), Vec::new());
    let mut start = 0;
    for line in plain.split('\n') {
        let (indent, code) = (indent(line), line.trim());
        if !code.is_empty() {
            while let Some(top) = open.last() {
                let ends = match code.as_bytes()[0] {
                    b'}' => indent < top.indent && open.iter().any(|below| below.indent == indent),
                    b')' | b']' | b'-' => false,
                    _ => begins_section(code) || top.deeper && indent <= top.indent,
                };
                if !ends {
                    break;
                }
                found.push(Unclosed { at: top.at, indent: top.indent, missing: Some(start + indent) });
                open.pop();
            }
            if let Some(top) = open.last_mut() {
                top.deeper |= indent > top.indent;
            }
            braces(line, start, &mut |at, brace| match brace {
                b'{' => open.push(Open { at, indent, deeper: false }),
                _ => drop(open.pop()),
            });
        }
        start += line.len() + 1;
    }
    found.extend(open.iter().map(|top| Unclosed { at: top.at, indent: top.indent, missing: None }));
    found
}

/// Visits the braces of a line that begins at `start`.
fn braces(line: &str, start: usize, visit: &mut dyn FnMut(usize, u8)) {
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'{' | b'}')) {
        at += next;
        match bytes[at] {
            b'"' => at = closing_quote(bytes, at).unwrap_or(at),
            brace => visit(start + at, brace),
        }
        at += 1;
    }
}

/// Whether a line is the head of a section: `data {`, `model Name {`, `use "…"`.
fn begins_section(code: &str) -> bool {
    if !code.starts_with(['m', 'b', 'd', 't', 'e', 'u']) {
        return false;
    }
    let end = code.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(code.len());
    let (word, rest) = (&code[..end], code[end..].trim_start());
    match word {
        "use" => rest.starts_with('"'),
        "model" | "block" => rest.contains('{') && rest.starts_with(|c: char| c.is_ascii_alphabetic()),
        _ => SECTIONS.contains(&word) && rest.starts_with('{'),
    }
}

fn indent(line: &str) -> usize {
    line.bytes().take_while(|&byte| byte == b' ').count()
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// The first word of the statement that a brace belongs to.
fn owner(plain: &str, brace: usize) -> &str {
    let head = &plain[line_start(plain, brace)..brace];
    let from = head.rfind(['{', '}', ';', '>']).map_or(0, |at| at + 1);
    let head = head[from..].trim_start();
    let end = head.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(head.len());
    &head[..end]
}

fn finding(file: FileId, text: &str, plain: &str, unclosed: &Unclosed) -> Diagnostic {
    let &Unclosed { at, indent, missing } = unclosed;
    let message = match owner(plain, at) {
        "" => "this `{` is never closed".to_owned(),
        word => format!("the `{{` of `{word}` is never closed"),
    };
    let d = Diagnostic::error(codes::SYNTAX, Span::new(file, at..at + 1), message).label("opened here");
    let Some(missing) = missing else {
        let end = Span::new(file, text.len()..text.len());
        let brace = if text.is_empty() || text.ends_with('\n') { "}\n" } else { "\n}\n" };
        return d.replace("close it at the end of the file", end, brace);
    };
    let piece = plain[missing..].split([' ', '\n']).next().unwrap_or_default();
    let place = Span::new(file, missing..missing + piece.len());
    let code_end = plain[..missing].trim_end().len();
    let behind = if plain[at..code_end].contains('\n') {
        // A line of its own behind the last one that says something.
        let line_end = plain[code_end..].find('\n').map_or(plain.len(), |n| code_end + n + 1);
        (line_end, format!("{}}}\n", " ".repeat(indent)))
    } else {
        (code_end, " }".to_owned())
    };
    let title = match piece.starts_with('}') {
        true => "put another `}` before this one".to_owned(),
        false => format!("put a `}}` before `{piece}`"),
    };
    d.related(place, "a `}` is missing before this").replace(
        title,
        Span::new(file, behind.0..behind.0),
        behind.1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with every fix applied.
    fn closed(text: &str) -> String {
        let mut counted = Vec::new();
        braces(text, 0, &mut |at, brace| match brace {
            b'{' => counted.push(at),
            _ => drop(counted.pop()),
        });
        let found = findings(FileId::default(), text, text, &counted);
        let mut edits: Vec<_> = found.iter().map(|d| d.fixes[0].edits[0].clone()).collect();
        edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        let mut text = text.to_owned();
        edits.iter().for_each(|(span, new)| text.replace_range(span.range(), new));
        text
    }

    #[test]
    fn braces_are_closed_where_the_layout_says_so() {
        for (text, expected) in [
            ("model M {\n    relu\n\ndata {\n    a\n}\n", "model M {\n    relu\n}\n\ndata {\n    a\n}\n"),
            ("model M {\nrelu\ndata {\na\n}\n", "model M {\nrelu\n}\ndata {\na\n}\n"),
            ("model M { relu\ndata { a }\n", "model M { relu }\ndata { a }\n"),
            (
                "model M {\n    residual {\n        relu\n    tanh\n}\n",
                "model M {\n    residual {\n        relu\n    }\n    tanh\n}\n",
            ),
            (
                "model M {\n    a {\n        b {\n            relu\n}\n",
                "model M {\n    a {\n        b {\n            relu\n        }\n    }\n}\n",
            ),
            ("model M {\n    relu\n", "model M {\n    relu\n}\n"),
            ("a {\n    b }\nmodel M {\n    c", "a {\n    b }\nmodel M {\n    c\n}\n"),
        ] {
            assert_eq!(closed(text), expected);
        }
    }
}
