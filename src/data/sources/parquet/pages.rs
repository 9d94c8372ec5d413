//! A column's bytes in a Parquet file → its pages, and a page → the places of its values, unpacked one page at a time.
//!
//! Format: apache/parquet-format, README.md, Encodings.md and parquet.thrift.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use crate::data::sources::parquet::thrift::{self, Broken, Item};

/// The largest page, packed and unpacked, in bytes.
pub const MAX_PAGE: u64 = 1 << 28;
/// The longest header of a page, which may repeat its least and largest value.
const MAX_HEADER: u64 = 1 << 24;

/// How values lie in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Physical {
    Bool,
    Int32,
    Int64,
    Float,
    Double,
    Bytes,
}

/// How a column's pages are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    None,
    Snappy,
    Gzip,
    Zstd,
}

/// A column of a row group.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    pub physical: Physical,
    pub codec: Codec,
    /// Whether values may be missing.
    pub is_optional: bool,
    /// Bits of a definition level, and the level of a value that is there.
    pub level_bits: u32,
    pub level: u32,
    /// Of lists the level of a value, whether it is missing or not; what is below it is a list without values.
    pub listed: Option<u32>,
    pub start: u64,
    pub length: u64,
    pub n_values: u64,
}

/// A page.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    kind: Kind,
    /// Of its bytes behind the header.
    offset: u64,
    packed: u64,
    pub unpacked: u64,
    pub n_values: u32,
    encoding: Encoding,
    checksum: Option<u32>,
}

/// How the values of a page are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    /// Places in the dictionary.
    Places,
    /// Runs, of truth values alone.
    Runs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dictionary,
    Data,
    /// Levels stand in front, not packed: bytes of repetition and of definition levels.
    Data2 {
        repetition: u64,
        definition: u64,
        is_packed: bool,
    },
}

/// A value: where it lies in its page or in the dictionary. Numbers are as they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Missing,
    /// Of a list that has none.
    Nothing,
    Truth(bool),
    Whole(i64),
    Number(f64),
    Here(Range<usize>),
    InDictionary(usize),
}

/// What a value is the first of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    Row,
    /// It belongs to the list of the value before.
    Nothing,
}

impl Chunk {
    /// The same for its dictionary, whose values are all there.
    pub fn of_dictionary(self) -> Chunk {
        Chunk { is_optional: false, listed: None, ..self }
    }
}

type Told<T> = Result<T, String>;

pub fn damaged() -> String {
    "is damaged: its pages do not hold what they claim".to_owned()
}

/// The pages of a column, its dictionary first where it has one.
pub fn pages(file: &mut File, chunk: &Chunk) -> Told<(Option<Page>, Vec<Page>)> {
    let (mut dictionary, mut pages, mut n) = (None, Vec::new(), 0);
    let (mut at, end) = (chunk.start, chunk.start + chunk.length);
    while n < chunk.n_values {
        let page = header(file, at, end)?;
        at = page.offset + page.packed;
        match page.kind {
            Kind::Dictionary => dictionary = Some(page),
            Kind::Data | Kind::Data2 { .. } => {
                n += u64::from(page.n_values);
                pages.push(page);
            }
        }
    }
    if n == chunk.n_values { Ok((dictionary, pages)) } else { Err(damaged()) }
}

fn header(file: &mut File, at: u64, end: u64) -> Told<Page> {
    let mut most = 1 << 12;
    loop {
        let there = end.saturating_sub(at).min(most);
        let bytes = bytes(file, at, there)?;
        match thrift::structure(&bytes) {
            Ok((item, length)) => {
                let page = page(&item, at + length as u64).ok_or_else(damaged)??;
                let fits = page.packed <= MAX_PAGE && page.offset + page.packed <= end;
                if page.unpacked > MAX_PAGE {
                    return Err(format!(
                        "has a page of {} bytes; at most {MAX_PAGE} are read",
                        page.unpacked
                    ));
                }
                return if fits { Ok(page) } else { Err(damaged()) };
            }
            Err(Broken::EndsEarly) if there == most && most < MAX_HEADER => most *= 16,
            Err(Broken::EndsEarly | Broken::Damaged) => return Err(damaged()),
        }
    }
}

/// What a header says; `None` where it lacks what it must have.
fn page(item: &Item, offset: u64) -> Option<Told<Page>> {
    let (unpacked, packed) = (item.size(2)?, item.size(3)?);
    let checksum = item.whole(4).map(|sum| sum as u32);
    let of = |kind: Kind, own: &Item, encoding: i16| {
        let encoding = match (kind, own.whole(encoding)?) {
            (Kind::Dictionary, _) | (_, 0) => Encoding::Plain,
            (_, 2 | 8) => Encoding::Places,
            (_, 3) => Encoding::Runs,
            (_, other) => {
                return Some(Err(format!(
                    "has values in the encoding {other}, which is not read (plain and dictionaries are)"
                )));
            }
        };
        let n_values = u32::try_from(own.size(1)?).ok()?;
        Some(Ok(Page { kind, offset, packed, unpacked, n_values, encoding, checksum }))
    };
    match item.whole(1)? {
        0 => of(Kind::Data, item.get(5)?, 2),
        2 => of(Kind::Dictionary, item.get(7)?, 2),
        3 => {
            let own = item.get(8)?;
            let is_packed = own.get(7) != Some(&Item::Bool(false));
            let kind = Kind::Data2 { definition: own.size(5)?, repetition: own.size(6)?, is_packed };
            of(kind, own, 4)
        }
        _ => None,
    }
}

fn bytes(file: &mut File, at: u64, length: u64) -> Told<Vec<u8>> {
    let read = |file: &mut File| {
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes: Vec<u8> = read(file).map_err(|e: std::io::Error| format!("cannot be read: {e}"))?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err("is cut short".to_owned()) }
}

/// The bytes of a page, unpacked.
pub fn unpacked(file: &mut File, chunk: &Chunk, page: &Page) -> Told<Vec<u8>> {
    let mut packed = bytes(file, page.offset, page.packed)?;
    if let Some(sum) = page.checksum {
        let mut own = flate2::Crc::new();
        own.update(&packed);
        if own.sum() != sum {
            return Err("is damaged: a page has another checksum".to_owned());
        }
    }
    let (levels, codec) = match page.kind {
        Kind::Dictionary | Kind::Data => (0, chunk.codec),
        Kind::Data2 { repetition, definition, is_packed } => {
            let levels = repetition.checked_add(definition).filter(|levels| *levels <= page.packed);
            (levels.ok_or_else(damaged)? as usize, if is_packed { chunk.codec } else { Codec::None })
        }
    };
    let most = page.unpacked.checked_sub(levels as u64).ok_or_else(damaged)?;
    let content = match codec {
        Codec::None => return if packed.len() as u64 == page.unpacked { Ok(packed) } else { Err(damaged()) },
        Codec::Snappy => {
            let own = &packed[levels..];
            let claimed = snap::raw::decompress_len(own).map_err(|_| damaged())?;
            if claimed as u64 != most {
                return Err(damaged());
            }
            snap::raw::Decoder::new().decompress_vec(own).map_err(|_| damaged())?
        }
        Codec::Gzip => whole(flate2::read::MultiGzDecoder::new(&packed[levels..]), most)?,
        Codec::Zstd => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(&packed[levels..]);
            whole(decoder.map_err(|_| damaged())?, most)?
        }
    };
    if content.len() as u64 != most {
        return Err(damaged());
    }
    packed.truncate(levels);
    packed.extend(content);
    Ok(packed)
}

/// All bytes of a reader, of which there are to be `most`.
fn whole(reader: impl Read, most: u64) -> Told<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most + 1).read_to_end(&mut bytes).map_err(|_| damaged())?;
    Ok(bytes)
}

/// The values of an unpacked page, in order, each with what it begins.
pub fn values(chunk: &Chunk, page: &Page, bytes: &[u8]) -> Told<Vec<(Begins, Value)>> {
    let n = page.n_values as usize;
    let mut at = 0;
    // Levels of the first kind of pages stand behind their length.
    let mut behind_length = |is_there: bool| {
        if !is_there {
            return Ok::<_, String>(None);
        }
        let length = number::<4>(bytes, at).map(u32::from_le_bytes).ok_or_else(damaged)? as usize;
        let own = bytes.get(at + 4..at + 4 + length).ok_or_else(damaged)?;
        at += 4 + length;
        Ok(Some(own))
    };
    let [repetition, definition] = match page.kind {
        Kind::Dictionary => [None, None],
        Kind::Data => [behind_length(chunk.listed.is_some())?, behind_length(chunk.is_optional)?],
        Kind::Data2 { repetition, definition, .. } => {
            let [start, end] = [repetition, repetition + definition].map(|at| at as usize);
            let own = [bytes.get(..start).ok_or_else(damaged)?, bytes.get(start..end).ok_or_else(damaged)?];
            at = end;
            [chunk.listed.map(|_| own[0]), chunk.is_optional.then_some(own[1])]
        }
    };
    let levels = definition.map(|own| runs(own, chunk.level_bits, n)).transpose()?;
    let n_there = levels.as_ref().map_or(n, |own| own.iter().filter(|own| **own == chunk.level).count());
    let there = match (page.encoding, chunk.physical) {
        (Encoding::Places, _) => in_dictionary(bytes.get(at..).unwrap_or_default(), n_there)?,
        (Encoding::Plain, Physical::Bool) => truths(bytes.get(at..).unwrap_or_default(), n_there)?,
        (Encoding::Plain, physical) => plain(physical, bytes, at, n_there)?,
        (Encoding::Runs, Physical::Bool) => {
            let own = bytes.get(at.saturating_add(4)..).unwrap_or_default();
            runs(own, 1, n_there)?.into_iter().map(|bit| Value::Truth(bit == 1)).collect()
        }
        (Encoding::Runs, _) => return Err(damaged()),
    };
    let Some(levels) = levels else {
        return Ok(there.into_iter().map(|value| (Begins::Row, value)).collect());
    };
    let mut there = there.into_iter();
    let begins = repetition.map(|own| runs(own, 1, n)).transpose()?;
    let value = |(at, level): (usize, u32)| {
        let begins = match &begins {
            Some(own) if own[at] != 0 => Begins::Nothing,
            Some(_) | None => Begins::Row,
        };
        let value = match chunk.listed {
            _ if level == chunk.level => there.next().unwrap_or(Value::Missing),
            Some(listed) if level < listed => Value::Nothing,
            Some(_) | None => Value::Missing,
        };
        (begins, value)
    };
    Ok(levels.into_iter().enumerate().map(value).collect())
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Truth values, a bit each, the lowest first.
fn truths(bytes: &[u8], n: usize) -> Told<Vec<Value>> {
    if n.div_ceil(8) > bytes.len() {
        return Err(damaged());
    }
    Ok((0..n).map(|at| Value::Truth(bytes[at / 8] >> (at % 8) & 1 == 1)).collect())
}

fn plain(physical: Physical, bytes: &[u8], mut at: usize, n: usize) -> Told<Vec<Value>> {
    // Each value takes 4 bytes at least.
    if n > bytes.len() / 4 {
        return Err(damaged());
    }
    let mut values = Vec::with_capacity(n);
    for _ in 0..n {
        let value = match physical {
            Physical::Bool => None,
            Physical::Float => {
                number::<4>(bytes, at).map(|own| (Value::Number(f32::from_le_bytes(own).into()), at + 4))
            }
            Physical::Double => {
                number::<8>(bytes, at).map(|own| (Value::Number(f64::from_le_bytes(own)), at + 8))
            }
            Physical::Int32 => {
                number::<4>(bytes, at).map(|own| (Value::Whole(i32::from_le_bytes(own).into()), at + 4))
            }
            Physical::Int64 => {
                number::<8>(bytes, at).map(|own| (Value::Whole(i64::from_le_bytes(own)), at + 8))
            }
            Physical::Bytes => number::<4>(bytes, at).and_then(|own| {
                let end = (at + 4).checked_add(u32::from_le_bytes(own) as usize)?;
                (end <= bytes.len()).then_some((Value::Here(at + 4..end), end))
            }),
        };
        let (value, next) = value.ok_or_else(damaged)?;
        values.push(value);
        at = next;
    }
    Ok(values)
}

fn in_dictionary(bytes: &[u8], n: usize) -> Told<Vec<Value>> {
    if n == 0 {
        return Ok(Vec::new());
    }
    let (&bits, rest) = bytes.split_first().ok_or_else(damaged)?;
    let found = runs(rest, u32::from(bits), n)?;
    Ok(found.into_iter().map(|place| Value::InDictionary(place as usize)).collect())
}

/// Runs of one number, and numbers of so many bits side by side (Encodings.md, "RLE / bit-packing hybrid").
fn runs(bytes: &[u8], bits: u32, n: usize) -> Told<Vec<u32>> {
    if bits > 32 {
        return Err(damaged());
    }
    let width = bits.div_ceil(8) as usize;
    let (mut found, mut at) = (Vec::new(), 0);
    while found.len() < n {
        let (mut head, mut shift) = (0u64, 0);
        loop {
            let byte = *bytes.get(at).ok_or_else(damaged)?;
            at += 1;
            head |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
            if shift > 56 {
                return Err(damaged());
            }
        }
        let left = n - found.len();
        if head & 1 == 0 {
            let mut own = [0; 4];
            own[..width].copy_from_slice(bytes.get(at..at + width).ok_or_else(damaged)?);
            at += width;
            let times = usize::try_from(head >> 1).unwrap_or(usize::MAX).min(left);
            if times == 0 {
                return Err(damaged());
            }
            found.extend(std::iter::repeat_n(u32::from_le_bytes(own), times));
        } else {
            let n_groups = usize::try_from(head >> 1).map_err(|_| damaged())?;
            let length = n_groups.checked_mul(bits as usize).ok_or_else(damaged)?;
            let there = bytes.len() - at;
            // The last group may be cut where the values end.
            let own = &bytes[at..at + length.min(there)];
            at += own.len();
            let n_own = n_groups.saturating_mul(8).min(left);
            if n_own == 0 || (n_own * bits as usize).div_ceil(8) > own.len() {
                return Err(damaged());
            }
            found.extend((0..n_own).map(|i| packed(own, i * bits as usize, bits)));
        }
    }
    Ok(found)
}

/// `bits` bits from bit `at` on, the lowest first.
fn packed(bytes: &[u8], at: usize, bits: u32) -> u32 {
    let mut word = [0; 8];
    let own = &bytes[(at / 8).min(bytes.len())..bytes.len().min(at / 8 + 8)];
    word[..own.len()].copy_from_slice(own);
    let value = u64::from_le_bytes(word) >> (at % 8);
    (value & ((1u64 << bits) - 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_packed_numbers_are_read() {
        // Four sevens; then eight numbers of three bits, 0 to 7 (the example of Encodings.md).
        let bytes = [8, 7, 3, 0x88, 0xc6, 0xfa];
        assert_eq!(runs(&bytes, 3, 12).unwrap(), [7, 7, 7, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(runs(&bytes, 3, 6).unwrap(), [7, 7, 7, 7, 0, 1]);
        assert!(
            runs(&bytes, 3, 13).is_err() && runs(&bytes[..4], 3, 12).is_err() && runs(&[0, 1], 3, 1).is_err()
        );
        assert_eq!(runs(&[6], 0, 3).unwrap(), [0, 0, 0]);
    }
}
