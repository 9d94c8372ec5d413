//! A dictionary that Python pickled → the lists of numbers and texts and the NumPy arrays of bytes in it, by their keys.

use std::borrow::Cow;

use crate::pickle::{self, Id, Node, Pickle};

/// A pickle whose value is a dictionary.
pub struct Batch(Pickle);

impl Batch {
    /// Reads a pickle; or tells what is wrong with it.
    pub fn read(mut bytes: &[u8]) -> Result<Batch, String> {
        // They are in memory already.
        pickle::read(&mut bytes, u64::MAX).map(Batch)
    }

    /// The value of a key.
    fn get(&self, key: &str) -> Option<Id> {
        let Node::Dict(entries) = self.0.node(self.0.root) else { return None };
        let own = entries.iter().find(|(own, _)| self.content(*own).as_deref() == Some(key.as_bytes()));
        own.map(|(_, value)| *value)
    }

    /// A list of whole numbers under a key.
    pub fn numbers(&self, key: &str) -> Option<Vec<i64>> {
        self.0.members(self.get(key)?)?.iter().map(|&id| self.0.int(id)).collect()
    }

    /// A list of texts under a key.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        let text = |&id: &Id| Some(String::from_utf8_lossy(&self.content(id)?).into_owned());
        self.0.members(self.get(key)?)?.iter().map(text).collect()
    }

    /// The elements of a NumPy array of unsigned bytes under a key, in C order. Up to protocol 4 its state is a version, a shape,
    /// an element's type, whether the order is Fortran's, and bytes; in protocol 5 it is called with bytes, type, shape and order
    /// (numpy, ndarray.__reduce__ and __reduce_ex__).
    pub fn array(&self, key: &str) -> Option<Cow<'_, [u8]>> {
        let Node::Made { arguments, state, .. } = self.0.node(self.get(key)?) else { return None };
        let (content, kind, is_in_c) = match *state {
            Some(state) => {
                let [_, _, kind, is_fortran, content] = *self.0.members(state)? else { return None };
                (content, kind, matches!(self.0.node(is_fortran), Node::Bool(false) | Node::Int(0)))
            }
            None => {
                let [content, kind, _, order] = *self.0.members(*arguments)? else { return None };
                (content, kind, self.0.text(order) == Some("C"))
            }
        };
        let Node::Made { arguments, .. } = self.0.node(kind) else { return None };
        let is_bytes = self.content(*self.0.members(*arguments)?.first()?).as_deref() == Some(&b"u1"[..]);
        if is_bytes && is_in_c { self.content(content) } else { None }
    }

    /// A text or bytes; Python 3 pickles bytes for Python 2 as a call of `_codecs.encode(text, "latin1")`.
    fn content(&self, id: Id) -> Option<Cow<'_, [u8]>> {
        match self.0.node(id) {
            Node::Bytes(bytes) => Some(Cow::Borrowed(bytes.as_slice())),
            Node::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
            Node::Made { arguments, state: None, .. } => {
                let [text, coding] = *self.0.members(*arguments)? else { return None };
                let is_latin = self.0.text(coding) == Some("latin1");
                let text = self.0.text(text).filter(|_| is_latin)?;
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
                bytes.map(Cow::Owned)
            }
            _ => None,
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
        let batch = Batch::read(text).unwrap();
        assert_eq!(batch.numbers("a").unwrap(), [1, 300, -2]);
        assert_eq!(batch.texts("b").unwrap(), ["x"]);
        assert!(batch.numbers("b").is_none() && batch.array("a").is_none());
        // What would run a command is a name with arguments.
        let batch = Batch::read(b"}U\x01acos\nsystem\n(U\x02lstRs.").unwrap();
        assert!(batch.texts("a").is_none());
        for end in 0..text.len() {
            assert!(Batch::read(&text[..end]).is_err(), "{end}");
        }
        // A size that is not there, items without a list, a number of the memo that is not there or is none.
        for bad in
            [&b"T\xff\xff\xff\x7f."[..], b"NNa.", b"u.", b"t.", b"h\x00.", b"\x8a\xff.", b"g0\n.", b"Np-1\n."]
        {
            assert!(Batch::read(bad).is_err());
        }
    }

    #[test]
    fn arrays_of_bytes_are_read_from_lines_of_text_and_from_python_2() {
        // An array as protocol 2 has it but for its bytes, which are no text; whether the order is Fortran's is a line.
        let array = |is_fortran: &str, kind: &str| {
            let head = b"}U\x04datacnumpy.core.multiarray\n_reconstruct\np0\n(tRp1\n\
                         (K\x01(K\x03tcnumpy\ndtype\n(U\x02";
            let rest = format!("tRI{is_fortran}\nU\x03");
            [&head[..], kind.as_bytes(), rest.as_bytes(), b"\xff\x00\x80tbs."].concat()
        };
        let content = |bytes: &[u8]| Batch::read(bytes).unwrap().array("data").map(Cow::into_owned);
        assert_eq!(content(&array("00", "u1")), Some(vec![255, 0, 128]));
        assert_eq!(content(&array("01", "u1")), None);
        assert_eq!(content(&array("00", "i1")), None);
    }
}
