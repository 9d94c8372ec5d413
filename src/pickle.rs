//! A Python pickle → the plain values in it, as a list of nodes. Nothing is called, imported or run: what would be a call
//! in Python is a node that says which one, and stays one.
//!
//! Opcodes: those of protocols 2 to 5 (Lib/pickletools.py), and of 0 and 1 those that numbers, texts and arrays need. Memory is
//! bounded by the bytes that are read, of which the caller says how many there may be; nodes refer to each other by number, so
//! that no depth of nesting needs a deep stack, here or when they are dropped.

use std::collections::HashMap;
use std::io::Read;
use std::str::FromStr;

/// Values in one pickle at most; and places on its stack, marks and places in its memo.
const MAX_NODES: usize = 1 << 21;
/// Bytes of a name in Python at most; a pickle says one as often as it likes.
const MAX_NAME: usize = 1 << 10;

/// The number of a node.
pub type Id = usize;

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than 64 bits, its lowest byte first.
    Long(Vec<u8>),
    Float(f64),
    Text(String),
    /// Bytes; or a text of Python 2 that is not UTF-8.
    Bytes(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Set,
    /// The name of something in Python: `torch._utils` and `_rebuild_tensor_v2`.
    Global(String, String),
    /// What lies outside the pickle, by how the pickle calls it.
    Persistent(Id),
    /// What Python would make by a call of the first with the second, and then give the state of the third.
    Made {
        what: Id,
        arguments: Id,
        state: Option<Id>,
    },
}

/// The values of a pickle.
#[derive(Debug)]
pub struct Pickle {
    nodes: Vec<Node>,
    pub root: Id,
}

impl Pickle {
    pub fn node(&self, id: Id) -> &Node {
        self.nodes.get(id).unwrap_or(&Node::None)
    }

    /// Every node.
    pub fn ids(&self) -> std::ops::Range<Id> {
        0..self.nodes.len()
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn int(&self, id: Id) -> Option<i64> {
        match self.node(id) {
            Node::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The members of a tuple or list.
    pub fn members(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Tuple(members) | Node::List(members) => Some(members),
            _ => None,
        }
    }

    /// `torch.FloatStorage` of a name in Python.
    pub fn global(&self, id: Id) -> Option<String> {
        match self.node(id) {
            Node::Global(module, name) => Some(format!("{module}.{name}")),
            _ => None,
        }
    }
}

/// Reads one pickle of `most` bytes at most to its end; what follows it is not touched. An error says what is wrong, to be put
/// after the file's name.
pub fn read(reader: &mut dyn Read, most: u64) -> Result<Pickle, String> {
    let mut machine = Machine {
        reader,
        most,
        left: most,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        n_copied: 0,
    };
    let root = machine.run()?;
    Ok(Pickle { nodes: machine.nodes, root })
}

struct Machine<'a> {
    reader: &'a mut dyn Read,
    most: u64,
    left: u64,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// The heights of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// Entries of dictionaries that were made of a list, which stays and may be used again.
    n_copied: usize,
}

const CUT: &str = "is cut short, or no pickle";

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            if self.stack.len().max(self.marks.len()).max(self.memo.len()) > MAX_NODES {
                return Err(too_many());
            }
            let op = self.byte()?;
            match op {
                // PROTO
                0x80 => match self.byte()? {
                    2..=5 => {}
                    version => return Err(format!("is a pickle of protocol {version}; 2 to 5 are read")),
                },
                // FRAME
                0x95 => {
                    self.number(8)?;
                }
                // STOP
                b'.' => return self.pop(),
                // MARK, POP, POP_MARK, DUP
                b'(' => self.marks.push(self.stack.len()),
                b'0' => {
                    self.pop()?;
                }
                b'1' => {
                    self.pop_mark()?;
                }
                b'2' => {
                    let top = *self.stack.last().ok_or(CUT)?;
                    self.stack.push(top);
                }
                // NONE, NEWTRUE, NEWFALSE
                b'N' => self.push(Node::None)?,
                0x88 => self.push(Node::Bool(true))?,
                0x89 => self.push(Node::Bool(false))?,
                // BININT, BININT1, BININT2
                b'J' => {
                    let number = self.number(4)? as u32 as i32;
                    self.push(Node::Int(i64::from(number)))?;
                }
                b'K' | b'M' => {
                    let number = self.number(if op == b'K' { 1 } else { 2 })?;
                    self.push(Node::Int(number as i64))?;
                }
                // INT, as a line of text
                b'I' => {
                    let number = self.line_number()?;
                    self.push(Node::Int(number))?;
                }
                // LONG1, LONG4
                0x8a | 0x8b => {
                    let length = self.number(if op == 0x8a { 1 } else { 4 })?;
                    let bytes = self.bytes(length)?;
                    self.push(long(bytes))?;
                }
                // BINFLOAT
                b'G' => {
                    let bits = self.number(8)?.swap_bytes();
                    self.push(Node::Float(f64::from_bits(bits)))?;
                }
                // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
                b'X' | 0x8c | 0x8d => {
                    let length = self.number(match op {
                        0x8c => 1,
                        0x8d => 8,
                        _ => 4,
                    })?;
                    let bytes = self.bytes(length)?;
                    self.push(Node::Text(String::from_utf8_lossy(&bytes).into_owned()))?;
                }
                // SHORT_BINSTRING, BINSTRING
                b'U' | b'T' => {
                    let length = self.number(if op == b'U' { 1 } else { 4 })?;
                    let bytes = self.bytes(length)?;
                    self.push(match String::from_utf8(bytes) {
                        Ok(text) => Node::Text(text),
                        Err(e) => Node::Bytes(e.into_bytes()),
                    })?;
                }
                // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
                b'B' | b'C' | 0x8e | 0x96 => {
                    let length = self.number(match op {
                        b'C' => 1,
                        b'B' => 4,
                        _ => 8,
                    })?;
                    let bytes = self.bytes(length)?;
                    self.push(Node::Bytes(bytes))?;
                }
                // EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT, EMPTY_SET
                b')' => self.push(Node::Tuple(Vec::new()))?,
                b']' => self.push(Node::List(Vec::new()))?,
                b'}' => self.push(Node::Dict(Vec::new()))?,
                0x8f => self.push(Node::Set)?,
                // TUPLE, TUPLE1, TUPLE2, TUPLE3, LIST, DICT, FROZENSET
                b't' => {
                    let members = self.pop_mark()?;
                    self.push(Node::Tuple(members))?;
                }
                0x85..=0x87 => {
                    let members = self.pop_many(usize::from(op - 0x84))?;
                    self.push(Node::Tuple(members))?;
                }
                b'l' => {
                    let members = self.pop_mark()?;
                    self.push(Node::List(members))?;
                }
                b'd' => {
                    let members = self.pop_mark()?;
                    self.push(Node::Dict(pairs(&members)?))?;
                }
                0x91 => {
                    self.pop_mark()?;
                    self.push(Node::Set)?;
                }
                // APPEND, APPENDS, ADDITEMS, SETITEM, SETITEMS
                b'a' => {
                    let member = self.pop()?;
                    self.extend(&[member])?;
                }
                b'e' | 0x90 => {
                    let members = self.pop_mark()?;
                    self.extend(&members)?;
                }
                b's' => {
                    let pair = self.pop_many(2)?;
                    self.set(&pair)?;
                }
                b'u' => {
                    let members = self.pop_mark()?;
                    self.set(&members)?;
                }
                // GLOBAL, STACK_GLOBAL
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    check_name(&module, &name)?;
                    self.push(Node::Global(module, name))?;
                }
                0x93 => {
                    let names = self.pop_many(2)?;
                    match (self.get(names[0])?, self.get(names[1])?) {
                        (Node::Text(module), Node::Text(name)) => {
                            check_name(module, name)?;
                            let global = Node::Global(module.clone(), name.clone());
                            self.push(global)?;
                        }
                        _ => return Err("names something in Python by what is no text".to_owned()),
                    }
                }
                // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD
                b'R' | 0x81 => {
                    let pair = self.pop_many(2)?;
                    self.make(pair[0], pair[1])?;
                }
                0x92 => {
                    let own = self.pop_many(3)?;
                    self.make(own[0], own[1])?;
                }
                b'b' => {
                    let pair = self.pop_many(2)?;
                    if let Some(Node::Made { state, .. }) = self.nodes.get_mut(pair[0]) {
                        *state = Some(pair[1]);
                    }
                    self.stack.push(pair[0]);
                }
                // BINPERSID
                b'Q' => {
                    let name = self.pop()?;
                    self.push(Node::Persistent(name))?;
                }
                // PUT, BINPUT, LONG_BINPUT, MEMOIZE, GET, BINGET, LONG_BINGET
                b'p' | b'q' | b'r' | 0x94 => {
                    let place = match op {
                        b'p' => self.line_number()?,
                        b'q' => self.number(1)?,
                        b'r' => self.number(4)?,
                        _ => self.memo.len() as u64,
                    };
                    let top = *self.stack.last().ok_or(CUT)?;
                    self.memo.insert(place, top);
                }
                b'g' | b'h' | b'j' => {
                    let place = match op {
                        b'g' => self.line_number()?,
                        b'h' => self.number(1)?,
                        _ => self.number(4)?,
                    };
                    let known = *self.memo.get(&place).ok_or("refers to what it has not kept")?;
                    self.stack.push(known);
                }
                other => {
                    return Err(format!("has the instruction {other:#04x}, which is not read"));
                }
            }
        }
    }

    fn push(&mut self, node: Node) -> Result<(), String> {
        if self.nodes.len() >= MAX_NODES {
            return Err(too_many());
        }
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
        Ok(())
    }

    /// What is above the last mark stays for [`Machine::pop_mark`].
    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => self.stack.pop().ok_or_else(|| CUT.to_owned()),
            false => Err("takes more from its stack than there is".to_owned()),
        }
    }

    fn pop_many(&mut self, n: usize) -> Result<Vec<Id>, String> {
        let mut own = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        own.reverse();
        Ok(own)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("has no mark where one is needed")?;
        match mark <= self.stack.len() {
            true => Ok(self.stack.split_off(mark)),
            false => Err("takes more from its stack than there is".to_owned()),
        }
    }

    fn get(&self, id: Id) -> Result<&Node, String> {
        self.nodes.get(id).ok_or_else(|| CUT.to_owned())
    }

    /// Adds to the list on top; what Python would give to an object of its own is dropped.
    fn extend(&mut self, members: &[Id]) -> Result<(), String> {
        let top = *self.stack.last().ok_or(CUT)?;
        match self.nodes.get_mut(top) {
            Some(Node::List(list)) => list.extend_from_slice(members),
            Some(Node::Set | Node::Made { .. }) => {}
            _ => return Err("adds members to what is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, members: &[Id]) -> Result<(), String> {
        let new = pairs(members)?;
        let top = *self.stack.last().ok_or(CUT)?;
        match self.nodes.get_mut(top) {
            Some(Node::Dict(entries)) => entries.extend(new),
            Some(Node::Made { .. }) => {}
            _ => return Err("sets entries of what is no dictionary".to_owned()),
        }
        Ok(())
    }

    /// An `OrderedDict` is a dictionary; everything else is left for later to know, or not.
    fn make(&mut self, what: Id, arguments: Id) -> Result<(), String> {
        let is_dict = matches!(self.get(what)?, Node::Global(module, name) if module == "collections" && name == "OrderedDict");
        let given = match self.get(arguments)? {
            Node::Tuple(members) => members.first().copied(),
            _ => None,
        };
        match (is_dict, given.map(|first| self.get(first)).transpose()?) {
            (true, None) => self.push(Node::Dict(Vec::new())),
            // Python 2 gives it the pairs as a list of lists.
            (true, Some(Node::List(entries))) => {
                let n_copied = self.n_copied + entries.len();
                let pair = |&id: &Id| match self.get(id)? {
                    Node::List(pair) | Node::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
                    _ => Err("has a dictionary of what are no pairs".to_owned()),
                };
                let pairs = entries.iter().map(pair).collect::<Result<Vec<_>, String>>()?;
                self.n_copied = n_copied;
                if n_copied > MAX_NODES {
                    return Err(format!("has more than {MAX_NODES} values beside its numbers"));
                }
                self.push(Node::Dict(pairs))
            }
            (true | false, _) => self.push(Node::Made { what, arguments, state: None }),
        }
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.number(1)? as u8)
    }

    /// A number of `n` bytes, at most 8, the lowest first.
    fn number(&mut self, n: usize) -> Result<u64, String> {
        let mut word = [0; 8];
        self.count(n as u64)?;
        self.reader.read_exact(&mut word[..n]).map_err(|_| CUT.to_owned())?;
        Ok(u64::from_le_bytes(word))
    }

    /// So many bytes; memory grows as they come.
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, String> {
        self.count(length)?;
        let mut bytes = Vec::new();
        (&mut *self.reader)
            .take(length)
            .read_to_end(&mut bytes)
            .map_err(|e| format!("cannot be read: {e}"))?;
        if (bytes.len() as u64) < length { Err(CUT.to_owned()) } else { Ok(bytes) }
    }

    fn line(&mut self) -> Result<String, String> {
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
                byte => bytes.push(byte),
            }
        }
    }

    fn line_number<N: FromStr>(&mut self) -> Result<N, String> {
        let line = self.line()?;
        line.parse().map_err(|_| CUT.to_owned())
    }

    fn count(&mut self, n: u64) -> Result<(), String> {
        let left = self.left.checked_sub(n);
        self.left =
            left.ok_or_else(|| format!("is a pickle of more than {} MB, or damaged", self.most >> 20))?;
        Ok(())
    }
}

fn too_many() -> String {
    format!("has more than {MAX_NODES} values")
}

fn check_name(module: &str, name: &str) -> Result<(), String> {
    match module.len().max(name.len()) <= MAX_NAME {
        true => Ok(()),
        false => Err(format!("names something in Python by more than {MAX_NAME} bytes")),
    }
}

fn pairs(members: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    match members.len() % 2 {
        0 => Ok(members.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()),
        _ => Err("has a key without a value".to_owned()),
    }
}

/// A whole number in two's complement.
fn long(bytes: Vec<u8>) -> Node {
    if bytes.len() > 8 {
        return Node::Long(bytes);
    }
    let sign = if bytes.last().is_some_and(|&high| high >= 0x80) { 0xff } else { 0 };
    let mut word = [sign; 8];
    word[..bytes.len()].copy_from_slice(&bytes);
    Node::Int(i64::from_le_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(bytes: &[u8]) -> Result<(Pickle, Node), String> {
        let pickle = read(&mut &bytes[..], 1 << 24)?;
        let node = pickle.node(pickle.root).clone();
        Ok((pickle, node))
    }

    #[test]
    fn plain_values_are_read() {
        // pickle.dumps({"a": [1, -2, 2.5, None, True], "b": ("x", 2**70)}, 2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffG@\x04\x00\x00\x00\x00\x00\x00N\x88e\
                      X\x01\x00\x00\x00bq\x03X\x01\x00\x00\x00xq\x04\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x40\x86q\x05u.";
        let (pickle, Node::Dict(entries)) = root(bytes).unwrap() else { panic!() };
        assert_eq!(pickle.text(entries[0].0), Some("a"));
        let members = pickle.members(entries[0].1).unwrap();
        let nodes: Vec<&Node> = members.iter().map(|&id| pickle.node(id)).collect();
        assert_eq!(nodes, [&Node::Int(1), &Node::Int(-2), &Node::Float(2.5), &Node::None, &Node::Bool(true)]);
        assert!(
            matches!(pickle.node(pickle.members(entries[1].1).unwrap()[1]), Node::Long(bytes) if bytes.len() == 9)
        );
    }

    #[test]
    fn what_would_run_code_is_a_node_and_stays_one() {
        // os.system("rm -rf /"), as a hostile pickle has it
        let bytes = b"\x80\x02cos\nsystem\nX\x08\x00\x00\x00rm -rf /\x85R.";
        let (pickle, Node::Made { what, .. }) = root(bytes).unwrap() else { panic!() };
        assert_eq!(pickle.global(what).as_deref(), Some("os.system"));
    }

    #[test]
    fn hostile_pickles_are_refused() {
        let refused = |bytes: &[u8], said: &str| {
            let message = root(bytes).unwrap_err();
            assert!(message.contains(said), "{message}");
        };
        // CVE-2026-24747: entries of what is no dictionary
        refused(b"\x80\x02K\x01K\x02K\x03s.", "no dictionary");
        refused(b"\x80\x02X\xff\xff\xff\x7fabc.", "more than 16 MB");
        refused(b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.", "more than 16 MB");
        refused(b"\x80\x02h\x07.", "has not kept");
        refused(b"\x80\x02t.", "no mark");
        refused(b"\x80\x02(K\x01(\x85.", "more from its stack");
        refused(b"\x80\x02.", "more from its stack");
        refused(b"\x80\x02V1\n.", "instruction 0x56");
        refused(b"\x80\x02", "cut short");
        // One long text, kept and named again and again
        let long = [b"\x80\x02X\x00\x08\x00\x00".to_vec(), vec![b'a'; 2048], b"22\x93.".to_vec()].concat();
        refused(&long, "more than 1024 bytes");
        // A bomb of nested references stays a chain of nodes.
        let mut bomb = b"\x80\x02K\x01".to_vec();
        for _ in 0..100_000 {
            bomb.extend_from_slice(b"2\x86");
        }
        bomb.push(b'.');
        assert!(root(&bomb).is_ok());
        let many = [b"\x80\x02".to_vec(), vec![b')'; MAX_NODES + 1], b".".to_vec()].concat();
        refused(&many, "more than 2097152 values");
        let marks = [b"\x80\x02".to_vec(), vec![b'('; MAX_NODES + 2], b".".to_vec()].concat();
        refused(&marks, "more than 2097152 values");
    }
}
