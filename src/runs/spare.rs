//! A run whose own disk refuses → a copy of its folder elsewhere, which `dslc resume` takes. A copy is whole, or not there.

use std::path::{Path, PathBuf};

use crate::diag::{Fault, codes};
use crate::experiment::disk::RECORD;
use crate::runs::folder::Folder;

/// How the name of a copy that is being written ends, and that of one whose successor is whole.
const NEW: &str = ".new";
const OLD: &str = ".old";

/// The place for copies of one run.
#[derive(Debug)]
pub struct Spare {
    within: PathBuf,
    /// The name of the run's folder.
    name: String,
    /// The record and the file beside it, by their names.
    files: Vec<(PathBuf, Vec<u8>)>,
    written: Option<PathBuf>,
}

impl Spare {
    /// Looks at the run's folder now, as it may be gone later.
    ///
    /// # Errors
    /// A place that is not a folder, or in which nothing can be made.
    pub fn of(run: &Folder, within: &Path) -> Result<Spare, Fault> {
        std::fs::create_dir_all(within).map_err(|e| unwritten(within, &e))?;
        let absolute = std::path::absolute(run.path()).unwrap_or_else(|_| run.path().to_owned());
        let name = absolute.file_name().map_or("run".into(), |name| name.to_string_lossy());
        let is_own = |path: &Path| {
            path.file_name().is_some_and(|name| name == RECORD)
                || path.extension().is_some_and(|e| e == "net")
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(run.path()).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_own(&path) {
                let bytes = std::fs::read(&path)
                    .map_err(|e| Fault::new(codes::RUN, format!("{} cannot be read: {e}", path.display())))?;
                files.push((PathBuf::from(entry.file_name()), bytes));
            }
        }
        Ok(Spare { within: within.to_owned(), name: name.into_owned(), files, written: None })
    }

    /// Makes a copy in place of the one before; `fill` writes what changes, into the folder that it is given.
    pub fn write(&mut self, fill: impl FnOnce(&Path) -> Result<(), Fault>) -> Result<&Path, Fault> {
        let place = match &self.written {
            Some(place) => place.clone(),
            None => self.free(),
        };
        let new = with_ending(&place, NEW);
        let made = self.fill(&new, fill).and_then(|()| replace(&place, &new));
        if let Err(fault) = made {
            // A part of a copy is of no use.
            let _ = std::fs::remove_dir_all(&new);
            return Err(fault);
        }
        Ok(self.written.insert(place))
    }

    fn fill(&self, new: &Path, fill: impl FnOnce(&Path) -> Result<(), Fault>) -> Result<(), Fault> {
        std::fs::create_dir_all(new).map_err(|e| unwritten(new, &e))?;
        for (name, bytes) in &self.files {
            let path = new.join(name);
            std::fs::write(&path, bytes).map_err(|e| unwritten(&path, &e))?;
        }
        fill(new)
    }

    /// The first name, `NAME` or `NAME-2` and so on, that nothing has.
    fn free(&self) -> PathBuf {
        let numbered = (2u64..).map(|n| self.within.join(format!("{}-{n}", self.name)));
        let mut names = std::iter::once(self.within.join(&self.name)).chain(numbered);
        names
            .find(|path| std::fs::symlink_metadata(path).is_err())
            .unwrap_or_else(|| self.within.join(&self.name))
    }
}

fn with_ending(place: &Path, ending: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn replace(place: &Path, new: &Path) -> Result<(), Fault> {
    let moved = |from: &Path, to: &Path| std::fs::rename(from, to).map_err(|e| unwritten(to, &e));
    if !place.exists() {
        return moved(new, place);
    }
    let old = with_ending(place, OLD);
    // One that could not be removed before would be in the way.
    let _ = std::fs::remove_dir_all(&old);
    moved(place, &old)?;
    moved(new, place)?;
    // A copy that stays is of no consequence.
    let _ = std::fs::remove_dir_all(&old);
    Ok(())
}

fn unwritten(path: &Path, e: &std::io::Error) -> Fault {
    Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::Spare;
    use crate::diag::Fault;
    use crate::runs::folder::Folder;

    #[test]
    fn a_copy_is_whole_or_the_one_before() {
        let place = tempfile::tempdir().unwrap();
        let run = Folder::claim(Some(&place.path().join("run")), "net").unwrap();
        std::fs::write(run.join("run.json"), "{}").unwrap();
        std::fs::write(run.join("last.safetensors"), "old").unwrap();
        let within = place.path().join("spare");
        std::fs::create_dir_all(within.join("run")).unwrap();
        let mut spare = Spare::of(&run, &within).unwrap();
        drop(run);
        std::fs::remove_dir_all(place.path().join("run")).unwrap();
        let write = |text: &'static str| {
            move |folder: &std::path::Path| {
                std::fs::write(folder.join("last.safetensors"), text).unwrap();
                Ok(())
            }
        };
        let copy = spare.write(write("1")).unwrap().to_owned();
        assert_eq!(copy, within.join("run-2"), "what was there stays");
        spare.write(write("2")).unwrap();
        let failed = spare.write(|folder| {
            write("3")(folder)?;
            Err(Fault::internal("no room"))
        });
        assert_eq!(failed.unwrap_err().message, "internal error: no room");
        assert_eq!(std::fs::read_to_string(copy.join("last.safetensors")).unwrap(), "2");
        assert_eq!(std::fs::read_to_string(copy.join("run.json")).unwrap(), "{}");
        assert_eq!(std::fs::read_dir(&within).unwrap().count(), 2, "nothing else is left");
    }
}
