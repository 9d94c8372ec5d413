//! IDX files (LeCun's format of MNIST), plain or gzipped → dimensions and bytes. Every byte is accounted for
//! and nothing is allocated on the word of a header: what a file claims is held against what is there.
//!
//! Format: two zero bytes, the element type (8 = unsigned byte), the number of dimensions, each dimension as a
//! big-endian u32, the elements, the last dimension fastest.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::diag::{Fault, codes};

/// The most bytes that one file may hold once unpacked: 2 GiB.
pub const MAX_BYTES: usize = 1 << 31;

const REMEDY: &str = "copy or download the file again";
const UNSIGNED_BYTE: u8 = 8;

/// The content of an IDX file of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The number of records first.
    pub dims: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Idx {
    /// Bytes in front of the first record.
    pub fn header(&self) -> usize {
        4 + 4 * self.dims.len()
    }
}

/// Reads a file of `rank` dimensions: 3 for images, 1 for labels. Whether it is gzipped is told by its content.
pub fn read(path: &Path, rank: u8) -> Result<Idx, Fault> {
    let failed = |error: io::Error| fault(path, &format!("cannot be read: {error}"));
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
    if !file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]) {
        return parse(path, &mut file, rank);
    }
    let mut unpacked = GzDecoder::new(file);
    let idx = parse(path, &mut unpacked, rank)?;
    let mut rest = unpacked.into_inner();
    if !rest.fill_buf().map_err(failed)?.is_empty() {
        let at = rest.stream_position().map_err(failed)?;
        let message = format!("ends its gzip stream at byte {at}, but other bytes follow");
        return Err(fault(path, &message).advise(REMEDY));
    }
    Ok(idx)
}

/// A refusal that begins with the file's name.
pub fn fault(path: &Path, message: &str) -> Fault {
    Fault::new(codes::DATA_FILE, format!("{} {message}", path.display())).at("path")
}

fn parse(path: &Path, reader: &mut impl Read, rank: u8) -> Result<Idx, Fault> {
    let header = 4 + 4 * usize::from(rank);
    let mut head = Vec::new();
    let ended = reader.by_ref().take(header as u64).read_to_end(&mut head);
    if head.len() >= 4 && head[..4] != [0, 0, UNSIGNED_BYTE, rank] || head.len() < 4 && ended.is_ok() {
        return Err(wrong_magic(path, &head, rank));
    }
    ended.map_err(|error| broken(path, &error, head.len(), header, "of its header"))?;
    if head.len() < header {
        let message = format!("is cut short in its header: {} of {header} bytes are there", head.len());
        return Err(fault(path, &message).advise(REMEDY));
    }
    let dims: Vec<usize> =
        head[4..].chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    let shown = dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let size = dims.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim)).filter(|&n| n <= MAX_BYTES);
    let Some(size) = size else {
        let message =
            format!("claims {shown} bytes in its header (bytes 4 to {header}); at most {MAX_BYTES} are read");
        return Err(fault(path, &message).advise(REMEDY));
    };
    if size == 0 {
        let message = format!("is empty: its header (bytes 4 to {header}) says {shown}");
        return Err(fault(path, &message).advise(REMEDY));
    }

    let mut bytes = Vec::new();
    let ended = reader.take(size as u64 + 1).read_to_end(&mut bytes);
    let record = format!("in record {} of {}", bytes.len() / (size / dims[0]).max(1), dims[0]);
    ended.map_err(|error| broken(path, &error, header + bytes.len(), header + size, &record))?;
    if bytes.len() < size {
        let message = format!(
            "is cut short {record}: its header says {shown}, which is {} bytes with the header, but it ends at byte {}",
            header + size,
            header + bytes.len()
        );
        return Err(fault(path, &message).advise(REMEDY));
    }
    if bytes.len() > size {
        let message = format!("says {shown} in its header, but goes on behind byte {}", header + size);
        return Err(fault(path, &message).advise(REMEDY));
    }
    Ok(Idx { dims, bytes })
}

/// The fault for a stream that failed after `got` of `wanted` unpacked bytes.
fn broken(path: &Path, error: &io::Error, got: usize, wanted: usize, place: &str) -> Fault {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "is cut short: its gzip stream ends".to_owned(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            format!("is damaged: its gzip stream breaks off ({error})")
        }
        _ => format!("cannot be read ({error}): it stops"),
    };
    fault(path, &format!("{what} after {got} of {wanted} unpacked bytes, {place}")).advise(REMEDY)
}

fn wrong_magic(path: &Path, head: &[u8], rank: u8) -> Fault {
    let found = match head {
        [0, 0, UNSIGNED_BYTE, 1, ..] => "this is a label file",
        [0, 0, UNSIGNED_BYTE, 3, ..] => "this is an image file",
        [0, 0, UNSIGNED_BYTE, _, ..] => "this is an IDX file of another number of dimensions",
        [0, 0, 0x09 | 0x0b..=0x0e, _, ..] => "this is an IDX file of another element type than bytes",
        [0x1f, 0x8b, ..] => "this was gzipped twice",
        [0x89, b'P', b'N', b'G', ..] => "this is a PNG picture",
        [b'P', b'K', ..] => "this is a zip archive: unpack it",
        [b'<', ..] => "this is a web page: the download failed",
        [] => "the file is empty",
        [_, ..] => "this is no IDX file",
    };
    let wanted = if rank == 1 { "labels" } else { "images" };
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    let message = format!(
        "does not hold {wanted}: {found} (bytes 0 to 4 are `{}`, not `{}`)",
        hex(&head[..head.len().min(4)]),
        hex(&[0, 0, UNSIGNED_BYTE, rank])
    );
    fault(path, &message).advise(format!("put the {wanted} there under this name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{gzip, idx};

    fn message(content: &[u8], rank: u8) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some-file");
        std::fs::write(&path, content).unwrap();
        let fault = read(&path, rank).unwrap_err();
        assert_eq!(fault.code, codes::DATA_FILE);
        assert!(!fault.remedies.is_empty(), "{fault}");
        fault.message.split_once("some-file ").unwrap().1.to_owned()
    }

    #[test]
    fn plain_and_gzipped_files_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let content = idx(&[3, 2, 2], &[7; 12]);
        for bytes in [content.clone(), gzip(&content)] {
            let path = folder.path().join("x");
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path, 3).unwrap(), Idx { dims: vec![3, 2, 2], bytes: vec![7; 12] });
        }
    }

    #[test]
    fn sizes_that_do_not_match_the_header_are_refused() {
        let good = idx(&[3, 2, 2], &[7; 12]);
        assert_eq!(
            message(&good[..25], 3),
            "is cut short in record 2 of 3: its header says 3x2x2, which is 28 bytes with the header, but it ends at byte 25"
        );
        assert_eq!(message(&good[..9], 3), "is cut short in its header: 9 of 16 bytes are there");
        assert_eq!(
            message(&[&good[..], &[1]].concat(), 3),
            "says 3x2x2 in its header, but goes on behind byte 28"
        );
        let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[]);
        assert!(message(&huge, 3).starts_with("claims 4294967295x4294967295x4294967295 bytes in its header"));
        let lying = idx(&[2_000_000, 28, 28], &[0; 100]);
        assert!(message(&lying, 3).starts_with("is cut short in record 0 of 2000000"));
        assert_eq!(message(&idx(&[0, 28, 28], &[]), 3), "is empty: its header (bytes 4 to 16) says 0x28x28");
    }

    #[test]
    fn gzip_streams_are_checked_to_their_end() {
        let noise: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let good = gzip(&idx(&[1000, 2, 2], &noise));
        assert!(message(&good[..good.len() / 2], 3).starts_with("is cut short: its gzip stream ends after"));
        assert!(message(&good[..12], 3).starts_with("is cut short: its gzip stream ends after 0 of 16"));
        let at = good.len();
        assert_eq!(
            message(&[&good[..], b"??"].concat(), 3),
            format!("ends its gzip stream at byte {at}, but other bytes follow")
        );
        let mut flipped = good.clone();
        flipped[at - 6] ^= 1;
        assert!(message(&flipped, 3).starts_with("is damaged: its gzip stream breaks off (corrupt"));
    }

    #[test]
    fn a_wrong_file_is_named_for_what_it_is() {
        assert_eq!(
            message(&idx(&[2], &[1, 2]), 3),
            "does not hold images: this is a label file (bytes 0 to 4 are `00 00 08 01`, not `00 00 08 03`)"
        );
        assert!(message(&idx(&[1, 1, 1], &[1]), 1).contains("this is an image file"));
        assert!(message(b"<html>", 1).contains("a web page"));
        assert!(message(b"", 1).contains("the file is empty"));
        assert!(message(&gzip(&gzip(b"x")), 1).contains("gzipped twice"));
        assert!(message(b"PK", 1).contains("a zip archive"));
    }
}
