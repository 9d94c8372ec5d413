//! IDX files (LeCun's format of MNIST), plain or gzipped → dimensions and elements. Every byte is accounted for
//! and nothing is allocated on the word of a header: what a file claims is held against what is wanted and what is there.
//!
//! Format: two zero bytes, the element type (8 = unsigned byte, 12 = big-endian i32), the number of dimensions, each
//! dimension as a big-endian u32, the elements, the last dimension fastest.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use crate::diag::{Fault, codes};
use crate::numbers::bytes as shown;
use crate::tensor::host;

/// The most bytes that one file may hold once unpacked: 2 GiB.
pub const MAX_BYTES: usize = 1 << 31;

const REMEDY: &str = "copy or download the file again";

/// What a file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Unsigned bytes of three dimensions: images, rows, columns.
    Images,
    /// Unsigned bytes or whole numbers, one an image; or several an image, of which the first is the class (QMNIST).
    Labels,
}

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Byte,
    Int,
}

impl Element {
    pub fn size(self) -> usize {
        match self {
            Element::Byte => 1,
            Element::Int => 4,
        }
    }
}

/// A file whose header was read.
pub struct Idx {
    path: PathBuf,
    pub element: Element,
    /// The number of records first.
    pub dims: Vec<usize>,
    rest: Unpacked,
}

/// What is behind the header.
enum Unpacked {
    /// So many bytes.
    Plain(BufReader<File>, u64),
    Gzip(Members),
}

impl Idx {
    /// Reads the header of a file. Whether it is gzipped is told by its content.
    pub fn open(path: &Path, content: Content) -> Result<Idx, Fault> {
        let failed = |error: io::Error| fault(path, &format!("cannot be read: {error}"));
        // Opening a pipe would wait for its writer.
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(fault(path, "is not a regular file").advise("put the file itself there"));
        }
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
        match file.fill_buf().map_err(failed)?.starts_with(&GZIP) {
            true => {
                let mut members = Members::new(file);
                let (element, dims) = head(path, &mut members, content)?;
                Ok(Idx { path: path.to_owned(), element, dims, rest: Unpacked::Gzip(members) })
            }
            false => {
                let (element, dims) = head(path, &mut file, content)?;
                let behind = metadata.len().saturating_sub(4 + 4 * dims.len() as u64);
                Ok(Idx { path: path.to_owned(), element, dims, rest: Unpacked::Plain(file, behind) })
            }
        }
    }

    /// Bytes in front of the first record.
    pub fn header(&self) -> usize {
        4 + 4 * self.dims.len()
    }

    /// Bytes of a record.
    pub fn record(&self) -> usize {
        self.element.size() * self.dims[1..].iter().product::<usize>()
    }

    /// The elements' bytes: as many as the header says, and no more behind them.
    pub fn read(self) -> Result<Vec<u8>, Fault> {
        let (header, record) = (self.header(), self.record());
        let (path, dims) = (self.path.as_path(), self.dims.as_slice());
        let size = dims[0] * record;
        let claim = dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let free = host::free_bytes().unwrap_or(u64::MAX);
        if size as u64 > free {
            let message = format!(
                "holds {} once unpacked, but only {} of memory are free",
                shown(size as u64),
                shown(free)
            );
            return Err(fault(path, &message).advise("a machine with more memory, or a smaller data set"));
        }
        let place = |got: usize| format!("in record {} of {}", got / record.max(1), dims[0]);
        let mut bytes = Vec::new();
        let ended = match self.rest {
            Unpacked::Plain(file, there) => {
                bytes.reserve_exact(size.min(there as usize));
                file.take(size as u64 + 1).read_to_end(&mut bytes).map(|_| ())
            }
            Unpacked::Gzip(members) => fill(members, size, &mut bytes),
        };
        let got = bytes.len();
        ended.map_err(|error| broken(path, &error, header + got, header + size, &place(got)))?;
        if got < size {
            let message = format!(
                "is cut short {}: its header says {claim}, which is {} bytes with the header, but it ends at byte {}",
                place(got),
                header + size,
                header + got
            );
            return Err(fault(path, &message).advise(REMEDY));
        }
        if got > size {
            let message = format!("says {claim} in its header, but goes on after byte {}", header + size);
            return Err(fault(path, &message).advise(REMEDY));
        }
        Ok(bytes)
    }
}

/// Reads up to `size` bytes and one more, with room for what has come and as much again.
fn fill(mut reader: impl Read, size: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut room = 1 << 20;
    while bytes.len() < size {
        let most = room.min(size) - bytes.len();
        bytes.reserve_exact(most);
        if reader.by_ref().take(most as u64).read_to_end(bytes)? < most {
            return Ok(());
        }
        room *= 2;
    }
    reader.take(1).read_to_end(bytes).map(|_| ())
}

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A gzip file of one member or of several, one behind the other, as `cat` joins them.
struct Members {
    /// Of the member that is read; `None` behind the last one.
    member: Option<GzDecoder<BufReader<File>>>,
}

impl Members {
    fn new(file: BufReader<File>) -> Members {
        Members { member: Some(GzDecoder::new(file)) }
    }
}

impl Read for Members {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let n = member.read(out)?;
            if n > 0 || out.is_empty() {
                return Ok(n);
            }
            let Some(mut file) = self.member.take().map(GzDecoder::into_inner) else { break };
            let rest = file.fill_buf()?;
            if rest.starts_with(&GZIP) {
                self.member = Some(GzDecoder::new(file));
            } else if !rest.is_empty() {
                let at = file.stream_position()?;
                return Err(io::Error::other(Trailing(at)));
            }
        }
        Ok(0)
    }
}

/// Bytes behind the last member, from this one on.
#[derive(Debug)]
struct Trailing(u64);

impl std::fmt::Display for Trailing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ends its gzip stream at byte {}, but other bytes follow", self.0)
    }
}

impl std::error::Error for Trailing {}

/// A refusal that begins with the file's name.
pub fn fault(path: &Path, message: &str) -> Fault {
    Fault::new(codes::DATA_FILE, format!("{} {message}", path.display())).at("path")
}

/// The element type and the dimensions.
fn head(path: &Path, reader: &mut impl Read, content: Content) -> Result<(Element, Vec<usize>), Fault> {
    let mut head = Vec::new();
    let ended = reader.by_ref().take(4).read_to_end(&mut head);
    let usual = match content {
        Content::Images => 16,
        Content::Labels => 8,
    };
    let found = match (content, head.as_slice()) {
        (Content::Images, [0, 0, 8, 3]) => Some((Element::Byte, 3)),
        (Content::Labels, [0, 0, 8, 1]) => Some((Element::Byte, 1)),
        (Content::Labels, [0, 0, 12, rank @ 1..=2]) => Some((Element::Int, usize::from(*rank))),
        (Content::Images | Content::Labels, _) => None,
    };
    let Some((element, rank)) = found else {
        return Err(match ended {
            Err(error) => broken(path, &error, head.len(), usual, "of its header"),
            Ok(_) => wrong_magic(path, &head, content),
        });
    };
    let header = 4 + 4 * rank;
    let ended = reader.by_ref().take(4 * rank as u64).read_to_end(&mut head);
    ended.map_err(|error| broken(path, &error, head.len(), header, "of its header"))?;
    if head.len() < header {
        let message = format!("is cut short in its header: {} of {header} bytes are there", head.len());
        return Err(fault(path, &message).advise(REMEDY));
    }
    let dims: Vec<usize> =
        head[4..].chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    let claim = dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let size = dims.iter().try_fold(element.size(), |n, &dim| n.checked_mul(dim)).filter(|&n| n <= MAX_BYTES);
    match size {
        None => {
            let message = format!(
                "claims {claim} in its header (bytes 4 to {header}); at most {MAX_BYTES} bytes are read"
            );
            Err(fault(path, &message).advise(REMEDY))
        }
        Some(0) => {
            let message = format!("is empty: its header (bytes 4 to {header}) says {claim}");
            Err(fault(path, &message).advise(REMEDY))
        }
        Some(_) => Ok((element, dims)),
    }
}

/// The fault for a stream that failed after `got` of `wanted` unpacked bytes.
fn broken(path: &Path, error: &io::Error, got: usize, wanted: usize, place: &str) -> Fault {
    if let Some(trailing) = error.get_ref().and_then(|inner| inner.downcast_ref::<Trailing>()) {
        return fault(path, &trailing.to_string()).advise(REMEDY);
    }
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "is cut short: its gzip stream ends".to_owned(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            format!("is damaged: its gzip stream breaks off ({error})")
        }
        _ => format!("cannot be read ({error}): it stops"),
    };
    fault(path, &format!("{what} after {got} of {wanted} unpacked bytes, {place}")).advise(REMEDY)
}

fn wrong_magic(path: &Path, head: &[u8], content: Content) -> Fault {
    let found = match head {
        [0, 0, 8 | 12, 1, ..] => "this is a label file",
        [0, 0, 8, 3, ..] => "this is an image file",
        [0, 0, 8, _, ..] => "this is an IDX file of another number of dimensions",
        [0, 0, 0x09 | 0x0b..=0x0e, _, ..] => "this is an IDX file of another element type than bytes",
        [0x1f, 0x8b, ..] => "this was gzipped twice",
        [0x89, b'P', b'N', b'G', ..] => "this is a PNG picture",
        [b'P', b'K', ..] => "this is a zip archive: unpack it",
        [b'<', ..] => "this is a web page: the download failed",
        [] => "the file is empty",
        [_, ..] => "this is no IDX file",
    };
    let (wanted, rank) = match content {
        Content::Images => ("images", 3),
        Content::Labels => ("labels", 1),
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    let message = format!(
        "does not hold {wanted}: {found} (bytes 0 to 4 are `{}`, not `{}`)",
        hex(&head[..head.len().min(4)]),
        hex(&[0, 0, 8, rank])
    );
    fault(path, &message).advise(format!("put the {wanted} there under this name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{gzip, idx};

    use Content::{Images, Labels};

    fn read(path: &Path, content: Content) -> Result<(Vec<usize>, Vec<u8>), Fault> {
        let idx = Idx::open(path, content)?;
        Ok((idx.dims.clone(), idx.read()?))
    }

    fn message(content: &[u8], kind: Content) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some-file");
        std::fs::write(&path, content).unwrap();
        let fault = read(&path, kind).unwrap_err();
        assert_eq!(fault.code, codes::DATA_FILE);
        assert!(!fault.remedies.is_empty(), "{fault}");
        fault.message.split_once("some-file ").unwrap().1.to_owned()
    }

    #[test]
    fn plain_and_gzipped_files_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let content = idx(&[3, 2, 2], &[7; 12]);
        let joined = [gzip(&content[..9]), gzip(b""), gzip(&content[9..])].concat();
        for bytes in [content.clone(), gzip(&content), joined] {
            let path = folder.path().join("x");
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path, Images).unwrap(), (vec![3, 2, 2], vec![7; 12]));
        }
    }

    #[test]
    fn sizes_that_do_not_match_the_header_are_refused() {
        let good = idx(&[3, 2, 2], &[7; 12]);
        assert_eq!(
            message(&good[..25], Images),
            "is cut short in record 2 of 3: its header says 3x2x2, which is 28 bytes with the header, but it ends at byte 25"
        );
        assert_eq!(message(&good[..9], Images), "is cut short in its header: 9 of 16 bytes are there");
        assert_eq!(
            message(&[&good[..], &[1]].concat(), Images),
            "says 3x2x2 in its header, but goes on after byte 28"
        );
        let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[]);
        assert!(message(&huge, Images).starts_with("claims 4294967295x4294967295x4294967295 in its header"));
        let lying = idx(&[2_000_000, 28, 28], &[0; 100]);
        assert!(message(&lying, Images).starts_with("is cut short in record 0 of 2000000"));
        assert_eq!(
            message(&idx(&[0, 28, 28], &[]), Images),
            "is empty: its header (bytes 4 to 16) says 0x28x28"
        );
    }

    #[test]
    fn gzip_streams_are_checked_to_their_end() {
        let noise: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let good = gzip(&idx(&[1000, 2, 2], &noise));
        assert!(
            message(&good[..good.len() / 2], Images).starts_with("is cut short: its gzip stream ends after")
        );
        assert!(message(&good[..12], Images).starts_with("is cut short: its gzip stream ends after 0 of 16"));
        let at = good.len();
        assert_eq!(
            message(&[&good[..], b"??"].concat(), Images),
            format!("ends its gzip stream at byte {at}, but other bytes follow")
        );
        let mut flipped = good.clone();
        flipped[at - 6] ^= 1;
        assert!(message(&flipped, Images).starts_with("is damaged: its gzip stream breaks off (corrupt"));
    }

    #[test]
    fn a_wrong_file_is_named_for_what_it_is() {
        assert_eq!(
            message(&idx(&[2], &[1, 2]), Images),
            "does not hold images: this is a label file (bytes 0 to 4 are `00 00 08 01`, not `00 00 08 03`)"
        );
        assert!(message(&idx(&[1, 1, 1], &[1]), Labels).contains("this is an image file"));
        assert!(message(b"<html>", Labels).contains("a web page"));
        assert!(message(b"", Labels).contains("the file is empty"));
        assert!(message(&gzip(&gzip(b"x")), Labels).contains("gzipped twice"));
        assert!(message(b"PK", Labels).contains("a zip archive"));
    }

    #[test]
    fn whole_numbers_are_labels_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for dims in [&[2u32][..], &[2, 8]] {
            let n: u32 = dims.iter().product();
            let numbers: Vec<u8> = (0..n).flat_map(|i| i.to_be_bytes()).collect();
            let mut content = idx(dims, &numbers);
            content[2] = 12;
            std::fs::write(&path, gzip(&content)).unwrap();
            let found = Idx::open(&path, Labels).unwrap();
            assert_eq!(
                (found.element, found.record(), found.header()),
                (Element::Int, numbers.len() / 2, content.len() - numbers.len())
            );
            assert_eq!(found.read().unwrap(), numbers);
            assert!(Idx::open(&path, Images).is_err());
        }
    }

    /// Two million bytes that unpack to two thousand million are opened for their header, and no more.
    #[test]
    fn a_header_is_read_without_what_it_claims() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let head = idx(&[2_700_000, 28, 28], &[0; 1000]);
        std::fs::write(&path, gzip(&head)).unwrap();
        let found = Idx::open(&path, Images).unwrap();
        assert_eq!(found.dims, [2_700_000, 28, 28]);
        assert!(found.read().unwrap_err().message.contains("is cut short in record 1 of 2700000"));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            let fault = Idx::open(path, Images).err().unwrap();
            assert!(fault.message.ends_with("is not a regular file"), "{fault}");
        }
    }
}
