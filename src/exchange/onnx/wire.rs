//! Protocol buffers' wire format (protobuf.dev/programming-guides/encoding): bytes → fields of a message; [`crate::protobuf`] writes
//! them. Own code, because two hundred lines read a file in place, without a copy of its weights and with every count held against
//! the bytes that are there, which no generated reader does.

use crate::diag::{Fault, codes};

/// The most messages and texts in a file; each takes more memory than bytes in the file.
const MAX_PARTS: usize = 1_000_000;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
}

/// The fields of a message in turn.
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// How many parts a file may still have.
pub struct Budget(usize);

impl Default for Budget {
    fn default() -> Budget {
        Budget(MAX_PARTS)
    }
}

impl Budget {
    pub fn spend(&mut self) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| damaged("it has more than a million parts"))?;
        Ok(())
    }
}

/// The complaint about a file that is not whole or not of the format.
pub fn damaged(what: impl std::fmt::Display) -> Fault {
    Fault::new(codes::EXCHANGE_IN, format!("the file is damaged: {what}")).advise("copy or export it again")
}

impl<'a> Fields<'a> {
    pub fn of(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes }
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], Fault> {
        let whole = usize::try_from(n).ok().and_then(|n| self.rest.split_at_checked(n));
        let (taken, rest) = whole.ok_or_else(|| {
            damaged(format!("a field of {n} bytes ends beyond the file, where {} are left", self.rest.len()))
        })?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next field with its number; `None` at the message's end.
    pub fn following(&mut self) -> Result<Option<(u32, Content<'a>)>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = varint(&mut self.rest)?;
        let field = u32::try_from(tag >> 3).map_err(|_| damaged("a field has no number"))?;
        let content = match tag & 7 {
            0 => Content::Varint(varint(&mut self.rest)?),
            1 => Content::Fixed64(fixed(self.take(8)?)),
            2 => {
                let n = varint(&mut self.rest)?;
                Content::Bytes(self.take(n)?)
            }
            5 => Content::Fixed32(fixed(self.take(4)?)),
            kind => return Err(damaged(format!("a field of the unknown kind {kind}"))),
        };
        Ok(Some((field, content)))
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bytes.get(i).copied().unwrap_or_default())
}

/// The number at the front of `rest`, which begins behind it afterwards.
pub fn varint(rest: &mut &[u8]) -> Result<u64, Fault> {
    number(|| {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        Some(byte)
    })
}

/// The number that begins with the next of these bytes.
pub fn number(mut next: impl FnMut() -> Option<u8>) -> Result<u64, Fault> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = next().ok_or_else(|| damaged("it is cut short in a number"))?;
        if shift < 64 {
            value |= u64::from(byte & 0x7f) << shift;
        }
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(damaged("a number has more than ten bytes"))
}

impl<'a> Content<'a> {
    pub fn bytes(self) -> Result<&'a [u8], Fault> {
        match self {
            Content::Bytes(bytes) => Ok(bytes),
            Content::Varint(_) | Content::Fixed32(_) | Content::Fixed64(_) => {
                Err(damaged("a number stands where a text or a message belongs"))
            }
        }
    }

    pub fn text(self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| damaged("a text is not UTF-8"))
    }

    pub fn int(self) -> Result<i64, Fault> {
        match self {
            Content::Varint(value) => Ok(value as i64),
            Content::Bytes(_) | Content::Fixed32(_) | Content::Fixed64(_) => {
                Err(damaged("a whole number is written as something else"))
            }
        }
    }

    pub fn float(self) -> Result<f32, Fault> {
        match self {
            Content::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            Content::Varint(_) | Content::Bytes(_) | Content::Fixed64(_) => {
                Err(damaged("a number is written as something else"))
            }
        }
    }

    /// Whole numbers, packed or a single one, put behind others.
    pub fn ints(self, into: &mut Vec<i64>) -> Result<(), Fault> {
        match self {
            Content::Varint(value) => into.push(value as i64),
            Content::Bytes(mut packed) => {
                while !packed.is_empty() {
                    into.push(varint(&mut packed)? as i64);
                }
            }
            Content::Fixed32(_) | Content::Fixed64(_) => {
                return Err(damaged("a whole number is written as something else"));
            }
        }
        Ok(())
    }

    /// Numbers of `N` bytes, packed or a single one, put behind others as they are.
    pub fn raw<const N: usize>(self, into: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Content::Fixed32(bytes) if N == 4 => into.extend(bytes),
            Content::Fixed64(bytes) if N == 8 => into.extend(bytes),
            Content::Bytes(bytes) if bytes.len() % N == 0 => into.extend_from_slice(bytes),
            Content::Bytes(_) | Content::Fixed32(_) | Content::Fixed64(_) | Content::Varint(_) => {
                return Err(damaged("numbers are written as something else"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::Message;

    #[test]
    fn what_is_written_is_read() {
        let inner = Message::default().text(1, "relu").int(2, -1);
        let written = Message::default().message(3, &inner).float(4, 0.5).ints(5, [1, 300]);
        let mut fields = Fields::of(&written.0);
        let (field, content) = fields.following().unwrap().unwrap();
        assert_eq!((field, content.bytes().unwrap()), (3, inner.0.as_slice()));
        let mut read = Fields::of(content.bytes().unwrap());
        assert_eq!(read.following().unwrap().unwrap().1.text().unwrap(), "relu");
        assert_eq!(read.following().unwrap().unwrap().1.int().unwrap(), -1);
        assert_eq!(fields.following().unwrap().unwrap().1.float().unwrap(), 0.5);
        let mut ints = Vec::new();
        while let Some((_, content)) = fields.following().unwrap() {
            content.ints(&mut ints).unwrap();
        }
        assert_eq!(ints, [1, 300]);
    }

    #[test]
    fn lengths_are_held_against_the_bytes_that_are_there() {
        let mut long = Message::default();
        long.head(1, 1 << 60);
        assert!(Fields::of(&long.0).following().unwrap_err().message.contains("beyond the file"));
        assert!(varint(&mut [0xff; 12].as_slice()).is_err());
        assert!(varint(&mut [0xff; 3].as_slice()).is_err());
    }
}
