//! Bytes in Thrift's compact protocol → numbers, texts, lists and structures, as Parquet's footer and its pages' headers are
//! written. What bytes claim is held against what is there.
//!
//! Format: apache/thrift, doc/specs/thrift-compact-protocol.md.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Bool(bool),
    Whole(i64),
    Double,
    Bytes(Box<[u8]>),
    /// Of a map: keys and values in turn.
    List(Vec<Item>),
    /// Fields by their numbers.
    Fields(Vec<(i16, Item)>),
}

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// They end inside of a value.
    EndsEarly,
    /// They are no values, or more and deeper ones than any writer makes.
    Damaged,
}

/// More values than this in one structure are not what anybody writes.
const MAX_ITEMS: u32 = 1 << 22;
const MAX_DEPTH: u32 = 24;

/// The structure that bytes begin with, and its length.
pub fn structure(bytes: &[u8]) -> Result<(Item, usize), Broken> {
    let mut reader = Reader { rest: bytes, left: MAX_ITEMS };
    let item = reader.fields(0)?;
    Ok((item, bytes.len() - reader.rest.len()))
}

impl Item {
    /// A field of a structure.
    pub fn get(&self, number: i16) -> Option<&Item> {
        match self {
            Item::Fields(fields) => fields.iter().find(|(own, _)| *own == number).map(|(_, item)| item),
            Item::Bool(_) | Item::Whole(_) | Item::Double | Item::Bytes(_) | Item::List(_) => None,
        }
    }

    /// A field that is a whole number.
    pub fn whole(&self, number: i16) -> Option<i64> {
        match self.get(number)? {
            Item::Whole(own) => Some(*own),
            Item::Bool(_) | Item::Double | Item::Bytes(_) | Item::List(_) | Item::Fields(_) => None,
        }
    }

    /// A field that is a size: a whole number that is not negative.
    pub fn size(&self, number: i16) -> Option<u64> {
        self.whole(number).and_then(|own| u64::try_from(own).ok())
    }

    /// A field that is a text.
    pub fn text(&self, number: i16) -> Option<String> {
        self.get(number)?.as_text()
    }

    /// The value as a text.
    pub fn as_text(&self) -> Option<String> {
        match self {
            Item::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Item::Bool(_) | Item::Whole(_) | Item::Double | Item::List(_) | Item::Fields(_) => None,
        }
    }

    /// A field that is a list; nothing where it is none.
    pub fn list(&self, number: i16) -> &[Item] {
        match self.get(number) {
            Some(Item::List(items)) => items,
            Some(Item::Bool(_) | Item::Whole(_) | Item::Double | Item::Bytes(_) | Item::Fields(_)) | None => {
                &[]
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    left: u32,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Broken> {
        let (first, rest) = self.rest.split_first().ok_or(Broken::EndsEarly)?;
        self.rest = rest;
        Ok(*first)
    }

    /// Seven bits a byte, the lowest first.
    fn unsigned(&mut self) -> Result<u64, Broken> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken::Damaged)
    }

    fn signed(&mut self) -> Result<i64, Broken> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn fields(&mut self, depth: u32) -> Result<Item, Broken> {
        let mut fields = Vec::new();
        let mut number = 0i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(Item::Fields(fields));
            }
            number = match head >> 4 {
                0 => i16::try_from(self.signed()?).map_err(|_| Broken::Damaged)?,
                step => number.checked_add(i16::from(step)).ok_or(Broken::Damaged)?,
            };
            let item = match head & 15 {
                1 => Item::Bool(true),
                2 => Item::Bool(false),
                kind => self.item(kind, depth)?,
            };
            self.count()?;
            fields.push((number, item));
        }
    }

    fn count(&mut self) -> Result<(), Broken> {
        self.left = self.left.checked_sub(1).ok_or(Broken::Damaged)?;
        Ok(())
    }

    fn item(&mut self, kind: u8, depth: u32) -> Result<Item, Broken> {
        if depth == MAX_DEPTH {
            return Err(Broken::Damaged);
        }
        Ok(match kind {
            // Inside of lists.
            1 | 2 => Item::Bool(self.byte()? == 1),
            3 => Item::Whole(i64::from(self.byte()? as i8)),
            4..=6 => Item::Whole(self.signed()?),
            7 => {
                self.rest = self.rest.get(8..).ok_or(Broken::EndsEarly)?;
                Item::Double
            }
            8 => {
                let length = usize::try_from(self.unsigned()?).map_err(|_| Broken::Damaged)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Broken::EndsEarly)?;
                self.rest = rest;
                Item::Bytes(bytes.into())
            }
            9 | 10 => {
                let head = self.byte()?;
                let n = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
                self.items(n, &[head & 15], depth)?
            }
            11 => {
                let n = self.unsigned()?;
                let kinds = if n == 0 { 0 } else { self.byte()? };
                self.items(n.saturating_mul(2), &[kinds >> 4, kinds & 15], depth)?
            }
            12 => self.fields(depth + 1)?,
            _ => return Err(Broken::Damaged),
        })
    }

    fn items(&mut self, n: u64, kinds: &[u8], depth: u32) -> Result<Item, Broken> {
        let mut items = Vec::new();
        for i in 0..n {
            self.count()?;
            items.push(self.item(kinds[i as usize % kinds.len()], depth + 1)?);
        }
        Ok(Item::List(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_read_whole_or_not_at_all() {
        // 1: 5, 2: "ab", 3: [1, 2], 20: true, 21: {}
        let bytes = [0x15, 10, 0x18, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0x01, 40, 0x1c, 0, 0, 99];
        let (item, length) = structure(&bytes).unwrap();
        assert_eq!((item.whole(1), item.text(2), length), (Some(5), Some("ab".to_owned()), 15));
        assert_eq!(item.list(3), [Item::Whole(1), Item::Whole(2)]);
        assert_eq!((item.get(20), item.get(21)), (Some(&Item::Bool(true)), Some(&Item::Fields(Vec::new()))));
        for end in 0..15 {
            assert_eq!(structure(&bytes[..end]), Err(Broken::EndsEarly), "{end}");
        }
    }

    #[test]
    fn claims_are_not_believed() {
        // A list of 2^60 booleans, and structures in structures without an end.
        let list = [&[0x19, 0xf1][..], &[0x80; 8], &[0x10]].concat();
        assert_eq!(structure(&[&list[..], &[1; 100]].concat()), Err(Broken::EndsEarly));
        assert_eq!(structure(&[0x1c; 10_000]), Err(Broken::Damaged));
        assert_eq!(structure(&[0x19, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Err(Broken::EndsEarly));
    }
}
