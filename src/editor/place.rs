//! A place in a text → where it is: the braces that are open there, and the pieces of its statement, those in front
//! of the cursor and those behind. Read from the pieces alone, so that it holds for a line that is half typed.

use std::ops::Range;

use crate::syntax::scan::{Kind, Token, scan};

/// Where a cursor stands.
pub struct Place<'t> {
    text: &'t str,
    /// The heads of the open braces, outermost first.
    open: Vec<Vec<Token>>,
    /// The head of the brace that was closed on this line in front of the statement.
    closed: Vec<Token>,
    /// The pieces of the statement in front of the one being typed.
    pub before: Vec<Token>,
    /// The word, number or text that is being typed; empty where the cursor touches none.
    pub typed: Range<usize>,
    pub typed_kind: Option<Kind>,
    /// The pieces of the statement behind it.
    pub behind: Vec<Token>,
    /// The bracket of the statement that is open in front of the cursor: its place in `before`.
    pub bracket: Option<usize>,
}

/// What the lines around a place are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Top,
    /// Of a model or block.
    Body,
    /// Directly inside `concat`, `add` or `multiply`.
    Join,
    Data,
    Augment,
    Train,
    Expect,
}

impl Section {
    /// What `experiment::words` calls it.
    pub fn word(self) -> &'static str {
        match self {
            Section::Top => "",
            Section::Body | Section::Join => "model",
            Section::Data => "data",
            Section::Augment => "augment",
            Section::Train => "train",
            Section::Expect => "expect",
        }
    }
}

/// An argument as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written<'t> {
    /// Of `key=value`.
    pub key: Option<&'t str>,
    /// The value's first piece; empty behind a `=` that nothing follows.
    pub value: &'t str,
    pub range: Range<usize>,
}

/// The place of a byte offset; `None` inside a comment.
pub fn place(text: &str, offset: usize) -> Option<Place<'_>> {
    let tokens = scan(text);
    let is = |token: Token, sign: &str| token.kind == Kind::Sign && token.text(text) == sign;
    let mut open: Vec<Range<usize>> = Vec::new();
    let (mut start, mut closed) = (0, 0..0);
    let mut brackets: Vec<usize> = Vec::new();
    let mut last: Option<Token> = None;
    let mut typed = None;
    let mut at = 0;
    while let Some(&token) = tokens.get(at).filter(|token| (token.start as usize) < offset) {
        let touches = token.end as usize >= offset;
        match token.kind {
            Kind::Comment if touches => return None,
            Kind::Text if touches && (token.end as usize > offset || !closes(token.text(text))) => {
                typed = Some(token);
                break;
            }
            Kind::Word | Kind::Number if touches => {
                typed = Some(token);
                break;
            }
            Kind::Comment | Kind::Word | Kind::Number | Kind::Text => {}
            Kind::Newline => {
                let blank = |token: &&Token| matches!(token.kind, Kind::Newline | Kind::Comment);
                let skipped = tokens[at..].iter().take_while(blank);
                let n_skipped = skipped.take_while(|token| (token.start as usize) < offset).count();
                let next = tokens.get(at + n_skipped).copied();
                let arrow = [last, next].into_iter().flatten().any(|token| is(token, "->"));
                let open = last.is_some_and(|t| [",", "(", "["].iter().any(|sign| is(t, sign)));
                let closes = next.is_some_and(|t| is(t, ")") || is(t, "]"));
                if !arrow && (brackets.is_empty() || !(open || closes)) {
                    (start, closed) = (at + n_skipped, 0..0);
                    brackets.clear();
                }
                at += n_skipped;
                // A comment that the cursor is in ends the loop above with no piece typed.
                if let Some(inside) = tokens.get(at - 1).filter(|token| token.kind == Kind::Comment)
                    && inside.end as usize >= offset
                {
                    return None;
                }
                continue;
            }
            Kind::Sign => match token.text(text) {
                "{" => {
                    open.push(start..at);
                    (start, closed) = (at + 1, 0..0);
                    brackets.clear();
                }
                "}" => {
                    closed = open.pop().unwrap_or_default();
                    start = at + 1;
                    brackets.clear();
                }
                ";" | "->" => {
                    (start, closed) = (at + 1, 0..0);
                    brackets.clear();
                }
                "(" | "[" => brackets.push(at),
                ")" | "]" => {
                    brackets.pop();
                }
                _ => {}
            },
        }
        if token.kind != Kind::Comment {
            last = Some(token);
        }
        at += 1;
    }
    let seen = |range: Range<usize>| -> Vec<Token> {
        let pieces = tokens.get(range).unwrap_or_default().iter();
        pieces.filter(|token| !matches!(token.kind, Kind::Newline | Kind::Comment)).copied().collect()
    };
    let behind = tokens.get(at + usize::from(typed.is_some())..).unwrap_or_default().iter();
    let ends = |token: &&Token| {
        token.kind == Kind::Newline
            || token.kind == Kind::Comment
            || ["{", "}", ";", "->"].iter().any(|sign| is(**token, sign))
    };
    let before = seen(start..at);
    let bracket = brackets.last().and_then(|&bracket| {
        before.iter().position(|token| Some(token.start) == tokens.get(bracket).map(|token| token.start))
    });
    Some(Place {
        text,
        open: open.into_iter().map(&seen).collect(),
        closed: seen(closed),
        before,
        typed: typed.map_or(offset..offset, Token::range),
        typed_kind: typed.map(|token| token.kind),
        behind: behind.take_while(|token| !ends(token)).copied().collect(),
        bracket,
    })
}

fn closes(text: &str) -> bool {
    text.len() > 1 && text.ends_with('"')
}

impl<'t> Place<'t> {
    fn first(&self, tokens: &[Token]) -> &'t str {
        tokens.first().map_or("", |token| token.text(self.text))
    }

    /// The word of the innermost open brace.
    pub fn inside(&self) -> &'t str {
        self.open.last().map_or("", |head| self.first(head))
    }

    /// How many braces are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// The word of the brace that is closed on this line in front of the statement.
    pub fn follows(&self) -> &'t str {
        self.first(&self.closed)
    }

    pub fn section(&self) -> Section {
        let words: Vec<&str> = self.open.iter().map(|head| self.first(head)).collect();
        let own = words.iter().rposition(|w| ["model", "block", "data", "train", "expect"].contains(w));
        let Some(own) = own else { return Section::Top };
        match (words[own], words.last()) {
            ("data", Some(&"augment")) => Section::Augment,
            ("data", _) => Section::Data,
            ("train", _) => Section::Train,
            ("expect", _) => Section::Expect,
            (_, Some(&("concat" | "add" | "multiply"))) => Section::Join,
            _ => Section::Body,
        }
    }

    /// The statement's word, where it is not the one being typed.
    pub fn word(&self) -> Option<&'t str> {
        self.before.first().filter(|token| token.kind == Kind::Word).map(|token| token.text(self.text))
    }

    /// The piece in front of the one being typed.
    pub fn previous(&self) -> &'t str {
        self.before.last().map_or("", |token| token.text(self.text))
    }

    /// Whether a piece stands in front, outside brackets: the `:` of an asserted shape.
    pub fn has_sign(&self, sign: &str) -> bool {
        self.before.iter().any(|token| token.kind == Kind::Sign && token.text(self.text) == sign)
    }

    /// What is being typed, up to its end.
    pub fn typed_text(&self) -> &'t str {
        self.text.get(self.typed.clone()).unwrap_or_default()
    }

    /// The arguments in front of the cursor, the one it touches among them.
    pub fn arguments(&self) -> Vec<Written<'t>> {
        let typed = self.typed_token();
        let tokens: Vec<Token> = self.before.iter().copied().skip(1).chain(typed).collect();
        written(self.text, if self.before.is_empty() { &[] } else { &tokens })
    }

    /// Those behind the cursor.
    pub fn arguments_behind(&self) -> Vec<Written<'t>> {
        written(self.text, &self.behind)
    }

    fn typed_token(&self) -> Option<Token> {
        let range = &self.typed;
        self.typed_kind.map(|kind| Token { kind, start: range.start as u32, end: range.end as u32 })
    }
}

/// The arguments of a statement, as far as its pieces show them; what stands in brackets is one value.
fn written<'t>(text: &'t str, tokens: &[Token]) -> Vec<Written<'t>> {
    let mut found: Vec<Written<'t>> = Vec::new();
    let mut depth = 0usize;
    let mut key: Option<Token> = None;
    for (i, &token) in tokens.iter().enumerate() {
        let own = token.text(text);
        if depth > 0 {
            if let Some(last) = found.last_mut() {
                last.range.end = token.end as usize;
            }
            match own {
                "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                _ => {}
            }
            continue;
        }
        let equals = tokens.get(i + 1).is_some_and(|next| next.text(text) == "=");
        match (token.kind, own) {
            (Kind::Word, _) if equals => key = Some(token),
            (Kind::Sign, "=") => {
                if let Some(key) = key.take() {
                    let range = key.start as usize..token.end as usize;
                    found.push(Written { key: Some(key.text(text)), value: "", range });
                }
            }
            (Kind::Sign, ":") => break,
            (Kind::Word, "as") => break,
            _ => {
                depth = usize::from(["(", "["].contains(&own));
                match found.last_mut() {
                    // The value behind `key=`.
                    Some(last) if last.value.is_empty() => {
                        last.value = own;
                        last.range.end = token.end as usize;
                    }
                    // `name(…)` is one value.
                    Some(last) if own == "(" && last.range.end == token.start as usize => {
                        last.range.end = token.end as usize;
                    }
                    _ => found.push(Written { key: None, value: own, range: token.range() }),
                }
            }
        }
    }
    found
}
