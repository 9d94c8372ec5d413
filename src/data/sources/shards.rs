//! Files that hold many pictures each: which files a path names, the part that a file's name tells, and pictures that lie at an
//! offset of one, read when they are asked for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::Crc;

use crate::data::glob;
use crate::data::sample::{Form, Image};
use crate::data::samples::Pictures;
use crate::data::sources::files;
use crate::data::sources::folder::part_called;
use crate::data::sources::idx::fault;
use crate::diag::Fault;

/// The files that a path names, sorted: a file, those of a folder with this ending, or those of a pattern. None where nothing lies
/// there.
pub fn files(path: &Path, ending: &str) -> Result<Vec<PathBuf>, Fault> {
    let found = match path.is_dir() {
        true => glob::matching(&path.join(format!("*.{ending}")))?,
        false => glob::matching(path)?,
    };
    Ok(found.into_iter().filter(|path| !path.is_dir()).collect())
}

/// The same; a fault where there are none.
pub fn some_files(path: &Path, ending: &str) -> Result<Vec<PathBuf>, Fault> {
    let found = files(path, ending)?;
    if let Some(odd) = found.iter().find(|path| !path.is_file()) {
        return Err(fault(odd, "is not a regular file").advise(format!("a file such as x.{ending}")));
    }
    match found.is_empty() {
        false => Ok(found),
        true => Err(fault(path, "does not exist, or there is no file of this name")
            .note("the path is relative to the experiment's file")
            .advise(format!("files such as \"data/*.{ending}\""))),
    }
}

/// The part that a file belongs to by its name, or else its folder's: the first word of it that is a part's, as in
/// `train-00000-of-00004.parquet`. Without one: training.
pub fn part(path: &Path) -> usize {
    let named = |name: Option<&std::ffi::OsStr>| {
        let name = name?.to_string_lossy();
        name.split(|c: char| !c.is_alphabetic()).find_map(part_called)
    };
    named(path.file_name()).or_else(|| named(path.parent()?.file_name())).unwrap_or(0)
}

/// Where a picture lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: u32,
    /// In bytes.
    pub length: u32,
    pub offset: u64,
}

/// Pictures at offsets of files.
#[derive(Debug)]
pub struct Pieces {
    pub files: Vec<PathBuf>,
    /// What each picture is called.
    pub names: Vec<Box<Path>>,
    pub places: Vec<Place>,
    pub form: Form,
}

impl Pieces {
    fn piece(&self, index: usize) -> Result<Vec<u8>, Fault> {
        let Place { file, length, offset } = self.places[index];
        let path = &self.files[file as usize];
        let read = || {
            let mut bytes = vec![0; length as usize];
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read()
            .map_err(|e: std::io::Error| fault(path, &format!("cannot be read: {e}")).advise("copy it again"))
    }
}

impl Pictures for Pieces {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn form(&self) -> Form {
        self.form
    }

    fn read(&self, index: usize) -> Result<Image, Fault> {
        files::image(&self.piece(index)?, &self.path(index), self.form)
    }

    fn path(&self, index: usize) -> PathBuf {
        self.files[self.places[index].file as usize].join(&self.names[index])
    }

    fn name(&self, index: usize) -> String {
        self.names[index].to_string_lossy().into_owned()
    }

    fn bytes(&self, index: usize) -> Result<Option<Vec<u8>>, Fault> {
        self.piece(index).map(Some)
    }

    fn n_bytes(&self) -> u64 {
        self.places.iter().map(|place| u64::from(place.length)).sum()
    }

    fn digest(&self, index: usize, sum: &mut Crc) {
        sum.update(self.name(index).as_bytes());
        sum.update(&u64::from(self.places[index].length).to_le_bytes());
    }

    fn stamp(&self, index: usize) -> u64 {
        let Place { file, length, offset } = self.places[index];
        files::stamp(&self.files[file as usize], &(&self.names[index], length, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_parts() {
        for (name, own) in [
            ("data/train-00000-of-00001.parquet", 0),
            ("data/validation-00000.parquet", 1),
            ("shards/val_01.tar", 1),
            ("shards/imagenet-test-3.tar", 2),
            ("test/0.tar", 2),
            ("shards/contest.tar", 0),
            ("0.tar", 0),
        ] {
            assert_eq!(part(Path::new(name)), own, "{name}");
        }
    }
}
