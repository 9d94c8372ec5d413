//! The text of a `.prototxt` → a tree of its fields (protobuf.dev/reference/protobuf/textformat-spec): `name: value`, `name { … }`,
//! lists in brackets, comments behind `#`.

use crate::diag::Fault;
use crate::exchange::caffe::wrong;

/// The most fields, and how deep they may lie in each other.
const MAX_FIELDS: usize = 1_000_000;
const MAX_DEPTH: usize = 32;

/// The fields of a message, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    pub fields: Vec<(String, Value)>,
    /// The line that it begins at.
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, a word, or a text without its quotes.
    Word(String),
    Message(Message),
}

impl Message {
    /// The words of a field.
    pub fn words<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m str> {
        self.fields.iter().filter(move |(own, _)| own == name).filter_map(|(_, value)| match value {
            Value::Word(word) => Some(word.as_str()),
            Value::Message(_) => None,
        })
    }

    /// The last word of a field, which is the one that holds.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.fields.iter().rev().filter(|(own, _)| own == name).find_map(|(_, value)| match value {
            Value::Word(word) => Some(word.as_str()),
            Value::Message(_) => None,
        })
    }

    pub fn messages<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Message> {
        self.fields.iter().filter(move |(own, _)| own == name).filter_map(|(_, value)| match value {
            Value::Message(message) => Some(message),
            Value::Word(_) => None,
        })
    }

    pub fn message(&self, name: &str) -> Option<&Message> {
        self.fields.iter().rev().filter(|(own, _)| own == name).find_map(|(_, value)| match value {
            Value::Message(message) => Some(message),
            Value::Word(_) => None,
        })
    }
}

/// Reads a whole text.
pub fn parse(text: &str) -> Result<Message, Fault> {
    let mut reader = Reader { rest: text, line: 1, left: MAX_FIELDS };
    let message = reader.message(0)?;
    match reader.next() {
        None => Ok(message),
        Some(c) => Err(reader.odd(c)),
    }
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
    left: usize,
}

impl Reader<'_> {
    /// The next character that means something.
    fn next(&mut self) -> Option<char> {
        loop {
            let c = self.rest.chars().next()?;
            match c {
                '#' => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                '\n' => {
                    self.line += 1;
                    self.skip(c);
                }
                c if c.is_whitespace() || c == ',' || c == ';' => self.skip(c),
                c => return Some(c),
            }
        }
    }

    fn skip(&mut self, c: char) {
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
    }

    fn odd(&self, c: char) -> Fault {
        wrong(format!("line {}: {c:?} stands where a field belongs", self.line))
    }

    fn message(&mut self, depth: usize) -> Result<Message, Fault> {
        if depth > MAX_DEPTH {
            return Err(wrong(format!(
                "line {}: fields more than {MAX_DEPTH} deep in each other",
                self.line
            )));
        }
        let mut message = Message { fields: Vec::new(), line: self.line };
        while let Some(c) = self.next() {
            if c == '}' || c == '>' {
                break;
            }
            if !(c.is_ascii_alphabetic() || c == '_') {
                return Err(self.odd(c));
            }
            let name = self.word();
            match self.next() {
                Some(':') => {
                    self.skip(':');
                    match self.next() {
                        Some('[') => {
                            self.skip('[');
                            while self.next().is_some_and(|c| c != ']') {
                                let value = self.value(depth)?;
                                self.keep(&mut message, &name, value)?;
                            }
                            if self.rest.is_empty() {
                                return Err(wrong(format!("line {}: a `[` that is never closed", self.line)));
                            }
                            self.skip(']');
                        }
                        _ => {
                            let value = self.value(depth)?;
                            self.keep(&mut message, &name, value)?;
                        }
                    }
                }
                Some('{' | '<') => {
                    let value = self.value(depth)?;
                    self.keep(&mut message, &name, value)?;
                }
                Some(c) => return Err(self.odd(c)),
                None => return Err(wrong(format!("line {}: the text ends in a field", self.line))),
            }
        }
        Ok(message)
    }

    fn keep(&mut self, message: &mut Message, name: &str, value: Value) -> Result<(), Fault> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| wrong(format!("the text has more than {MAX_FIELDS} fields")))?;
        message.fields.push((name.to_owned(), value));
        Ok(())
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.+-".contains(c)));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word.to_owned()
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        match self.next() {
            Some(open @ ('{' | '<')) => {
                self.skip(open);
                let inner = self.message(depth + 1)?;
                match self.next() {
                    Some(close @ ('}' | '>')) => {
                        self.skip(close);
                        Ok(Value::Message(inner))
                    }
                    _ => Err(wrong(format!("line {}: a `{{` that is never closed", inner.line))),
                }
            }
            Some(quote @ ('"' | '\'')) => {
                self.skip(quote);
                let end = self.rest.find(['\n', quote]);
                let end = end.filter(|&at| self.rest[at..].starts_with(quote));
                let end =
                    end.ok_or_else(|| wrong(format!("line {}: a text that does not end", self.line)))?;
                let text = self.rest[..end].to_owned();
                self.rest = &self.rest[end..];
                self.skip(quote);
                Ok(Value::Word(text))
            }
            Some(c) => match self.word() {
                word if word.is_empty() => Err(self.odd(c)),
                word => Ok(Value::Word(word)),
            },
            None => Err(wrong(format!("line {}: the text ends in a field", self.line))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_trees() {
        let text = "name: \"Net\" # a comment\ninput_dim: [1, 3]; layer { type: 'ReLU' p: { x: -1e-2 } q < y: true > }";
        let message = parse(text).unwrap();
        assert_eq!(message.word("name"), Some("Net"));
        assert_eq!(message.words("input_dim").collect::<Vec<_>>(), ["1", "3"]);
        let layer = message.message("layer").unwrap();
        assert_eq!((layer.word("type"), layer.line), (Some("ReLU"), 2));
        assert_eq!(layer.message("p").unwrap().word("x"), Some("-1e-2"));
        assert_eq!(layer.message("q").unwrap().word("y"), Some("true"));
        for wrong in
            ["{", "a", "a:", "a {", "a: \"x", "a: [", "a b", "}", "a: {}}", &"a{".repeat(99), "\u{e9}"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
