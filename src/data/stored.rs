//! Prepared images, and the masks and images that are their targets → one file on the disk, from which any thread of any process
//! reads them, and back. The file says what it was made of, so that it is made again when an image or the preparation has
//! changed; each image has a checksum, and one that does not match is prepared from its original instead.
//!
//! The images follow one another as bytes, each with those of its targets that are images after it; then come a row of [`ROW`]
//! bytes for each, and at the end [`END`] bytes: the number of rows, their checksum, [`MAGIC`]. Numbers are little-endian.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atomic_write_file::AtomicWriteFile;
use flate2::Crc;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::data::cache::{Originals, all_good};
use crate::data::sample::{Form, Image, Values};
use crate::data::samples::{Images, Pictures};
use crate::diag::{Fault, codes};
use crate::numbers::bytes as shown;

/// The format, and with it how pictures are decoded: another number where either changes.
const MAGIC: [u8; 8] = *b"dslc im1";
/// Stamp, place, channels, height, width, checksum.
const ROW: usize = 8 + 8 + 4 * 4;
/// Number, checksum, magic.
const END: usize = 8 + 4 + 8;

/// Images that were prepared and lie in a file.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    file: Source,
    /// Sample by sample, layer by layer.
    entries: Vec<Entry>,
    originals: Originals,
    /// Of each layer: the images, and their targets.
    forms: Vec<Form>,
    /// Whether an image was found to be another one than was written.
    is_damaged: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: u64,
    extents: [u32; 3],
    checksum: u32,
}

impl Stored {
    /// The file of these images, where it is there, whole and made of them as they are now: of each sample a stamp tells.
    pub fn open(path: &Path, originals: &Originals, stamps: &[u64], forms: &[Form]) -> Option<Stored> {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let file = Source::new(file);
        let end: [u8; END] = file.read(length.checked_sub(END as u64)?, END).ok()?.try_into().ok()?;
        let n = u64::from_le_bytes(*end.first_chunk()?);
        let n_rows = usize::try_from(n).ok()?.checked_mul(ROW)?;
        let at_rows = length.checked_sub((END + n_rows) as u64)?;
        if end[12..] != MAGIC || n as usize != stamps.len() * forms.len() {
            return None;
        }
        let rows = file.read(at_rows, n_rows).ok()?;
        if checksum(&rows).to_le_bytes() != end[8..12] {
            return None;
        }
        let mut entries = Vec::with_capacity(n as usize);
        let stamps = stamps.iter().flat_map(|stamp| forms.iter().map(move |_| stamp));
        for (row, stamp) in rows.chunks_exact(ROW).zip(stamps) {
            let (own, entry) = Entry::read(row)?;
            let end = entry.at.checked_add(entry.length()?)?;
            if own != *stamp || end > at_rows {
                return None;
            }
            entries.push(entry);
        }
        // The least recently used files are those that go first.
        let _ = file.touch();
        let (path, originals, forms) = (path.to_owned(), originals.clone(), forms.to_vec());
        Some(Stored { path, file, entries, originals, forms, is_damaged: AtomicBool::new(false) })
    }

    /// Prepares every image and writes the file, of `room` bytes at most. Until it is whole, nothing stands under its name.
    ///
    /// Errors: images that cannot be read, all of them named; a disk that refuses; more bytes than there is room for.
    pub fn make(path: &Path, originals: &Originals, stamps: &[u64], room: u64) -> Result<(), Fault> {
        let unwritten = |e: std::io::Error| {
            let message = format!("prepared images cannot be kept in {}: {e}", path.display());
            Fault::new(codes::UNWRITTEN, message)
                .advise("another folder in the environment variable `DSLC_CACHE`")
                .advise("`cache none`, which reads the pictures in every epoch")
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(unwritten)?;
        let mut file = BufWriter::with_capacity(1 << 20, AtomicWriteFile::open(path).map_err(unwritten)?);
        let n_rows = stamps.len() * originals.layers().count();
        let (mut rows, mut faults, mut at) = (Vec::with_capacity(n_rows * ROW), Vec::new(), 0u64);
        let most = 2 * rayon::current_num_threads();
        for first in (0..stamps.len()).step_by(most) {
            let some = first..stamps.len().min(first + most);
            let images: Vec<Result<Vec<Image>, Fault>> =
                some.clone().into_par_iter().map(|index| originals.prepared(index)).collect();
            for (index, images) in some.zip(images) {
                let images = match images {
                    Ok(images) => images,
                    Err(fault) => {
                        faults.push(fault);
                        continue;
                    }
                };
                for image in images {
                    let Values::Bytes(bytes) = &image.values else {
                        return Err(Fault::internal(format!("an image became numbers of {}", image.form())));
                    };
                    let extents = image.extents().map(|extent| extent as u32);
                    Entry { at, extents, checksum: checksum(bytes) }.write(stamps[index], &mut rows);
                    at += bytes.len() as u64;
                    if at > room {
                        let message = format!(
                            "prepared images take more than the {} that the disk has for them",
                            shown(room)
                        );
                        let fault = Fault::new(codes::TOO_BIG, message);
                        return Err(fault.advise("`cache none`, or a smaller `resize`"));
                    }
                    file.write_all(bytes).map_err(unwritten)?;
                }
            }
        }
        all_good(faults)?;
        file.write_all(&rows).map_err(unwritten)?;
        file.write_all(&(n_rows as u64).to_le_bytes()).map_err(unwritten)?;
        file.write_all(&checksum(&rows).to_le_bytes()).map_err(unwritten)?;
        file.write_all(&MAGIC).map_err(unwritten)?;
        file.into_inner().map_err(|e| unwritten(e.into_error()))?.commit().map_err(unwritten)
    }

    /// Bytes of all images.
    pub fn length(&self) -> u64 {
        self.entries.iter().filter_map(Entry::length).sum()
    }

    /// The readers of each layer.
    pub fn layers(self) -> impl Iterator<Item = Layer> {
        let stored = Arc::new(self);
        (0..stored.forms.len()).map(move |layer| Layer { stored: stored.clone(), layer })
    }
}

/// The images in a file, or the targets beside them.
#[derive(Debug)]
pub struct Layer {
    stored: Arc<Stored>,
    layer: usize,
}

impl Layer {
    fn originals(&self) -> Result<&dyn Pictures, Fault> {
        match self.stored.originals.layers().nth(self.layer) {
            Some(Images::Read(pictures)) => Ok(pictures.as_ref()),
            Some(
                Images::Bytes { .. } | Images::Numbers { .. } | Images::Signals { .. } | Images::Kept(_),
            )
            | None => Err(Fault::internal("stored images that were never read")),
        }
    }
}

impl Entry {
    fn write(self, stamp: u64, rows: &mut Vec<u8>) {
        rows.extend(stamp.to_le_bytes());
        rows.extend(self.at.to_le_bytes());
        self.extents.iter().chain([&self.checksum]).for_each(|word| rows.extend(word.to_le_bytes()));
    }

    /// With its stamp, of a row of [`ROW`] bytes.
    fn read(row: &[u8]) -> Option<(u64, Entry)> {
        let (longs, rest) = row.split_at_checked(16)?;
        let (longs, words) = (longs.as_chunks::<8>().0, rest.as_chunks::<4>().0);
        let [stamp, at] = [longs.first()?, longs.get(1)?].map(|long| u64::from_le_bytes(*long));
        let [c, h, w, checksum] = *words else { return None };
        let extents = [c, h, w].map(u32::from_le_bytes);
        Some((stamp, Entry { at, extents, checksum: u32::from_le_bytes(checksum) }))
    }

    /// Bytes of the image.
    fn length(&self) -> Option<u64> {
        self.extents.iter().try_fold(1u64, |length, &extent| length.checked_mul(u64::from(extent)))
    }
}

impl Pictures for Layer {
    fn len(&self) -> usize {
        self.stored.entries.len() / self.stored.forms.len().max(1)
    }

    fn form(&self) -> Form {
        self.stored.forms[self.layer]
    }

    fn read(&self, index: usize) -> Result<Image, Fault> {
        let stored = &self.stored;
        let entry = stored.entries[index * stored.forms.len() + self.layer];
        let length = entry.length().and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
        match stored.file.read(entry.at, length) {
            Ok(bytes) if checksum(&bytes) == entry.checksum => {
                Ok(Image::of_bytes(entry.extents.map(|extent| extent as usize), bytes))
            }
            Ok(_) | Err(_) => {
                // The next run makes the file again; this one goes on, with the same numbers.
                if !stored.is_damaged.swap(true, Ordering::Relaxed) {
                    let _ = std::fs::remove_file(&stored.path);
                }
                let own = stored.originals.prepared(index)?.into_iter().nth(self.layer);
                own.ok_or_else(|| Fault::internal("an image without its target"))
            }
        }
    }

    fn name(&self, index: usize) -> String {
        self.originals().map_or_else(|_| index.to_string(), |pictures| pictures.name(index))
    }

    fn digest(&self, index: usize, sum: &mut Crc) {
        if let Ok(pictures) = self.originals() {
            pictures.digest(index, sum);
        }
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// A file that threads read at places of their own.
#[derive(Debug)]
struct Source {
    #[cfg(unix)]
    file: File,
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
}

impl Source {
    #[cfg(unix)]
    fn new(file: File) -> Source {
        Source { file }
    }

    #[cfg(unix)]
    fn read(&self, at: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        std::os::unix::fs::FileExt::read_exact_at(&self.file, &mut bytes, at).map(|()| bytes)
    }

    #[cfg(unix)]
    fn touch(&self) -> std::io::Result<()> {
        self.file.set_modified(std::time::SystemTime::now())
    }

    #[cfg(not(unix))]
    fn new(file: File) -> Source {
        Source { file: std::sync::Mutex::new(file) }
    }

    #[cfg(not(unix))]
    fn read(&self, at: u64, length: usize) -> std::io::Result<Vec<u8>> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut bytes).map(|()| bytes)
    }

    #[cfg(not(unix))]
    fn touch(&self) -> std::io::Result<()> {
        let file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.set_modified(std::time::SystemTime::now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::data::sample::Size;
    use crate::data::samples::{Samples, Targets};

    /// Images of one channel, each of its own size; those from `bad` on cannot be read.
    #[derive(Debug)]
    struct Drawn {
        bad: usize,
        n_read: AtomicUsize,
    }

    impl Pictures for Drawn {
        fn len(&self) -> usize {
            9
        }

        fn form(&self) -> Form {
            Form { channels: Some(1), size: Size::Varied }
        }

        fn read(&self, index: usize) -> Result<Image, Fault> {
            self.n_read.fetch_add(1, Ordering::Relaxed);
            if index >= self.bad {
                return Err(Fault::new(codes::DATA_FILE, format!("{index} is bad")));
            }
            Ok(Image::of_bytes([1, 2, index + 1], vec![index as u8; 2 * (index + 1)]))
        }

        fn name(&self, index: usize) -> String {
            index.to_string()
        }

        fn digest(&self, index: usize, sum: &mut Crc) {
            sum.update(&index.to_le_bytes());
        }
    }

    const STAMPS: [u64; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

    fn originals(bad: usize) -> (Originals, Arc<Drawn>) {
        let drawn = Arc::new(Drawn { bad, n_read: AtomicUsize::new(0) });
        let images = Images::Read(drawn.clone());
        let targets = Targets::Classes { names: Vec::new(), values: Vec::new() };
        (Originals { samples: Samples::new(images, targets), steps: Vec::new() }, drawn)
    }

    fn open(path: &Path, originals: &Originals, stamps: &[u64]) -> Option<Layer> {
        let forms: Vec<Form> = originals.layers().map(Images::form).collect();
        Stored::open(path, originals, stamps, &forms)?.layers().next()
    }

    fn all(stored: &Layer) -> Vec<Image> {
        (0..stored.len()).map(|index| stored.read(index).unwrap()).collect()
    }

    #[test]
    fn images_come_back_and_a_damaged_one_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not/yet/there.images");
        let (originals, drawn) = originals(9);
        assert!(open(&path, &originals, &STAMPS).is_none());
        Stored::make(&path, &originals, &STAMPS, 90).unwrap();
        let stored = open(&path, &originals, &STAMPS).unwrap();
        let expected: Vec<Image> = (0..9).map(|index| drawn.read(index).unwrap()).collect();
        assert_eq!(all(&stored), expected);
        assert_eq!((stored.stored.length(), drawn.n_read.load(Ordering::Relaxed)), (90, 18));
        // A changed image among those in the file.
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let damaged = open(&path, &originals, &STAMPS).unwrap();
        assert_eq!(all(&damaged), expected);
        assert_eq!(drawn.n_read.load(Ordering::Relaxed), 19);
        assert!(!path.exists(), "it is made again");
        assert_eq!(all(&stored), expected);
    }

    #[test]
    fn files_that_are_cut_or_of_other_images_are_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.images");
        let (originals, _) = originals(9);
        Stored::make(&path, &originals, &STAMPS, u64::MAX).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for end in [0, 1, END - 1, END, bytes.len() - END, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(open(&path, &originals, &STAMPS).is_none(), "{end}");
        }
        for at in bytes.len() - END - 9 * ROW..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x80;
            std::fs::write(&path, &changed).unwrap();
            assert!(open(&path, &originals, &STAMPS).is_none(), "{at}");
        }
        std::fs::write(&path, &bytes).unwrap();
        let mut others = STAMPS;
        others[4] += 1;
        assert!(open(&path, &originals, &others).is_none());
        assert!(open(&path, &originals, &STAMPS).is_some());
    }

    #[test]
    fn bad_images_are_all_named_and_too_many_bytes_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.images");
        let fault = Stored::make(&path, &originals(7).0, &STAMPS, u64::MAX).unwrap_err();
        assert_eq!(fault.notes, ["2 files cannot be used", "8 is bad"]);
        assert_eq!(Stored::make(&path, &originals(9).0, &STAMPS, 89).unwrap_err().code, codes::TOO_BIG);
        std::fs::write(folder.path().join("file"), "").unwrap();
        let below_a_file = folder.path().join("file/x.images");
        assert_eq!(
            Stored::make(&below_a_file, &originals(9).0, &STAMPS, 90).unwrap_err().code,
            codes::UNWRITTEN
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
