//! A file, a part of one, or bytes → the bytes at a place. Of a file a few pages are in memory; large pieces are read straight to
//! where they are wanted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Bytes of a page, and the most pages.
const PAGE: u64 = 1 << 14;
const MAX_PAGES: usize = 128;

/// What an HDF5 file is read from.
pub struct Content {
    form: Form,
    pages: RefCell<HashMap<u64, Vec<u8>>>,
}

enum Form {
    Memory(Vec<u8>),
    /// So many bytes of a file from a place on.
    File {
        file: File,
        start: u64,
        length: u64,
    },
}

impl Content {
    pub fn bytes(bytes: Vec<u8>) -> Content {
        Content { form: Form::Memory(bytes), pages: RefCell::default() }
    }

    /// `length` bytes of a file from `start` on.
    pub fn file(file: File, start: u64, length: u64) -> Content {
        Content { form: Form::File { file, start, length }, pages: RefCell::default() }
    }

    pub fn len(&self) -> u64 {
        match &self.form {
            Form::Memory(bytes) => bytes.len() as u64,
            Form::File { length, .. } => *length,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `out` with what lies at a place.
    ///
    /// # Errors
    /// In words that go on after "the file": it ends there, or cannot be read.
    pub fn read(&self, at: u64, out: &mut [u8]) -> Result<(), String> {
        let ends = || "is damaged: it ends while it is read".to_owned();
        match &self.form {
            Form::Memory(bytes) => {
                let own = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..out.len()));
                out.copy_from_slice(own.ok_or_else(ends)?);
                Ok(())
            }
            Form::File { file, start, length } => {
                let end = at.checked_add(out.len() as u64).filter(|end| end <= length);
                end.ok_or_else(ends)?;
                if out.len() as u64 >= PAGE {
                    return read(file, start + at, out);
                }
                let mut done = 0;
                while done < out.len() {
                    let place = at + done as u64;
                    let (page, within) = (place / PAGE, (place % PAGE) as usize);
                    let mut pages = self.pages.borrow_mut();
                    if !pages.contains_key(&page) {
                        if pages.len() == MAX_PAGES {
                            pages.clear();
                        }
                        let n = PAGE.min(length - page * PAGE);
                        let mut own = vec![0; n as usize];
                        read(file, start + page * PAGE, &mut own)?;
                        pages.insert(page, own);
                    }
                    let own = pages.get(&page).and_then(|own| own.get(within..)).ok_or_else(ends)?;
                    let n = own.len().min(out.len() - done);
                    out[done..done + n].copy_from_slice(&own[..n]);
                    done += n;
                }
                Ok(())
            }
        }
    }
}

fn read(mut file: &File, at: u64, out: &mut [u8]) -> Result<(), String> {
    let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(out));
    read.map_err(|e| format!("cannot be read: {e}"))
}

#[cfg(test)]
mod tests {
    use super::{Content, MAX_PAGES, PAGE};

    #[test]
    fn pieces_of_a_file_are_what_lies_there() {
        let n = (MAX_PAGES as u64 + 3) * PAGE + 7;
        let all: Vec<u8> = (0..n + 5).map(|i| (i % 251) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, &all).unwrap();
        let within = Content::file(std::fs::File::open(&path).unwrap(), 5, n);
        let memory = Content::bytes(all[5..].to_vec());
        assert_eq!((within.len(), memory.len()), (n, n));
        let places = (0..n).step_by(5_003).chain([n - 40, 3]);
        for (at, length) in places.flat_map(|at| [(at, 40), (at, 3 * PAGE as usize)]) {
            let read = |content: &Content| {
                let mut out = vec![0; length];
                content.read(at, &mut out).map(|()| out)
            };
            assert_eq!(read(&within), read(&memory), "{at} {length}");
            assert_eq!(read(&within).is_ok(), at + length as u64 <= n);
        }
        assert!(within.pages.borrow().len() <= MAX_PAGES);
    }
}
