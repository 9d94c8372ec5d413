//! Text → its smallest pieces (words, numbers, strings, comments, signs), whatever the grammar thinks of it: what an
//! editor has while a line is half typed. The pieces are those of `grammar/dslc.pest`.

use std::ops::Range;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `conv2d`, `in.channels`; a dot at the end is taken in.
    Word,
    /// `64`, `3x3`, `1e-3`, `70k`, `5%`
    Number,
    /// `"…"`, to the end of the line where it is not closed.
    Text,
    /// `# …`
    Comment,
    /// `->`, `==`, `!=`, `<=`, `>=`, `//`, or any other character by itself.
    Sign,
    /// The end of a line.
    Newline,
}

/// A piece and where it lies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
}

impl Token {
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub fn text(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// Every piece but blanks, in order; none overlaps another, and each begins and ends at a character's border.
pub fn scan(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(bytes.len() / 4);
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (kind, length) = match rest[0] {
            b' ' | b'\t' | b'\r' => {
                at += 1;
                continue;
            }
            b'\n' => (Kind::Newline, 1),
            b'#' => (Kind::Comment, line(rest)),
            b'"' => (Kind::Text, string(rest)),
            b'0'..=b'9' => (Kind::Number, number(rest)),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => (Kind::Word, run(rest, |b| is_word(b) || b == b'.')),
            _ => (Kind::Sign, sign(&text[at..])),
        };
        tokens.push(Token { kind, start: at as u32, end: (at + length) as u32 });
        at += length;
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !belongs(byte)).unwrap_or(bytes.len())
}

/// The rest of a line, without a carriage return at its end.
fn line(bytes: &[u8]) -> usize {
    let length = run(bytes, |byte| byte != b'\n');
    if bytes[..length].ends_with(b"\r") { length - 1 } else { length }
}

fn string(bytes: &[u8]) -> usize {
    let inside = run(&bytes[1..], |byte| byte != b'"' && byte != b'\n');
    if bytes.get(1 + inside) == Some(&b'"') { inside + 2 } else { line(bytes) }
}

fn number(bytes: &[u8]) -> usize {
    let mut length = run(bytes, |byte| is_word(byte) || byte == b'.');
    let exponent = bytes[length - 1].eq_ignore_ascii_case(&b'e')
        && bytes[..length - 1].iter().all(|b| !b.is_ascii_alphabetic());
    let signed = bytes.get(length).is_some_and(|b| b"+-".contains(b));
    if exponent && signed && bytes.get(length + 1).is_some_and(u8::is_ascii_digit) {
        length += 1 + run(&bytes[length + 1..], is_word);
    }
    if bytes.get(length) == Some(&b'%') { length + 1 } else { length }
}

fn sign(text: &str) -> usize {
    match ["->", "==", "!=", "<=", ">=", "//"].iter().any(|sign| text.starts_with(sign)) {
        true => 2,
        false => text.chars().next().map_or(1, char::len_utf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_its_pieces() {
        let text = "conv2d (2*w) 3x3 lr=1e-3 5%->in.  : 8 # é\r\nuse \"a b\" é \"x\n";
        let pieces: Vec<(Kind, &str)> = scan(text).into_iter().map(|t| (t.kind, t.text(text))).collect();
        let (w, n, s) = (Kind::Word, Kind::Number, Kind::Sign);
        assert_eq!(
            pieces,
            [
                (w, "conv2d"),
                (s, "("),
                (n, "2"),
                (s, "*"),
                (w, "w"),
                (s, ")"),
                (n, "3x3"),
                (w, "lr"),
                (s, "="),
                (n, "1e-3"),
                (n, "5%"),
                (s, "->"),
                (w, "in."),
                (s, ":"),
                (n, "8"),
                (Kind::Comment, "# é"),
                (Kind::Newline, "\n"),
                (w, "use"),
                (Kind::Text, "\"a b\""),
                (s, "é"),
                (Kind::Text, "\"x"),
                (Kind::Newline, "\n"),
            ]
        );
    }
}
