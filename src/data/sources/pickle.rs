//! Python's pickles of dictionaries, lists, texts, numbers and NumPy arrays of bytes → those values. Nothing that a pickle names is
//! ever called: what it would build stands as the name and the arguments.
//!
//! Opcodes: Python's Lib/pickletools.py, protocols 0 to 5 as far as such values need them.

use std::borrow::Cow;
use std::ops::Range;

/// A value, whose parts are other values of its [`Pickle`].
#[derive(Clone, Debug)]
enum Node {
    None,
    Whole(i64),
    /// A text or bytes.
    Bytes(Range<usize>),
    List(Vec<u32>),
    Pairs(Vec<(u32, u32)>),
    /// A name and what it would be called with.
    Object {
        arguments: Option<u32>,
        state: Option<u32>,
    },
}

/// A pickle that was read.
pub struct Pickle<'a> {
    bytes: &'a [u8],
    nodes: Vec<Node>,
    top: u32,
}

/// More values than this are not what anybody pickles here.
const MAX_NODES: usize = 1 << 22;

impl<'a> Pickle<'a> {
    /// Reads a pickle; or tells what is wrong with it.
    pub fn read(bytes: &'a [u8]) -> Result<Pickle<'a>, String> {
        let mut machine = Machine {
            bytes,
            at: 0,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
        };
        let top = machine.run().ok_or_else(|| {
            format!("is no pickle of lists, texts and byte arrays (at its byte {})", machine.at)
        })?;
        Ok(Pickle { bytes, nodes: machine.nodes, top })
    }

    /// The value of a key of the dictionary that was pickled.
    fn get(&self, key: &str) -> Option<&Node> {
        let Node::Pairs(pairs) = self.node(self.top) else { return None };
        let is_key = |at: u32| self.content(at).as_deref() == Some(key.as_bytes());
        pairs.iter().find(|(own, _)| is_key(*own)).map(|(_, value)| self.node(*value))
    }

    fn node(&self, at: u32) -> &Node {
        self.nodes.get(at as usize).unwrap_or(&Node::None)
    }

    fn text(&self, at: u32) -> Option<&'a [u8]> {
        match self.node(at) {
            Node::Bytes(range) => self.bytes.get(range.clone()),
            Node::None | Node::Whole(_) | Node::List(_) | Node::Pairs(_) | Node::Object { .. } => None,
        }
    }

    /// A list of whole numbers under a key.
    pub fn numbers(&self, key: &str) -> Option<Vec<i64>> {
        let Node::List(items) = self.get(key)? else { return None };
        let number = |at: &u32| match self.node(*at) {
            Node::Whole(number) => Some(*number),
            Node::None | Node::Bytes(_) | Node::List(_) | Node::Pairs(_) | Node::Object { .. } => None,
        };
        items.iter().map(number).collect()
    }

    /// A list of texts under a key.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        let Node::List(items) = self.get(key)? else { return None };
        items.iter().map(|at| Some(String::from_utf8_lossy(self.text(*at)?).into_owned())).collect()
    }

    /// The elements of a NumPy array of unsigned bytes under a key, in C order. Up to protocol 4 its state is a version, a shape,
    /// an element's type, whether the order is Fortran's, and bytes; in protocol 5 it is called with bytes, type, shape and order
    /// (numpy, ndarray.__reduce__ and __reduce_ex__).
    pub fn array(&self, key: &str) -> Option<Cow<'a, [u8]>> {
        let Node::Object { state, arguments } = self.get(key)? else { return None };
        let (content, kind, in_c) = match (state.map(|at| self.node(at)), arguments.map(|at| self.node(at))) {
            (Some(Node::List(parts)), _) => {
                let [_, _, kind, is_fortran, content] = *parts.as_slice() else { return None };
                (content, kind, matches!(self.node(is_fortran), Node::Whole(0)))
            }
            (None, Some(Node::List(parts))) => {
                let [content, kind, _, order] = *parts.as_slice() else { return None };
                (content, kind, self.text(order) == Some(b"C"))
            }
            (_, _) => return None,
        };
        let Node::Object { arguments: Some(arguments), .. } = self.node(kind) else { return None };
        let Node::List(arguments) = self.node(*arguments) else { return None };
        let is_bytes = arguments.first().and_then(|at| self.text(*at)) == Some(b"u1");
        if is_bytes && in_c { self.content(content) } else { None }
    }

    /// Bytes; Python 3 pickles them for Python 2 as a call of `_codecs.encode(text, "latin1")`.
    fn content(&self, at: u32) -> Option<Cow<'a, [u8]>> {
        if let Some(bytes) = self.text(at) {
            return Some(Cow::Borrowed(bytes));
        }
        let Node::Object { arguments: Some(arguments), state: None } = self.node(at) else { return None };
        let Node::List(arguments) = self.node(*arguments) else { return None };
        let [text, coding] = *arguments.as_slice() else { return None };
        let text = std::str::from_utf8(self.text(text)?).ok()?;
        let is_latin = self.text(coding) == Some(b"latin1");
        let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        bytes.filter(|_| is_latin).map(Cow::Owned)
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<u32>,
    marks: Vec<usize>,
    memo: Vec<u32>,
}

impl Machine<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// So many bytes, as a number with the lowest first.
    fn little(&mut self, n: usize) -> Option<u64> {
        let mut number = 0;
        for i in 0..n {
            number |= u64::from(self.byte()?).checked_shl(8 * i as u32).unwrap_or(0);
        }
        Some(number)
    }

    fn range(&mut self, length: u64) -> Option<Range<usize>> {
        let end =
            self.at.checked_add(usize::try_from(length).ok()?).filter(|end| *end <= self.bytes.len())?;
        let range = self.at..end;
        self.at = end;
        Some(range)
    }

    fn line(&mut self) -> Option<Range<usize>> {
        let length = self.bytes.get(self.at..)?.iter().position(|byte| *byte == b'\n')?;
        let range = self.range(length as u64)?;
        self.at += 1;
        Some(range)
    }

    fn push(&mut self, node: Node) -> Option<()> {
        if self.nodes.len() == MAX_NODES {
            return None;
        }
        self.stack.push(self.nodes.len() as u32);
        self.nodes.push(node);
        Some(())
    }

    fn text(&mut self, length: Option<u64>) -> Option<()> {
        let range = self.range(length?)?;
        self.push(Node::Bytes(range))
    }

    /// What was pushed since the last mark.
    fn marked(&mut self) -> Option<Vec<u32>> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len())?;
        Some(self.stack.split_off(mark))
    }

    fn last(&mut self, n: usize) -> Option<Vec<u32>> {
        let at = self.stack.len().checked_sub(n)?;
        Some(self.stack.split_off(at))
    }

    fn extend(&mut self, items: Vec<u32>) -> Option<()> {
        match self.nodes.get_mut(*self.stack.last()? as usize)? {
            Node::List(own) => own.extend(items),
            Node::Pairs(pairs) => pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            Node::None | Node::Whole(_) | Node::Bytes(_) | Node::Object { .. } => return None,
        }
        Some(())
    }

    fn remember(&mut self, place: u64) -> Option<()> {
        let place = usize::try_from(place).ok().filter(|place| *place < MAX_NODES)?;
        let value = *self.stack.last()?;
        if place >= self.memo.len() {
            self.memo.resize(place + 1, 0);
        }
        self.memo[place] = value;
        Some(())
    }

    fn recall(&mut self, place: u64) -> Option<()> {
        let value = *self.memo.get(usize::try_from(place).ok()?)?;
        self.stack.push(value);
        (self.stack.len() <= MAX_NODES).then_some(())
    }

    /// The value that the pickle ends with.
    fn run(&mut self) -> Option<u32> {
        loop {
            match self.byte()? {
                // PROTO, FRAME.
                0x80 => drop(self.byte()?),
                0x95 => drop(self.little(8)?),
                b'.' => return self.stack.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.stack.pop()?),
                b'N' => self.push(Node::None)?,
                // NEWTRUE, NEWFALSE.
                0x88 => self.push(Node::Whole(1))?,
                0x89 => self.push(Node::Whole(0))?,
                // Numbers: BININT, BININT1, BININT2, LONG1, and INT as text.
                b'J' => {
                    let number = self.little(4)? as u32 as i32;
                    self.push(Node::Whole(number.into()))?;
                }
                b'K' => {
                    let number = self.little(1)?;
                    self.push(Node::Whole(number as i64))?;
                }
                b'M' => {
                    let number = self.little(2)?;
                    self.push(Node::Whole(number as i64))?;
                }
                0x8a => {
                    let n = self.byte()?;
                    let number = (n <= 8).then(|| self.little(n.into()))??;
                    let shift = 64 - 8 * u32::from(n);
                    let number = if n == 0 { 0 } else { ((number << shift) as i64) >> shift };
                    self.push(Node::Whole(number))?;
                }
                b'I' => {
                    let line = self.line()?;
                    let text = std::str::from_utf8(&self.bytes[line]).ok()?;
                    self.push(Node::Whole(text.parse().ok()?))?;
                }
                // Texts: SHORT_BINSTRING, BINSTRING, BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8.
                b'U' | 0x8c | b'C' => {
                    let length = self.little(1);
                    self.text(length)?;
                }
                b'T' | b'X' | b'B' => {
                    let length = self.little(4);
                    self.text(length)?;
                }
                0x8d | 0x8e | 0x96 => {
                    let length = self.little(8);
                    self.text(length)?;
                }
                // Lists and tuples, both as lists: EMPTY_LIST, EMPTY_TUPLE, LIST, TUPLE, TUPLE1 to TUPLE3.
                b']' | b')' => self.push(Node::List(Vec::new()))?,
                b'l' | b't' => {
                    let items = self.marked()?;
                    self.push(Node::List(items))?;
                }
                n @ 0x85..=0x87 => {
                    let items = self.last(usize::from(n - 0x84))?;
                    self.push(Node::List(items))?;
                }
                b'}' => self.push(Node::Pairs(Vec::new()))?,
                b'd' => {
                    let items = self.marked()?;
                    self.push(Node::Pairs(Vec::new()))?;
                    self.extend(items)?;
                }
                // APPEND and SETITEM, APPENDS and SETITEMS.
                b'a' => {
                    let items = self.last(1)?;
                    self.extend(items)?;
                }
                b's' => {
                    let items = self.last(2)?;
                    self.extend(items)?;
                }
                b'e' | b'u' => {
                    let items = self.marked()?;
                    self.extend(items)?;
                }
                // Names: GLOBAL, STACK_GLOBAL.
                b'c' => {
                    self.line()?;
                    self.line()?;
                    self.push(Node::Object { arguments: None, state: None })?;
                }
                0x93 => {
                    self.last(2)?;
                    self.push(Node::Object { arguments: None, state: None })?;
                }
                // REDUCE would call a name; BUILD gives what was called a state.
                b'R' => {
                    let called = self.last(2)?;
                    self.push(Node::Object { arguments: Some(called[1]), state: None })?;
                }
                b'b' => {
                    let given = self.stack.pop()?;
                    match self.nodes.get_mut(*self.stack.last()? as usize)? {
                        Node::Object { state, .. } => *state = Some(given),
                        Node::None | Node::Whole(_) | Node::Bytes(_) | Node::List(_) | Node::Pairs(_) => {
                            return None;
                        }
                    }
                }
                // The memo: PUT, BINPUT, LONG_BINPUT, MEMOIZE, GET, BINGET, LONG_BINGET.
                b'p' | b'g' => {
                    let is_put = self.bytes[self.at - 1] == b'p';
                    let line = self.line()?;
                    let place = std::str::from_utf8(&self.bytes[line]).ok()?.parse().ok()?;
                    if is_put { self.remember(place)? } else { self.recall(place)? }
                }
                b'q' => {
                    let place = self.little(1)?;
                    self.remember(place)?;
                }
                b'r' => {
                    let place = self.little(4)?;
                    self.remember(place)?;
                }
                0x94 => self.remember(self.memo.len() as u64)?,
                b'h' => {
                    let place = self.little(1)?;
                    self.recall(place)?;
                }
                b'j' => {
                    let place = self.little(4)?;
                    self.recall(place)?;
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_nothing_is_called() {
        // {"a": [1, 300, -2], "b": ["x"]}, in protocol 2.
        let text = b"\x80\x02}q\x00(U\x01aq\x01]q\x02(K\x01M\x2c\x01J\xfe\xff\xff\xffeU\x01b]U\x01xau.";
        let pickle = Pickle::read(text).unwrap();
        assert_eq!(pickle.numbers("a").unwrap(), [1, 300, -2]);
        assert_eq!(pickle.texts("b").unwrap(), ["x"]);
        assert!(pickle.numbers("b").is_none() && pickle.array("a").is_none());
        // What would run a command is a name with arguments.
        let pickle = Pickle::read(b"}U\x01acos\nsystem\n(U\x02lstRs.").unwrap();
        assert!(pickle.texts("a").is_none());
        for end in 0..text.len() {
            assert!(Pickle::read(&text[..end]).is_err(), "{end}");
        }
        // Sizes that are not there, a memo of a billion places, items without a list.
        for bad in [
            &b"T\xff\xff\xff\x7f."[..],
            b"Nr\xff\xff\xff\x3f.",
            b"NNa.",
            b"u.",
            b"t.",
            b"h\x00.",
            b"\x8a\xff.",
        ] {
            assert!(Pickle::read(bad).is_err());
        }
    }
}
