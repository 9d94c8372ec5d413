//! Characters that mean nothing in the language → what was meant by them, and a finding that names them.
//!
//! Outside strings and comments a text is plain ASCII. What word processors, web pages and chats make of it (arrows,
//! no-break spaces, curly quotes, signs of other widths, characters that cannot be seen) is named, once for each
//! character, with a fix for all its places.

use std::collections::BTreeMap;

use crate::diag::{Applicability, Diagnostic, Diagnostics, Fix, codes};
use crate::source::{FileId, Span};
use crate::syntax::guard::closing_quote;

/// Other places of a character that are shown beside its first.
const SHOWN_PLACES: usize = 2;
/// More characters without a meaning are not listed.
const MOST_CHARACTERS: usize = 50;

/// A text as the grammar may read it.
pub struct Plain {
    /// The text with what was meant in the place of blanks, ends of lines and arrows of other kinds, filled up with
    /// blanks: every byte behind is where it was. What may be a part of a word, a number or a string stays, since its
    /// end would not be between two characters of the text.
    pub bytes: Vec<u8>,
    /// One for each character that has no meaning, at its first place.
    pub diagnostics: Diagnostics,
    /// Where such characters are, in order.
    pub places: Vec<usize>,
}

/// Finds the characters of a text that mean nothing.
pub fn plain(file: FileId, text: &str) -> Plain {
    let mut plain = Plain { bytes: text.as_bytes().to_vec(), diagnostics: Vec::new(), places: Vec::new() };
    let found = strange(text);
    for (c, places) in &found {
        plain.places.extend(places.iter().map(|(at, _)| *at));
        for (at, meant) in places {
            if let Some(text @ ("" | " " | "\n" | "->" | "#")) = *meant {
                plain.bytes[*at..at + c.len_utf8()].fill(b' ');
                plain.bytes[*at..at + text.len()].copy_from_slice(text.as_bytes());
            }
        }
        if plain.diagnostics.len() < MOST_CHARACTERS {
            plain.diagnostics.push(finding(file, *c, places));
        }
    }
    plain.places.sort_unstable();
    plain
}

/// Where a character is, and what was meant there.
type Place = (usize, Option<&'static str>);

/// The characters that mean nothing, each with its places in order.
fn strange(text: &str) -> BTreeMap<char, Vec<Place>> {
    let bytes = text.as_bytes();
    let mut found: BTreeMap<char, Vec<Place>> = BTreeMap::new();
    // Some editors begin a file with a byte order mark.
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    loop {
        while bytes.get(at).is_some_and(|&byte| MEANT[usize::from(byte)]) {
            at += 1;
        }
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
        let behind = at + c.len_utf8();
        let mut next = behind;
        match c {
            '#' | '＃' => next = line_end(bytes, behind),
            '"' => next = closing_quote(bytes, at).map_or(behind, |close| close + 1),
            '\n' | '\t' => {}
            '\r' if bytes.get(behind) == Some(&b'\n') => {}
            _ if quote(c) => {
                let inside = &text[behind..line_end(bytes, behind)];
                let close = inside.char_indices().find(|&(_, c)| c == '"' || quote(c));
                found.entry(c).or_default().push((at, Some("\"")));
                if let Some((length, close)) = close {
                    if close != '"' {
                        found.entry(close).or_default().push((behind + length, Some("\"")));
                    }
                    next = behind + length + close.len_utf8();
                }
            }
            ' '..='~' => {}
            _ => found.entry(c).or_default().push((at, meant(c, &text[..at], &text[behind..]))),
        }
        if c == '＃' {
            found.entry(c).or_default().push((at, Some("#")));
        }
        at = next;
    }
    found
}

/// The bytes that stand for themselves wherever they are: most of a text.
static MEANT: [bool; 256] = {
    let mut meant = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        meant[byte as usize] = !matches!(byte, b'#' | b'"' | b'\'' | b'`');
        byte += 1;
    }
    meant[b'\n' as usize] = true;
    meant[b'\t' as usize] = true;
    meant
};

/// Where the line ends that `from` is on.
fn line_end(bytes: &[u8], from: usize) -> usize {
    let lone = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    (from..bytes.len()).find(|&at| bytes[at] == b'\n' || lone(at)).unwrap_or(bytes.len())
}

/// A quotation mark other than `"`.
fn quote(c: char) -> bool {
    matches!(c, '\'' | '`' | '´' | '«' | '»' | '‘'..='‟' | '‹' | '›' | '＂' | '″' | '「' | '」')
}

/// Letters and signs that look like those of ASCII, each in front of what it looks like.
const LOOK_ALIKE: &str = "аaеeоoрpсcуyхxіiѕsјjԁdһhԛqԝwАAВBЕEКKМMНHОOРPСCТTХXІIЅSЈJαaοoνvρpΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXıi\
                          ∶:ː:;;、,،,【[】]〔[〕]⁄/∕/÷/∗*·*⋅*＊*∙*";

/// What was meant by a character, between two stretches of text.
fn meant(c: char, before: &str, behind: &str) -> Option<&'static str> {
    Some(match c {
        '→' | '⟶' | '➔' | '➙' | '➜' | '➝' | '➞' | '➡' | '⇒' | '⟹' | '⇨' | '↦' | '￫' => {
            "->"
        }
        _ if blank(c) => " ",
        _ if line(c) => "\n",
        _ if unseen(c) || c.is_control() => "",
        '‐'..='―' | '−' | '﹣' | '－' | '⁃' => "-",
        '×' | '✕' | '✖' | '⨯' | '⨉' => {
            let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit() || ('０'..='９').contains(&c));
            let between =
                digit(before.trim_end().chars().next_back()) && digit(behind.trim_start().chars().next());
            if between { "x" } else { "*" }
        }
        '≤' | '⩽' | '⇐' => "<=",
        '≥' | '⩾' => ">=",
        '≠' => "!=",
        '≡' => "==",
        // The same character in another width.
        '！'..='～' => ascii(u32::from(c) - 0xfee0),
        // Digits of other scripts.
        '٠'..='٩' => ascii(u32::from(c) - 0x660 + 0x30),
        '۰'..='۹' => ascii(u32::from(c) - 0x6f0 + 0x30),
        '०'..='९' => ascii(u32::from(c) - 0x966 + 0x30),
        _ => {
            let mut pairs = LOOK_ALIKE.chars();
            while let (Some(other), Some(own)) = (pairs.next(), pairs.next()) {
                if other == c {
                    return Some(ascii(u32::from(own)));
                }
            }
            return None;
        }
    })
}

/// One character of ASCII as a text.
fn ascii(code: u32) -> &'static str {
    const ALL: &str =
        "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
    let at = (code as usize).wrapping_sub(0x21);
    ALL.get(at..at + 1).unwrap_or(" ")
}

fn blank(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// What ends a line elsewhere.
fn line(c: char) -> bool {
    matches!(c, '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What has no width, or says in which direction text is written.
fn unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// What a character that cannot be seen is called.
fn called(c: char) -> &'static str {
    match c {
        '\0' => "a null character",
        '\r' => "a carriage return",
        '\u{b}' => "a vertical tab",
        '\u{c}' => "a form feed",
        '\u{1b}' => "an escape character",
        '\u{85}' => "a next line",
        '\u{a0}' => "a no-break space",
        '\u{ad}' => "a soft hyphen",
        '\u{200b}' => "a zero-width space",
        '\u{200c}' => "a zero-width non-joiner",
        '\u{200d}' => "a zero-width joiner",
        '\u{2028}' => "a line separator",
        '\u{2029}' => "a paragraph separator",
        '\u{2060}' => "a word joiner",
        '\u{3000}' => "an ideographic space",
        '\u{feff}' => "a byte order mark",
        _ if blank(c) => "a space of another width",
        _ if c.is_control() => "a control character",
        _ => "a mark that is not shown",
    }
}

fn finding(file: FileId, c: char, places: &[Place]) -> Diagnostic {
    let span = |at: usize| Span::new(file, at..at + c.len_utf8());
    let code = format!("U+{:04X}", u32::from(c));
    let first = places.first().map_or(0, |(at, _)| *at);
    let write = places.first().and_then(|(_, text)| *text);
    let (message, label, title) = match write {
        Some("\n") => (
            format!("a line ends with {code}, {}, and not with a line feed", called(c)),
            "the line ends here".to_owned(),
            "end the line with a line feed".to_owned(),
        ),
        Some(" ") => (
            format!("{code}, {}, cannot separate words", called(c)),
            "it looks like a space".to_owned(),
            "write a space".to_owned(),
        ),
        Some("") => (
            format!("{code}, {}, has no meaning here", called(c)),
            "it cannot be seen".to_owned(),
            "remove it".to_owned(),
        ),
        Some("\"") => (
            format!("`{c}` ({code}) is not a quotation mark in this language"),
            "text goes in `\"…\"`".to_owned(),
            "write `\"`".to_owned(),
        ),
        Some(text) => (
            format!("`{c}` ({code}) has no meaning here; write `{text}`"),
            format!("`{text}` is meant"),
            format!("write `{text}`"),
        ),
        None => (
            format!("`{c}` ({code}) has no meaning here"),
            "only comments and quoted text may contain it".to_owned(),
            String::new(),
        ),
    };
    let mut d = Diagnostic::error(codes::SYNTAX, span(first), message).label(label);
    let shown = if write == Some("\n") { 0 } else { SHOWN_PLACES };
    for (at, _) in places.iter().skip(1).take(shown) {
        d = d.related(span(*at), "and here");
    }
    if places.len() > 1 + shown {
        d = d.note(format!("it occurs in {} places", places.len()));
    }
    let edits: Vec<_> =
        places.iter().filter_map(|(at, text)| Some((span(*at), (*text)?.to_owned()))).collect();
    if edits.is_empty() {
        return d;
    }
    let everywhere = if places.len() > 1 { ", everywhere" } else { "" };
    d.fix(Fix::new(format!("{title}{everywhere}"), edits).when(Applicability::Sure))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Vec<String>) {
        let plain = plain(FileId::default(), text);
        assert_eq!(plain.bytes.len(), text.len());
        let messages = plain.diagnostics.iter().map(|d| d.message.clone()).collect();
        (String::from_utf8(plain.bytes).unwrap(), messages)
    }

    #[test]
    fn what_was_meant_stands_in_the_place_of_strange_characters() {
        for (text, expected) in [
            ("a → b", "a ->  b"),
            ("a\u{a0}b", "a  b"),
            ("x\rb\r\nc", "x\nb\r\nc"),
            ("# a \r → b", "# a \n ->  b"),
            ("source “a → b” 'c'", "source “a → b” 'c'"),
            ("relu ＃ → {", "relu #   → {"),
            ("a\u{200b}b", "a   b"),
            ("a\u{2028}b", "a\n  b"),
        ] {
            assert_eq!(read(text).0, expected, "{text:?}");
        }
        for fine in ["\u{feff}relu", "relu # é → '", "use \"é → '\"", "a\tb\r\n", ""] {
            assert_eq!(read(fine), (fine.to_owned(), Vec::new()), "{fine:?}");
        }
        let fixed = |text: &str| {
            let mut edits: Vec<_> = plain(FileId::default(), text).diagnostics;
            let mut edits: Vec<_> = edits.drain(..).flat_map(|d| d.fixes).flat_map(|fix| fix.edits).collect();
            edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
            let mut text = text.to_owned();
            edits.iter().for_each(|(span, new)| text.replace_range(span.range(), new));
            text
        };
        for (text, expected) in [
            ("conv2d ８ ３×３ → relu", "conv2d 8 3x3 -> relu"),
            ("(２ × width − 1)", "(2 * width - 1)"),
            ("source mnist “data/é→”", "source mnist \"data/é→\""),
            ("source mnist 'a\"b", "source mnist \"a\"b"),
            ("a\u{ad}b\u{feff} ≤ 3\u{2028}relu", "ab <= 3\nrelu"),
            ("model Ｍ ｛ ｝ ＃ é", "model M { } # é"),
            ("соnv2d", "conv2d"),
            ("stride＝2", "stride=2"),
            ("a\rb # c\rd", "a\nb # c\nd"),
        ] {
            assert_eq!(fixed(text), expected);
        }
        assert_eq!(read("é é").1, ["`é` (U+00E9) has no meaning here"]);
        assert_eq!(read("re\u{200b}lu").1, ["U+200B, a zero-width space, has no meaning here"]);
    }
}
