//! Semantic tokens: what each piece of the text is, from what its word means.

use crate::editor::Program;
use crate::editor::defined::NameKind;
use crate::editor::meaning::{Meaning, Meanings, What};
use crate::source::{LIBRARY, Span};
use crate::syntax::scan::{self, scan};

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenKind {
    Comment,
    /// `## …`
    Doc,
    Text,
    Number,
    Operator,
    /// A section or a statement of the language.
    Keyword,
    Layer,
    /// The word of a line of `data`, `train` or `expect`.
    Setting,
    /// What such a line chooses, and other words that arguments take.
    Choice,
    /// The key of `key=value`.
    Argument,
    Name(NameKind),
    /// `in.channels`
    Arriving,
    /// A word that means nothing here.
    Unknown,
}

/// A coloured piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub span: Span,
    pub kind: TokenKind,
    /// Whether the name is defined here.
    pub is_definition: bool,
    /// Whether the name is the library's.
    pub is_library: bool,
}

/// Every piece of the file but brackets and commas, in order; none overlaps another, and none goes over a line's end.
pub fn tokens(program: &Program) -> Vec<Token> {
    let (text, file) = (program.text(), program.file);
    let meanings = Meanings::of(program);
    let mut words = meanings.words.iter().peekable();
    let mut found = Vec::new();
    for piece in scan(text) {
        let span = Span { file, start: piece.start, end: piece.end };
        let own = piece.text(text);
        let plain = |kind| Token { span, kind, is_definition: false, is_library: false };
        while words.next_if(|word| word.span.start < piece.start).is_some() {}
        let word = words.peek().copied().filter(|word| word.span == span);
        // `test.NAME.accuracy` is several words in one piece.
        if let (scan::Kind::Word, None) = (piece.kind, word) {
            let mut inside = false;
            while let Some(word) = words.next_if(|word| word.span.end <= piece.end) {
                found.push(token_of(&meanings, word));
                inside = true;
            }
            if inside {
                continue;
            }
        }
        let token = match piece.kind {
            scan::Kind::Newline => continue,
            scan::Kind::Comment if own.starts_with("##") => plain(TokenKind::Doc),
            scan::Kind::Comment => plain(TokenKind::Comment),
            scan::Kind::Text => plain(TokenKind::Text),
            scan::Kind::Number => plain(TokenKind::Number),
            scan::Kind::Sign if ["{", "}", "(", ")", "[", "]", ",", ";"].contains(&own) => continue,
            scan::Kind::Sign if own.is_ascii() => plain(TokenKind::Operator),
            scan::Kind::Sign => continue,
            scan::Kind::Word => match word {
                Some(word) => token_of(&meanings, word),
                None if own == "as" => plain(TokenKind::Keyword),
                None => plain(TokenKind::Unknown),
            },
        };
        found.push(token);
    }
    found
}

/// The token of a word by what it means.
fn token_of(meanings: &Meanings<'_>, word: &Meaning) -> Token {
    let span = word.span;
    let plain = |kind| Token { span, kind, is_definition: false, is_library: false };
    match word.what {
        What::Name(name) => {
            let name = &meanings.names[name];
            Token {
                span,
                kind: TokenKind::Name(name.kind),
                is_definition: name.span == span,
                is_library: name.span.file == LIBRARY,
            }
        }
        What::Keyword | What::Bool => plain(TokenKind::Keyword),
        What::Layer(_) => plain(TokenKind::Layer),
        What::Setting(_) | What::Quantity => plain(TokenKind::Setting),
        What::Choice(_) | What::Word(_) => plain(TokenKind::Choice),
        What::Key(..) => plain(TokenKind::Argument),
        What::Arriving => plain(TokenKind::Arriving),
        What::Text | What::Unknown => plain(TokenKind::Unknown),
    }
}
