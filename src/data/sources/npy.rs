//! NumPy's arrays, a file each (.npy) or several in an archive (.npz) → shapes and elements. Nothing is allocated on the word of
//! a header.
//!
//! Format (numpy/lib/format.py): `\x93NUMPY`, a version, the length of a header, the header as a Python dictionary with `descr`,
//! `fortran_order` and `shape`, the elements.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::data::sources::idx::fault;
use crate::diag::Fault;
use crate::numbers::half;
use crate::tensor::host;

/// The most bytes that one array may hold: 2 GiB.
pub const MAX_BYTES: u64 = 1 << 31;
/// The longest header.
const MAX_HEADER: usize = 1 << 16;
const MAGIC: &[u8] = b"\x93NUMPY";
const REMEDY: &str = "save or copy the file again";

/// The kind of an element; its bytes are of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Bool,
    Signed,
    Unsigned,
    Float,
}

/// What the header of an array says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub element: Element,
    /// Bytes of an element: 1, 2, 4 or 8.
    pub size: usize,
    is_big_endian: bool,
    is_fortran: bool,
    pub shape: Vec<usize>,
}

/// An array in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Numbers,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    Bytes(Vec<u8>),
    Whole(Vec<i64>),
    Floats(Vec<f32>),
}

/// Arrays by their names.
pub enum Store {
    Archive { path: PathBuf, archive: Box<ZipArchive<BufReader<File>>>, names: Vec<String> },
    Folder { path: PathBuf, names: Vec<String> },
}

impl Store {
    /// Opens an .npz file, or a folder of .npy files.
    pub fn open(path: &Path) -> Result<Store, Fault> {
        let unreadable =
            |e: &dyn std::fmt::Display| fault(path, &format!("cannot be read: {e}")).advise(REMEDY);
        let metadata = std::fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => fault(path, "does not exist")
                .note("the path is relative to the experiment's file")
                .advise("an .npz file, or a folder of .npy files"),
            _ => unreadable(&e),
        })?;
        let stem = |name: &str| name.strip_suffix(".npy").map(str::to_owned);
        if metadata.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|e| unreadable(&e))?;
            let mut names: Vec<String> =
                entries.flatten().filter_map(|entry| stem(&entry.file_name().to_string_lossy())).collect();
            names.sort();
            return Ok(Store::Folder { path: path.to_owned(), names });
        }
        if !metadata.is_file() {
            return Err(fault(path, "is not a regular file").advise("an .npz file"));
        }
        let file = BufReader::new(File::open(path).map_err(|e| unreadable(&e))?);
        let archive = ZipArchive::new(file).map_err(|e| {
            fault(path, &format!("is not a complete .npz archive: {e}"))
                .advise("save it again with `numpy.savez`")
        })?;
        let mut names: Vec<String> = archive.file_names().filter_map(|name| stem(&name.ok()?)).collect();
        names.sort();
        Ok(Store::Archive { path: path.to_owned(), archive: Box::new(archive), names })
    }

    pub fn names(&self) -> &[String] {
        match self {
            Store::Archive { names, .. } | Store::Folder { names, .. } => names,
        }
    }

    /// What an array is called in messages.
    fn shown(&self, name: &str) -> PathBuf {
        match self {
            Store::Archive { path, .. } | Store::Folder { path, .. } => path.join(format!("{name}.npy")),
        }
    }

    /// Reads the header of an array that is there.
    pub fn head(&mut self, name: &str) -> Result<Head, Fault> {
        let shown = self.shown(name);
        self.with(name, |reader, _| head(&shown, reader))
    }

    /// Reads an array that is there, whole.
    pub fn array(&mut self, name: &str) -> Result<Array, Fault> {
        let shown = self.shown(name);
        self.with(name, |reader, length| {
            let head = head(&shown, reader)?;
            elements(&shown, reader, &head, length)
        })
    }

    /// Lets `read` read an array; it learns how many bytes there are at most.
    fn with<R>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut dyn Read, u64) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let shown = self.shown(name);
        let broken =
            |e: &dyn std::fmt::Display| fault(&shown, &format!("cannot be read: {e}")).advise(REMEDY);
        match self {
            Store::Archive { archive, .. } => {
                let mut entry = archive.by_name(&format!("{name}.npy")).map_err(|e| broken(&e))?;
                let length = entry.size();
                read(&mut entry, length)
            }
            Store::Folder { .. } => {
                let metadata = std::fs::metadata(&shown).map_err(|e| broken(&e))?;
                if !metadata.is_file() {
                    return Err(fault(&shown, "is not a regular file").advise("the file itself"));
                }
                let mut file = BufReader::new(File::open(&shown).map_err(|e| broken(&e))?);
                read(&mut file, metadata.len())
            }
        }
    }
}

/// Reads an .npy file, whole.
pub fn file(path: &Path) -> Result<Array, Fault> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(stem) = name.strip_suffix(".npy") else {
        return Err(fault(path, "is not an .npy file").advise("`numpy.save(\"signal.npy\", signal)`"));
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    Store::Folder { path: folder, names: Vec::new() }.array(stem)
}

fn head(path: &Path, reader: &mut dyn Read) -> Result<Head, Fault> {
    let broken = |e: std::io::Error| fault(path, &format!("is cut short in its header: {e}")).advise(REMEDY);
    let mut begin = [0; 8];
    reader.read_exact(&mut begin).map_err(broken)?;
    if !begin.starts_with(MAGIC) {
        return Err(fault(path, "is not a NumPy array").advise("save it with `numpy.save` or `numpy.savez`"));
    }
    let n_bytes = match begin[6] {
        1 => 2,
        2 | 3 => 4,
        version => {
            return Err(fault(path, &format!("has the version {version} of the format; 1 to 3 are read"))
                .advise(REMEDY));
        }
    };
    let mut length = [0; 4];
    reader.read_exact(&mut length[..n_bytes]).map_err(broken)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER {
        return Err(fault(path, &format!("claims a header of {length} bytes")).advise(REMEDY));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(broken)?;
    parsed(&String::from_utf8_lossy(&text))
        .map_err(|what| fault(path, &what).advise("save it as numbers, such as `a.astype(\"uint8\")`"))
}

/// The dictionary of a header; or what is wrong with it.
fn parsed(text: &str) -> Result<Head, String> {
    let value = |key: &str| {
        let at = text.find(&format!("'{key}'")).ok_or_else(|| format!("has a header without `{key}`"))?;
        let rest = text[at + key.len() + 2..].trim_start();
        rest.strip_prefix(':').map(str::trim_start).ok_or_else(|| format!("has a header without `{key}`"))
    };
    let descr = value("descr")?;
    let descr = descr.strip_prefix('\'').and_then(|rest| rest.split('\'').next());
    let descr = descr.ok_or("holds records of several fields, not numbers")?;
    let mut letters = descr.chars();
    let (order, kind) = (letters.next().unwrap_or(' '), letters.next().unwrap_or(' '));
    let size: usize = letters.as_str().parse().unwrap_or(0);
    let element = match (kind, size) {
        ('b', 1) => Element::Bool,
        ('u', 1 | 2 | 4 | 8) => Element::Unsigned,
        ('i', 1 | 2 | 4 | 8) => Element::Signed,
        ('f', 2 | 4 | 8) => Element::Float,
        ('O', _) => return Err("holds Python objects (pickle), which are not read".to_owned()),
        _ => return Err(format!("holds elements of the type `{descr}`, which dslc does not read")),
    };
    let is_fortran = value("fortran_order")?.starts_with("True");
    let shape = value("shape")?;
    let shape = shape
        .strip_prefix('(')
        .and_then(|rest| rest.split(')').next())
        .ok_or("has a header without a shape")?;
    let numbers = shape.split(',').map(str::trim).filter(|number| !number.is_empty());
    let shape = numbers.map(|number| number.parse::<usize>()).collect::<Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| "has an invalid shape in its header".to_owned())?;
    Ok(Head { element, size, is_big_endian: order == '>', is_fortran, shape })
}

fn elements(path: &Path, reader: &mut dyn Read, head: &Head, there: u64) -> Result<Array, Fault> {
    let count = head.shape.iter().try_fold(1u64, |n, &extent| n.checked_mul(extent as u64));
    let claim = head.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let most = MAX_BYTES.min(host::free_bytes().unwrap_or(u64::MAX) / 2);
    let size = count.and_then(|count| count.checked_mul(head.size as u64)).filter(|&size| size <= most);
    let Some(size) = size else {
        let message = format!("claims {claim} elements in its header; at most {most} bytes are read");
        return Err(fault(path, &message).advise("a smaller array"));
    };
    if size > there {
        let message = format!(
            "is cut short: its header says {claim} elements, which is {size} bytes, but it has {there}"
        );
        return Err(fault(path, &message).advise(REMEDY));
    }
    let mut bytes = Vec::new();
    let read =
        reader.take(size).read_to_end(&mut bytes).and_then(|_| reader.take(1).read_to_end(&mut Vec::new()));
    let more = read.map_err(|e| fault(path, &format!("is damaged: {e}")).advise(REMEDY))?;
    if bytes.len() as u64 != size || more > 0 {
        let message = format!(
            "says {claim} elements in its header, which is {size} bytes, but has another number of them"
        );
        return Err(fault(path, &message).advise(REMEDY));
    }
    let bytes = if head.is_fortran { c_order(&bytes, head) } else { bytes };
    Ok(Array { shape: head.shape.clone(), values: numbers(bytes, head) })
}

/// Elements whose first axis is the fastest, with the last one the fastest instead.
fn c_order(bytes: &[u8], head: &Head) -> Vec<u8> {
    let strides: Vec<usize> = head
        .shape
        .iter()
        .scan(1, |n, &extent| {
            let stride = *n;
            *n *= extent;
            Some(stride)
        })
        .collect();
    let mut out = Vec::with_capacity(bytes.len());
    let mut place = vec![0; head.shape.len()];
    for _ in 0..bytes.len() / head.size {
        let at: usize = place.iter().zip(&strides).map(|(i, stride)| i * stride).sum();
        out.extend_from_slice(&bytes[at * head.size..(at + 1) * head.size]);
        for (i, extent) in place.iter_mut().zip(&head.shape).rev() {
            *i += 1;
            if *i < *extent {
                break;
            }
            *i = 0;
        }
    }
    out
}

fn numbers(bytes: Vec<u8>, head: &Head) -> Numbers {
    let word = |own: &[u8]| {
        let mut word = [0; 8];
        own.iter()
            .enumerate()
            .for_each(|(i, &byte)| word[if head.is_big_endian { head.size - 1 - i } else { i }] = byte);
        u64::from_le_bytes(word)
    };
    let words = bytes.chunks_exact(head.size).map(word);
    match (head.element, head.size) {
        (Element::Unsigned | Element::Bool, 1) => Numbers::Bytes(bytes),
        (Element::Unsigned | Element::Bool, _) => {
            Numbers::Whole(words.map(|word| i64::try_from(word).unwrap_or(i64::MAX)).collect())
        }
        (Element::Signed, size) => {
            let unused = 64 - 8 * size as u32;
            Numbers::Whole(words.map(|word| ((word << unused) as i64) >> unused).collect())
        }
        (Element::Float, 2) => Numbers::Floats(words.map(|word| half(word as u16)).collect()),
        (Element::Float, 4) => Numbers::Floats(words.map(|word| f32::from_bits(word as u32)).collect()),
        (Element::Float, _) => Numbers::Floats(words.map(|word| f64::from_bits(word) as f32).collect()),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The bytes of an .npy file.
    pub fn npy(descr: &str, shape: &str, fortran: &str, bytes: &[u8]) -> Vec<u8> {
        let mut head = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        head.push_str(&" ".repeat((64 - (11 + head.len()) % 64) % 64));
        head.push('\n');
        [MAGIC, &[1, 0], &(head.len() as u16).to_le_bytes(), head.as_bytes(), bytes].concat()
    }

    fn read(bytes: &[u8]) -> Result<Array, Fault> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.npy"), bytes).unwrap();
        Store::open(folder.path()).unwrap().array("a")
    }

    #[test]
    fn numbers_of_every_kind_and_order_are_read() {
        let array = |shape: &[usize], values| Array { shape: shape.to_vec(), values };
        assert_eq!(
            read(&npy("|u1", "(2,)", "False", &[1, 2])).unwrap(),
            array(&[2], Numbers::Bytes(vec![1, 2]))
        );
        assert_eq!(
            read(&npy(">i2", "(2,)", "False", &[255, 254, 0, 3])).unwrap(),
            array(&[2], Numbers::Whole(vec![-2, 3]))
        );
        assert_eq!(
            read(&npy("<f8", "()", "False", &0.5f64.to_le_bytes())).unwrap(),
            array(&[], Numbers::Floats(vec![0.5]))
        );
        let bytes: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|x| x.to_be_bytes()).collect();
        assert_eq!(
            read(&npy(">f4", "(1, 2)", "False", &bytes)).unwrap(),
            array(&[1, 2], Numbers::Floats(vec![1.5, -2.0]))
        );
        assert_eq!(
            read(&npy("<f2", "(2,)", "False", &[0, 0x3c, 0, 0xc0])).unwrap().values,
            Numbers::Floats(vec![1.0, -2.0])
        );
        // numpy.asfortranarray([[1, 2, 3], [4, 5, 6]])
        let fortran = npy("|u1", "(2, 3)", "True", &[1, 4, 2, 5, 3, 6]);
        assert_eq!(read(&fortran).unwrap(), array(&[2, 3], Numbers::Bytes(vec![1, 2, 3, 4, 5, 6])));
    }

    #[test]
    fn what_is_no_array_or_not_whole_is_refused() {
        let message = |bytes: &[u8]| {
            let fault = read(bytes).unwrap_err();
            assert!(!fault.remedies.is_empty(), "{fault}");
            fault.message
        };
        let whole = npy("|u1", "(2, 3)", "False", &[0; 6]);
        for end in 0..whole.len() {
            let said = message(&whole[..end]);
            assert!(said.contains("cut short") || said.contains("another number"), "{end}: {said}");
        }
        assert!(message(&[whole.as_slice(), &[0]].concat()).contains("another number"));
        assert!(message(&npy("|O", "(1,)", "False", &[0; 8])).contains("Python objects"));
        assert!(message(&npy("|u1", "(99999999999, 99999999999)", "False", &[])).contains("at most"));
        assert!(message(&npy("|u1", "(4294967295,)", "False", &[])).contains("at most"));
        assert!(message(b"hello, this is some text").contains("not a NumPy array"));
    }
}
