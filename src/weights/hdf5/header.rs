//! An object's header → its messages, and the names that those of a group hold.

use crate::weights::hdf5::bytes::Bytes;
use crate::weights::hdf5::{Hdf5, NOWHERE, Target};

/// The most messages of a header, and parts that it is continued in.
const MAX_MESSAGES: usize = 100_000;
/// The most names in a group.
const MAX_LINKS: usize = 200_000;
/// The longest name.
const MAX_NAME: usize = 4096;

/// A message of a header: what kind it is, and its bytes.
pub(super) struct Message<'a> {
    pub kind: u16,
    pub body: Bytes<'a>,
    /// Whether its contents stand elsewhere in the file.
    pub is_shared: bool,
}

impl Message<'_> {
    pub const DATASPACE: u16 = 0x01;
    const LINK_INFO: u16 = 0x02;
    pub const DATATYPE: u16 = 0x03;
    const LINK: u16 = 0x06;
    pub const EXTERNAL: u16 = 0x07;
    pub const LAYOUT: u16 = 0x08;
    pub const FILTERS: u16 = 0x0b;
    pub const ATTRIBUTE: u16 = 0x0c;
    const CONTINUATION: u16 = 0x10;
    const SYMBOL_TABLE: u16 = 0x11;
    pub const ATTRIBUTE_INFO: u16 = 0x15;
}

/// Every message of the header at an address, those that it is continued in among them.
pub(super) fn messages<'a>(file: &'a Hdf5, address: u64) -> Result<Vec<Message<'a>>, String> {
    file.spend()?;
    let mut at = file.at(address)?;
    let mut found = Vec::new();
    let mut look = at;
    if look.fixed()? == *b"OHDR" {
        at = look;
        if at.u8()? != 2 {
            return Err("has a header of a version that is not read".to_owned());
        }
        let flags = at.u8()?;
        at.skip(if flags & 0x20 == 0 { 0 } else { 16 } + if flags & 0x10 == 0 { 0 } else { 4 })?;
        let size = at.sized(flags)?;
        let size = usize::try_from(size).map_err(|_| "is damaged: a header is larger than memory")?;
        let mut parts = vec![at.part(size)?];
        while let Some(part) = parts.pop() {
            for (from, length) in new_messages(file, part, flags & 4 != 0, &mut found)? {
                let mut next = file.at(from)?.part(length)?;
                next.expect(b"OCHK", "the rest of a header")?;
                let inner =
                    next.len().checked_sub(4).ok_or("is damaged: the rest of a header is too short")?;
                parts.push(next.part(inner)?);
            }
        }
        return Ok(found);
    }
    if at.u8()? != 1 {
        return Err("is damaged: something has no header".to_owned());
    }
    at.skip(1 + 2 + 4)?;
    let size = at.u32()? as usize;
    at.skip(4)?;
    let mut parts = vec![at.part(size)?];
    while let Some(part) = parts.pop() {
        for (from, length) in old_messages(file, part, &mut found)? {
            parts.push(file.at(from)?.part(length)?);
        }
    }
    Ok(found)
}

type Continued = Vec<(u64, usize)>;

/// Messages as files have had them from the beginning.
fn old_messages<'a>(
    file: &Hdf5,
    mut at: Bytes<'a>,
    found: &mut Vec<Message<'a>>,
) -> Result<Continued, String> {
    let mut more = Vec::new();
    while at.len() >= 8 {
        let (kind, size, flags) = (at.u16()?, at.u16()?, at.u8()?);
        at.skip(3)?;
        keep(file, kind, flags, at.part(usize::from(size))?, found, &mut more)?;
    }
    Ok(more)
}

/// Messages of headers of version 2.
fn new_messages<'a>(
    file: &Hdf5,
    mut at: Bytes<'a>,
    has_order: bool,
    found: &mut Vec<Message<'a>>,
) -> Result<Continued, String> {
    let mut more = Vec::new();
    let head = if has_order { 6 } else { 4 };
    while at.len() >= head {
        let (kind, size, flags) = (at.u8()?, at.u16()?, at.u8()?);
        at.skip(head - 4)?;
        keep(file, u16::from(kind), flags, at.part(usize::from(size))?, found, &mut more)?;
    }
    Ok(more)
}

fn keep<'a>(
    file: &Hdf5,
    kind: u16,
    flags: u8,
    mut body: Bytes<'a>,
    found: &mut Vec<Message<'a>>,
    more: &mut Continued,
) -> Result<(), String> {
    file.spend()?;
    if found.len() + more.len() > MAX_MESSAGES {
        return Err("is damaged: a header has messages without end".to_owned());
    }
    match kind {
        0 => {}
        Message::CONTINUATION => more.push((body.u64()?, body.count()?)),
        _ => found.push(Message { kind, body, is_shared: flags & 2 != 0 }),
    }
    Ok(())
}

/// The names of a group and what they lead to.
pub(super) fn links(file: &Hdf5, messages: &[Message<'_>]) -> Result<Vec<(String, Target)>, String> {
    let mut links = Vec::new();
    for message in messages {
        let mut body = message.body;
        match message.kind {
            Message::SYMBOL_TABLE => {
                let (tree, heap) = (body.u64()?, body.u64()?);
                let names = heap_of(file, heap)?;
                symbols(file, tree, None, names, &mut links)?;
            }
            Message::LINK => {
                let (name, target) = link(body)?;
                file.spend_on(&name)?;
                links.push((name, target));
            }
            Message::LINK_INFO => {
                body.skip(1)?;
                let flags = body.u8()?;
                body.skip(if flags & 1 == 0 { 0 } else { 8 })?;
                if body.u64()? != NOWHERE {
                    return Err(
                        "keeps the names of a group in a way that is not read (a fractal heap)".to_owned()
                    );
                }
            }
            _ => {}
        }
        if links.len() > MAX_LINKS {
            return Err(format!("has a group with more than {MAX_LINKS} names"));
        }
    }
    Ok(links)
}

/// The bytes of a local heap, in which names lie.
fn heap_of(file: &Hdf5, address: u64) -> Result<Bytes<'_>, String> {
    let mut at = file.at(address)?;
    at.expect(b"HEAP", "a heap of names")?;
    at.skip(4)?;
    let size = at.count()?;
    at.skip(8)?;
    let data = at.u64()?;
    file.at(data)?.part(size)
}

/// The names below a node of a group's tree; `level` is what it must be below.
fn symbols(
    file: &Hdf5,
    address: u64,
    level: Option<u8>,
    names: Bytes<'_>,
    links: &mut Vec<(String, Target)>,
) -> Result<(), String> {
    file.spend()?;
    let mut at = file.at(address)?;
    at.expect(b"TREE", "a tree of names")?;
    let (kind, own) = (at.u8()?, at.u8()?);
    if kind != 0 || level.is_some_and(|level| own >= level) {
        return Err("is damaged: a tree of names leads to something else".to_owned());
    }
    let n = at.u16()?;
    at.skip(8 + 8)?;
    for _ in 0..n {
        at.skip(8)?;
        let child = at.u64()?;
        match own {
            0 => leaf(file, child, names, links)?,
            _ => symbols(file, child, Some(own), names, links)?,
        }
    }
    Ok(())
}

fn leaf(
    file: &Hdf5,
    address: u64,
    names: Bytes<'_>,
    links: &mut Vec<(String, Target)>,
) -> Result<(), String> {
    file.spend()?;
    let mut at = file.at(address)?;
    at.expect(b"SNOD", "a list of names")?;
    at.skip(2)?;
    for _ in 0..at.u16()? {
        let (offset, header) = (at.count()?, at.u64()?);
        let cached = at.u32()?;
        at.skip(4 + 16)?;
        let mut name = names;
        name.skip(offset)?;
        // One byte more than there may be, to see that there are more.
        let name = named(&name.part(name.len().min(MAX_NAME + 1))?.text()?)?;
        file.spend_on(&name)?;
        links.push((name, if cached == 2 { Target::Elsewhere } else { Target::Header(header) }));
        if links.len() > MAX_LINKS {
            return Err(format!("has a group with more than {MAX_LINKS} names"));
        }
    }
    Ok(())
}

fn link(mut at: Bytes<'_>) -> Result<(String, Target), String> {
    at.skip(1)?;
    let flags = at.u8()?;
    let kind = if flags & 8 == 0 { 0 } else { at.u8()? };
    at.skip(if flags & 4 == 0 { 0 } else { 8 } + usize::from(flags & 16 != 0))?;
    let length = at.sized(flags)?;
    let length = usize::try_from(length).map_err(|_| "is damaged: a name is larger than memory")?;
    let name = named(&at.part(length)?.text()?)?;
    Ok((name, if kind == 0 { Target::Header(at.u64()?) } else { Target::Elsewhere }))
}

/// A name that may be shown.
fn named(name: &str) -> Result<String, String> {
    match name.len() <= MAX_NAME && !name.chars().any(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err("is damaged: a name in it is no text".to_owned()),
    }
}
