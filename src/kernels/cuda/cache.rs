//! Compiled kernels on disk, so that only the first session of a network waits for NVRTC.
//!
//! A file is named after a hash of its key, and begins with the whole key: the kernels' text, what they were compiled for,
//! and by which NVRTC. What has another key, or another length than it says, is not taken. A cache that cannot be read or
//! written is no reason to stop: the kernels are compiled.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files that are kept at most; the oldest go first.
const MOST_FILES: usize = 200;
const ENDING: &str = "kernels";

pub struct Cache(Option<PathBuf>);

impl Cache {
    #[cfg(feature = "cuda")]
    pub fn open() -> Cache {
        Cache(crate::tensor::disk::cache_folder())
    }

    /// The code of this key, from the cache or else made now, and kept.
    pub fn code<E>(&self, key: &str, make: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        let path = self.0.as_ref().map(|folder| folder.join(format!("{:016x}.{ENDING}", hash(key))));
        if let Some(code) = path.as_ref().and_then(|path| read(path, key)) {
            return Ok(code);
        }
        let code = make()?;
        if let Some(path) = path {
            // The next session compiles again where this one cannot write.
            let _ = write(&path, key, &code);
        }
        Ok(code)
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Lengths of key and code, the key, the code.
fn read(path: &Path, key: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok()?;
    let (head, rest) = bytes.split_at_checked(16)?;
    let [n_key, n_code] =
        [0, 8].map(|at| u64::from_le_bytes(head[at..at + 8].try_into().unwrap_or_default()));
    let (own, code) = rest.split_at_checked(usize::try_from(n_key).ok()?)?;
    (own == key.as_bytes() && code.len() as u64 == n_code).then(|| code.to_vec())
}

fn write(path: &Path, key: &str, code: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder)?;
    let mut file = atomic_write_file::AtomicWriteFile::open(path)?;
    for part in [&(key.len() as u64).to_le_bytes(), &(code.len() as u64).to_le_bytes(), key.as_bytes(), code]
    {
        file.write_all(part)?;
    }
    file.commit()?;
    forget_oldest(folder)
}

fn forget_oldest(folder: &Path) -> std::io::Result<()> {
    let mut kept: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            kept.push((entry.metadata()?.modified()?, path));
        }
    }
    kept.sort();
    kept.iter()
        .take(kept.len().saturating_sub(MOST_FILES))
        .try_for_each(|(_, path)| std::fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::{Cache, ENDING, MOST_FILES};

    fn code(cache: &Cache, key: &str, made: &[u8]) -> (Vec<u8>, bool) {
        let mut is_made = false;
        let code = cache.code(key, || {
            is_made = true;
            Ok::<_, ()>(made.to_vec())
        });
        (code.unwrap(), is_made)
    }

    #[test]
    fn code_is_made_once_and_again_where_its_file_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache(Some(folder.path().join("made/here")));
        assert_eq!(code(&cache, "key", b"code"), (b"code".to_vec(), true));
        assert_eq!(code(&cache, "key", b"other"), (b"code".to_vec(), false));
        let mut files = std::fs::read_dir(folder.path().join("made/here")).unwrap();
        let path = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        let bytes = std::fs::read(&path).unwrap();
        let cut = [0, 3, 17, bytes.len() - 1].map(|n| bytes[..n].to_vec());
        for damaged in cut.into_iter().chain([[&bytes[..], b"x"].concat()]) {
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(code(&cache, "key", b"new"), (b"new".to_vec(), true), "{} bytes", damaged.len());
            assert_eq!(code(&cache, "key", b"other"), (b"new".to_vec(), false));
        }
        assert_eq!(code(&cache, "another key", b"other"), (b"other".to_vec(), true));
    }

    #[test]
    fn files_are_forgotten_when_there_are_many() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache(Some(folder.path().to_owned()));
        std::fs::write(folder.path().join("mine.txt"), "stays").unwrap();
        for i in 0..MOST_FILES + 5 {
            assert!(code(&cache, &format!("key {i}"), b"code").1);
        }
        let entries = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        assert_eq!(entries().filter(|path| path.extension().unwrap() == ENDING).count(), MOST_FILES);
        assert!(folder.path().join("mine.txt").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_reason_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let cache = Cache(Some(file.join("below")));
        for _ in 0..2 {
            assert_eq!(code(&cache, "key", b"code"), (b"code".to_vec(), true));
        }
    }
}
