//! An HDF5 file → its groups, arrays and attributes of texts, as far as h5py and Keras write them (HDF5 File Format Specification,
//! version 3): superblocks 0 to 3, groups as symbol tables or links in a header, arrays that are contiguous, compact or in chunks.
//!
//! Own code, since the pure-Rust libraries there are have a hundred thousand lines or thirty crates behind them, and since every
//! count here is held against the bytes that are there: addresses lead inside the file or are refused, trees become smaller
//! with every step, and the number of parts that are looked at is bounded.

mod array;
mod attribute;
mod bytes;
mod content;
mod header;

use std::cell::Cell;
use std::rc::Rc;

pub use crate::weights::hdf5::array::Array;
use crate::weights::hdf5::bytes::Bytes;
pub use crate::weights::hdf5::content::Content;
use crate::weights::hdf5::header::{Message, messages};

/// What every file begins with.
pub const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// The most headers, nodes of trees and texts that are looked at.
const MAX_PARTS: usize = 4_000_000;
/// An address that is none.
const NOWHERE: u64 = u64::MAX;

/// A file that is open.
#[derive(Clone)]
pub struct Hdf5 {
    content: Rc<Content>,
    /// What addresses are counted from.
    base: u64,
    root: u64,
    left: Rc<Cell<usize>>,
}

impl std::fmt::Debug for Hdf5 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an HDF5 file of {} bytes", self.content.len())
    }
}

/// What a name in a group leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The header at this address.
    Header(u64),
    /// Something by its name, here or in another file, which is never followed.
    Elsewhere,
}

/// A group: names, and what they lead to.
#[derive(Clone, Debug)]
pub struct Group {
    file: Hdf5,
    links: Vec<(String, Target)>,
    attributes: Vec<(String, attribute::Stored)>,
}

/// What has a header of its own.
#[derive(Clone, Debug)]
pub enum Object {
    Group(Group),
    Array(Array),
}

impl Hdf5 {
    /// Reads where the file's root is.
    ///
    /// # Errors
    /// In words that go on after "the file": what is damaged, or which kind of file is not read.
    pub fn open(content: Content) -> Result<Hdf5, String> {
        let mut file =
            Hdf5 { content: Rc::new(content), base: 0, root: 0, left: Rc::new(Cell::new(MAX_PARTS)) };
        (file.base, file.root) = file.superblock()?;
        Ok(file)
    }

    /// What addresses are counted from, and where the root is.
    fn superblock(&self) -> Result<(u64, u64), String> {
        let mut at = self.at(0)?;
        if at.fixed()? != SIGNATURE {
            return Err("is no HDF5 file".to_owned());
        }
        let (version, base, root, end);
        match at.u8()? {
            own @ 0..=1 => {
                version = own;
                at.skip(4)?;
                at.word_sizes()?;
                // Reserved, the sizes of nodes, flags; of version 1 also the size of chunks' nodes.
                at.skip(1 + 4 + 4 + if version == 1 { 4 } else { 0 })?;
                base = at.u64()?;
                at.skip(8)?;
                end = at.u64()?;
                at.skip(8 + 8)?;
                root = at.u64()?;
            }
            own @ 2..=3 => {
                version = own;
                at.word_sizes()?;
                at.skip(1)?;
                base = at.u64()?;
                at.skip(8)?;
                end = at.u64()?;
                root = at.u64()?;
            }
            other => return Err(format!("has an HDF5 superblock of version {other}, which is not read")),
        }
        let length = self.content.len();
        if base.saturating_add(end) > length {
            return Err(format!("is cut short: it says {end} bytes, it has {length} (superblock {version})"));
        }
        Ok((base, root))
    }

    /// The file's root.
    pub fn root(&self) -> Result<Group, String> {
        match self.object(self.root)? {
            Object::Group(group) => Ok(group),
            Object::Array(_) => Err("has an array where its root should be".to_owned()),
        }
    }

    /// The bytes from an address on.
    fn at(&self, address: u64) -> Result<Bytes<'_>, String> {
        let start = self.base.checked_add(address).filter(|_| address != NOWHERE);
        let rest = start.and_then(|at| Bytes::within(&self.content, at));
        rest.ok_or_else(|| format!("is damaged: the address {address} lies beyond its end"))
    }

    /// Counts a part that is looked at.
    fn spend(&self) -> Result<(), String> {
        self.spend_on("")
    }

    /// Counts a part with a name that is kept. Every 64 bytes of it count as a part, as many names may lie at one place.
    fn spend_on(&self, name: &str) -> Result<(), String> {
        let left = self.left.get().checked_sub(1 + name.len() / 64);
        self.left.set(left.ok_or("is damaged: its parts lead to each other without end")?);
        Ok(())
    }

    fn object(&self, address: u64) -> Result<Object, String> {
        let messages = messages(self, address)?;
        let has = |wanted: &[u16]| messages.iter().any(|message| wanted.contains(&message.kind));
        if has(&[Message::LAYOUT]) {
            return Ok(Object::Array(array::read(self, &messages)?));
        }
        let attributes = attribute::read(self, &messages)?;
        Ok(Object::Group(Group { file: self.clone(), links: header::links(self, &messages)?, attributes }))
    }
}

impl Group {
    /// Its names, in the file's order, which is that of the alphabet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.links.iter().map(|(name, _)| name.as_str())
    }

    /// What a name leads to; `None` where there is no such name.
    pub fn get(&self, name: &str) -> Result<Option<Object>, String> {
        match self.links.iter().find(|(own, _)| own == name) {
            None => Ok(None),
            Some((_, Target::Header(address))) => self.file.object(*address).map(Some),
            Some((_, Target::Elsewhere)) => {
                Err(format!("has a link `{name}` that leads elsewhere, which is not followed"))
            }
        }
    }

    /// The group of that name; `None` where there is none.
    pub fn group(&self, name: &str) -> Result<Option<Group>, String> {
        Ok(match self.get(name)? {
            Some(Object::Group(group)) => Some(group),
            Some(Object::Array(_)) | None => None,
        })
    }

    /// The array at a path of names with `/` between them; `None` where there is none.
    pub fn array(&self, path: &str) -> Result<Option<Array>, String> {
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        let mut within: Option<Group> = None;
        while let Some(name) = names.next() {
            let found = within.as_ref().unwrap_or(self).get(name)?;
            match (found, names.peek()) {
                (Some(Object::Array(array)), None) => return Ok(Some(array)),
                (Some(Object::Group(group)), Some(_)) => within = Some(group),
                (Some(Object::Array(_) | Object::Group(_)) | None, _) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The texts of an attribute: one, or a list; `None` where there is no such attribute.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        let stored = self.attributes.iter().find(|(own, _)| own == name);
        stored.map(|(_, stored)| stored.texts(&self.file)).transpose()
    }
}
