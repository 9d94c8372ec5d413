//! A header's messages → an array: its extents, its kind of numbers, where its bytes lie; and its numbers, when somebody wants
//! them.

use std::io::Read;

use crate::shape::MAX_ELEMENTS;
use crate::weights::elements::{Element, Order};
use crate::weights::hdf5::attribute;
use crate::weights::hdf5::bytes::{Bytes, padded};
use crate::weights::hdf5::header::Message;
use crate::weights::hdf5::{Hdf5, NOWHERE};

/// The most axes of an array.
const MAX_AXES: usize = 32;
/// How many times larger a chunk may be than what it is packed to: no stream of deflate has more.
const MAX_PACKED: usize = 1040;

/// An array whose numbers are not read yet.
#[derive(Clone, Debug)]
pub struct Array {
    file: Hdf5,
    pub shape: Vec<usize>,
    /// `None` where its elements are no numbers that are read here.
    pub element: Option<Element>,
    order: Order,
    size: usize,
    layout: Layout,
    filters: Vec<Filter>,
}

#[derive(Clone, Debug)]
enum Layout {
    Compact(Vec<u8>),
    Contiguous { address: u64, length: usize },
    Chunks { tree: u64, extents: Vec<usize> },
    Unread(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Deflate,
    Shuffle,
    Checksum,
    Unread(u16),
}

/// The kind of elements: bytes each has, and what they are.
pub(super) struct Kind {
    pub size: usize,
    pub class: u8,
    pub element: Option<Element>,
    order: Order,
    /// Of elements that are texts of any length.
    pub is_text: bool,
}

/// Extents of a dataspace; `None` of one without elements.
pub(super) fn extents(mut at: Bytes<'_>) -> Result<Option<Vec<usize>>, String> {
    let (version, rank, _) = (at.u8()?, usize::from(at.u8()?), at.u8()?);
    let kind = at.u8()?;
    match version {
        1 => at.skip(4)?,
        2 if kind == 2 => return Ok(None),
        2 => {}
        other => return Err(format!("has a dataspace of version {other}, which is not read")),
    }
    if rank > MAX_AXES {
        return Err(format!("is damaged: an array in it has {rank} axes"));
    }
    (0..rank).map(|_| at.count()).collect::<Result<Vec<_>, _>>().map(Some)
}

/// The kind of elements that a datatype message says.
pub(super) fn kind(mut at: Bytes<'_>) -> Result<Kind, String> {
    let class = at.u8()?;
    let flags = at.u8()?;
    at.skip(2)?;
    let size = at.u32()? as usize;
    let order = if flags & 1 == 0 { Order::Little } else { Order::Big };
    let class = class & 0x0f;
    let element = match (class, size) {
        (0, 1) => Some(if flags & 8 == 0 { Element::U8 } else { Element::I8 }),
        (0, 2) if flags & 8 != 0 => Some(Element::I16),
        (0, 4) if flags & 8 != 0 => Some(Element::I32),
        (0, 8) if flags & 8 != 0 => Some(Element::I64),
        (1, 2 | 4 | 8) => {
            at.skip(4 + 1)?;
            match (size, at.u8()?) {
                (2, 5) => Some(Element::F16),
                (2, 8) => Some(Element::Bf16),
                (4, 8) => Some(Element::F32),
                (8, 11) => Some(Element::F64),
                _ => None,
            }
        }
        // What h5py makes of bool.
        (8, 1) => Some(Element::Bool),
        _ => None,
    };
    if size == 0 {
        return Err("is damaged: elements of an array in it have no bytes".to_owned());
    }
    Ok(Kind { size, class, element, order, is_text: class == 9 && flags & 0x0f == 1 })
}

pub(super) fn read(file: &Hdf5, messages: &[Message<'_>]) -> Result<Array, String> {
    let find = |wanted: u16| match messages.iter().find(|message| message.kind == wanted) {
        Some(message) if message.is_shared => Err("has an array that is described elsewhere".to_owned()),
        Some(message) => Ok(Some(message.body)),
        None => Ok(None),
    };
    let lost = || "is damaged: an array in it has no extents or no kind".to_owned();
    let shape = extents(find(Message::DATASPACE)?.ok_or_else(lost)?)?.unwrap_or_else(|| vec![0]);
    let mut kind = kind(find(Message::DATATYPE)?.ok_or_else(lost)?)?;
    // Keras has these as two bytes of no kind.
    if (kind.class, kind.size) == (5, 2) {
        let attributes = attribute::read(file, messages)?;
        let named = attributes.iter().find(|(name, _)| name == "dtype");
        let is_half = named.map(|(_, stored)| stored.texts(file)).transpose()?;
        kind.element = is_half.filter(|texts| texts == &["bfloat16"]).map(|_| Element::Bf16);
    }
    let filters = find(Message::FILTERS)?.map(filters).transpose()?.unwrap_or_default();
    let mut layout = layout(find(Message::LAYOUT)?.ok_or_else(lost)?, shape.len())?;
    if find(Message::EXTERNAL)?.is_some() {
        layout = Layout::Unread("has its numbers in another file");
    }
    let Kind { size, element, order, .. } = kind;
    Ok(Array { file: file.clone(), shape, element, order, size, layout, filters })
}

fn layout(mut at: Bytes<'_>, rank: usize) -> Result<Layout, String> {
    let version = at.u8()?;
    match version {
        1 | 2 => {
            let (n, class) = (usize::from(at.u8()?), at.u8()?);
            at.skip(5)?;
            let address = if class == 0 { NOWHERE } else { at.u64()? };
            let extents = (0..n).map(|_| at.u32().map(|n| n as usize)).collect::<Result<Vec<_>, _>>()?;
            Ok(match class {
                0 => {
                    let length = at.u32()? as usize;
                    Layout::Compact(at.take(length)?)
                }
                1 => Layout::Contiguous { address, length: usize::MAX },
                _ => chunks(address, extents, rank)?,
            })
        }
        3 | 4 => match (at.u8()?, version) {
            (0, _) => {
                let length = usize::from(at.u16()?);
                Ok(Layout::Compact(at.take(length)?))
            }
            (1, _) => Ok(Layout::Contiguous { address: at.u64()?, length: at.count()? }),
            (2, 3) => {
                let n = usize::from(at.u8()?);
                let tree = at.u64()?;
                let extents = (0..n).map(|_| at.u32().map(|n| n as usize)).collect::<Result<Vec<_>, _>>()?;
                chunks(tree, extents, rank)
            }
            (2, _) => Ok(Layout::Unread("has chunks of the latest form of HDF5")),
            _ => Ok(Layout::Unread("is put together of other arrays")),
        },
        other => Err(format!("has an array whose layout is of version {other}, which is not read")),
    }
}

/// `extents` are those of a chunk, and behind them the bytes of an element.
fn chunks(tree: u64, mut extents: Vec<usize>, rank: usize) -> Result<Layout, String> {
    extents.pop();
    match extents.len() == rank && !extents.contains(&0) {
        true => Ok(Layout::Chunks { tree, extents }),
        false => Err("is damaged: the chunks of an array in it have other axes".to_owned()),
    }
}

fn filters(mut at: Bytes<'_>) -> Result<Vec<Filter>, String> {
    let (version, n) = (at.u8()?, at.u8()?);
    at.skip(if version == 1 { 6 } else { 0 })?;
    let mut found = Vec::new();
    for _ in 0..n {
        let id = at.u16()?;
        let length = if version == 1 || id >= 256 { usize::from(at.u16()?) } else { 0 };
        at.skip(2)?;
        let values = usize::from(at.u16()?);
        at.skip(if version == 1 { padded(length) } else { length })?;
        at.skip(4 * values + if version == 1 && values % 2 == 1 { 4 } else { 0 })?;
        found.push(match id {
            1 => Filter::Deflate,
            2 => Filter::Shuffle,
            3 => Filter::Checksum,
            other => Filter::Unread(other),
        });
    }
    Ok(found)
}

impl Array {
    /// How many numbers it has.
    ///
    /// # Errors
    /// More than any file has.
    pub fn elements(&self) -> Result<usize, String> {
        let n = self.shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
        n.filter(|&n| n <= MAX_ELEMENTS).ok_or_else(|| format!("claims an array of {:?}", self.shape))
    }

    /// Its numbers, the last axis fastest.
    pub fn numbers(&self) -> Result<Vec<f32>, String> {
        let element = self.element.ok_or("has an array of a kind of elements that is not read")?;
        let bytes = self.bytes()?;
        Ok(bytes.chunks_exact(self.size).map(|own| element.number(own, self.order)).collect())
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        let wanted = self.elements()?.checked_mul(self.size).ok_or("claims an array larger than memory")?;
        let short = |n: usize| format!("is damaged: an array of {:?} has {n} bytes", self.shape);
        match &self.layout {
            Layout::Compact(bytes) if bytes.len() >= wanted => Ok(bytes[..wanted].to_vec()),
            Layout::Compact(bytes) => Err(short(bytes.len())),
            _ if wanted == 0 => Ok(Vec::new()),
            Layout::Contiguous { length, .. } if *length < wanted => Err(short(*length)),
            Layout::Contiguous { address: NOWHERE, .. } => {
                Err("has an array that was never written".to_owned())
            }
            Layout::Contiguous { address, .. } => self.file.at(*address)?.take(wanted),
            Layout::Chunks { tree, extents } => self.gathered(*tree, extents, wanted),
            Layout::Unread(why) => Err(format!("has an array that {why}")),
        }
    }

    /// The bytes of all chunks at their places.
    fn gathered(&self, tree: u64, extents: &[usize], wanted: usize) -> Result<Vec<u8>, String> {
        if let Some(Filter::Unread(id)) =
            self.filters.iter().find(|filter| matches!(filter, Filter::Unread(_)))
        {
            return Err(format!("has an array that is packed by filter {id}; deflate is read"));
        }
        let mut found = Vec::new();
        self.chunks(tree, None, extents.len(), &mut found)?;
        let each = extents.iter().try_fold(self.size, |n, &extent| n.checked_mul(extent));
        let each = each.ok_or("is damaged: a chunk is larger than memory")?;
        // No byte belongs to two chunks.
        let packed = found.iter().fold(0usize, |n, chunk| n.saturating_add(chunk.packed));
        if packed as u64 > self.file.content.len() {
            return Err(format!("is damaged: the chunks of an array in it have {packed} bytes"));
        }
        // Every number is in some chunk, and unpacking gives so many bytes at most.
        let there = packed.saturating_mul(MAX_PACKED);
        let grid = self
            .shape
            .iter()
            .zip(extents)
            .try_fold(1usize, |n, (whole, own)| n.checked_mul(whole.div_ceil(*own)));
        if there < wanted || grid != Some(found.len()) || each > there {
            return Err(format!("is damaged: an array of {:?} has {} chunks", self.shape, found.len()));
        }
        let mut out = vec![0; wanted];
        for chunk in &found {
            let bytes = self.unpacked(chunk, each)?;
            self.place(&bytes, &chunk.begin, extents, &mut out)?;
        }
        Ok(out)
    }

    /// Those below a node of the tree of chunks; `level` is what it must be below.
    fn chunks(
        &self,
        address: u64,
        level: Option<u8>,
        rank: usize,
        found: &mut Vec<Chunk>,
    ) -> Result<(), String> {
        self.file.spend()?;
        let mut at = self.file.at(address)?;
        at.expect(b"TREE", "a tree of chunks")?;
        let (kind, own) = (at.u8()?, at.u8()?);
        if kind != 1 || level.is_some_and(|level| own >= level) {
            return Err("is damaged: a tree of chunks leads to something else".to_owned());
        }
        let n = at.u16()?;
        at.skip(8 + 8)?;
        for _ in 0..n {
            let (packed, skipped) = (at.u32()? as usize, at.u32()?);
            let begin = (0..rank).map(|_| at.count()).collect::<Result<Vec<_>, _>>()?;
            at.skip(8)?;
            let child = at.u64()?;
            match own {
                0 => {
                    self.file.spend()?;
                    // The place of each takes bytes of the file: a tree with more of them leads to itself.
                    if (found.len() * (rank + 1) * 8) as u64 > self.file.content.len() {
                        return Err("is damaged: a tree of chunks has chunks without end".to_owned());
                    }
                    found.push(Chunk { address: child, packed, skipped, begin });
                }
                _ => self.chunks(child, Some(own), rank, found)?,
            }
        }
        Ok(())
    }

    /// A chunk's bytes, with the filters undone from the last to the first.
    fn unpacked(&self, chunk: &Chunk, each: usize) -> Result<Vec<u8>, String> {
        let mut bytes = self.file.at(chunk.address)?.take(chunk.packed)?;
        let used = self.filters.iter().enumerate().filter(|(i, _)| chunk.skipped >> (i & 31) & 1 == 0);
        for (_, filter) in used.collect::<Vec<_>>().into_iter().rev() {
            bytes = match filter {
                Filter::Deflate => {
                    let mut out = Vec::new();
                    // One byte more than there may be, to see that there are more.
                    let most = each as u64 + 4 + 1;
                    flate2::read::ZlibDecoder::new(bytes.as_slice())
                        .take(most)
                        .read_to_end(&mut out)
                        .map_err(|e| format!("is damaged: a chunk cannot be unpacked ({e})"))?;
                    out
                }
                Filter::Shuffle => unshuffled(&bytes, self.size),
                Filter::Checksum => {
                    let end = bytes.len().checked_sub(4).ok_or("is damaged: a chunk is too short")?;
                    bytes.truncate(end);
                    bytes
                }
                Filter::Unread(id) => return Err(format!("has an array that is packed by filter {id}")),
            };
        }
        match bytes.len() == each {
            true => Ok(bytes),
            false => Err(format!("is damaged: a chunk of {each} bytes has {}", bytes.len())),
        }
    }

    /// Copies the part of a chunk that lies inside the array, row by row.
    fn place(&self, chunk: &[u8], begin: &[usize], extents: &[usize], out: &mut [u8]) -> Result<(), String> {
        let outside = || "is damaged: a chunk lies outside of its array".to_owned();
        let mut inside = Vec::with_capacity(begin.len());
        for ((&from, &own), &whole) in begin.iter().zip(extents).zip(&self.shape) {
            inside.push(own.min(whole.checked_sub(from).filter(|&n| n > 0).ok_or_else(outside)?));
        }
        let Some((&row, outer)) = inside.split_last() else { return Err(outside()) };
        let mut place = vec![0; outer.len()];
        loop {
            let (mut from, mut to) = (0, 0);
            for axis in 0..begin.len() {
                let own = place.get(axis).copied().unwrap_or(0);
                from = from * extents[axis] + own;
                to = to * self.shape[axis] + begin[axis] + own;
            }
            let n = row * self.size;
            let (from, to) = (from * self.size, to * self.size);
            let source = chunk.get(from..from + n).ok_or_else(outside)?;
            out.get_mut(to..to + n).ok_or_else(outside)?.copy_from_slice(source);
            let Some(axis) = (0..outer.len()).rev().find(|&axis| place[axis] + 1 < outer[axis]) else {
                return Ok(());
            };
            place[axis] += 1;
            place[axis + 1..].fill(0);
        }
    }
}

struct Chunk {
    address: u64,
    packed: usize,
    /// A bit for each filter that was not used.
    skipped: u32,
    begin: Vec<usize>,
}

/// The first bytes of all elements, then the second ones → elements.
fn unshuffled(bytes: &[u8], size: usize) -> Vec<u8> {
    let n = bytes.len() / size;
    let mut out = bytes.to_vec();
    for i in 0..n {
        for byte in 0..size {
            out[i * size + byte] = bytes[byte * n + i];
        }
    }
    out
}
