//! A header's messages → its attributes that are texts: one or a list, of one length or of any, which then lie in a heap of the file.

use crate::weights::hdf5::Hdf5;
use crate::weights::hdf5::array::{extents, kind};
use crate::weights::hdf5::bytes::padded;
use crate::weights::hdf5::header::Message;

/// The most texts of an attribute, and their bytes together.
const MAX_TEXTS: usize = 200_000;
const MAX_BYTES: usize = 1 << 28;

/// An attribute whose texts are not read yet.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    form: Form,
    n: usize,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Texts of so many bytes.
    Fixed(usize),
    /// Places in the heap.
    Any,
    /// No texts.
    Other,
}

/// Every attribute of a header.
pub(super) fn read(file: &Hdf5, messages: &[Message<'_>]) -> Result<Vec<(String, Stored)>, String> {
    let (mut found, mut held) = (Vec::new(), 0u64);
    for message in messages {
        match message.kind {
            Message::ATTRIBUTE if message.is_shared => {
                return Err("has an attribute that stands elsewhere, which is not read".to_owned());
            }
            Message::ATTRIBUTE => {
                file.spend()?;
                let (name, stored) = attribute(message)?;
                // No byte belongs to two attributes; parts of a header that lead to themselves would give them without end.
                held = held.saturating_add((name.len() + stored.bytes.len()) as u64);
                if held > file.content.len().saturating_mul(3) {
                    return Err("is damaged: the attributes in a header are longer than the file".to_owned());
                }
                found.push((name, stored));
            }
            Message::ATTRIBUTE_INFO => {
                let mut body = message.body;
                body.skip(1)?;
                let flags = body.u8()?;
                body.skip(if flags & 1 == 0 { 0 } else { 2 })?;
                if body.u64()? != super::NOWHERE {
                    return Err("keeps attributes in a way that is not read (a fractal heap)".to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn attribute(message: &Message<'_>) -> Result<(String, Stored), String> {
    let mut at = message.body;
    let version = at.u8()?;
    let flags = at.u8()?;
    if !(1..=3).contains(&version) {
        return Err(format!("has an attribute of version {version}, which is not read"));
    }
    let lengths = [at.u16()?, at.u16()?, at.u16()?].map(usize::from);
    at.skip(usize::from(version == 3))?;
    let whole = |n: usize| if version == 1 { padded(n) } else { n };
    let name = at.part(whole(lengths[0]))?.text()?;
    let (datatype, dataspace) = (at.part(whole(lengths[1]))?, at.part(whole(lengths[2]))?);
    // A datatype or dataspace that stands elsewhere is none of a text by h5py.
    if version > 1 && flags & 3 != 0 {
        return Ok((name, Stored { form: Form::Other, n: 0, bytes: Vec::new() }));
    }
    let kind = kind(datatype)?;
    let n = match extents(dataspace)? {
        None => 0,
        Some(shape) => {
            shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent)).unwrap_or(usize::MAX)
        }
    };
    let form = match kind.class {
        3 => Form::Fixed(kind.size),
        9 if kind.is_text => Form::Any,
        _ => Form::Other,
    };
    if form == Form::Other {
        // Keras has an empty list of names as numbers.
        return Ok((name, Stored { form, n, bytes: Vec::new() }));
    }
    let length = n.checked_mul(kind.size).filter(|_| n <= MAX_TEXTS);
    let length = length.ok_or_else(|| format!("is damaged: the attribute `{name}` claims {n} texts"))?;
    let bytes = at.take(length)?;
    Ok((name, Stored { form, n, bytes }))
}

impl Stored {
    pub fn texts(&self, file: &Hdf5) -> Result<Vec<String>, String> {
        let text = |bytes: &[u8]| {
            let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        match self.form {
            Form::Other if self.n == 0 => Ok(Vec::new()),
            Form::Other => Err("has an attribute that is no text where one belongs".to_owned()),
            Form::Fixed(size) => Ok(self.bytes.chunks_exact(size).take(self.n).map(text).collect()),
            Form::Any => {
                let (mut out, mut left) = (Vec::new(), MAX_BYTES);
                for place in self.bytes.chunks_exact(16).take(self.n) {
                    file.spend()?;
                    let mut at = super::bytes::Bytes::of(place);
                    let (length, heap, index) = (at.u32()? as usize, at.u64()?, at.u32()?);
                    left = left.checked_sub(length).ok_or("is damaged: its texts are longer than memory")?;
                    out.push(match length {
                        0 => String::new(),
                        _ => text(&shared(file, heap, index, length)?),
                    });
                }
                Ok(out)
            }
        }
    }
}

/// An object of a heap that the whole file shares.
fn shared(file: &Hdf5, heap: u64, index: u32, length: usize) -> Result<Vec<u8>, String> {
    let mut at = file.at(heap)?;
    at.expect(b"GCOL", "a heap of texts")?;
    at.skip(4)?;
    let size = at.count()?.checked_sub(16).ok_or("is damaged: a heap of texts is too short")?;
    let mut at = at.part(size)?;
    while at.len() >= 16 {
        file.spend()?;
        let own = u32::from(at.u16()?);
        at.skip(6)?;
        let size = at.count()?;
        if own == index {
            let mut own = at.part(size)?;
            return match length <= own.len() {
                true => own.take(length),
                false => Err("is damaged: a text is cut short".to_owned()),
            };
        }
        if own == 0 {
            break;
        }
        at.skip(size.checked_next_multiple_of(8).ok_or("is damaged: a heap of texts has no end")?)?;
    }
    Err("is damaged: a text is not where it should be".to_owned())
}
