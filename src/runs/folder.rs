//! The folder of a run: claimed by one process, with nothing in it that the run did not write.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::diag::{Fault, codes};
use crate::experiment::disk::RECORD;
use crate::train::checkpoint::{PART, Weights};

pub const LAST: &str = "last.safetensors";
pub const BEST: &str = "best.safetensors";
pub const METRICS: &str = "metrics.jsonl";
pub const SUMMARY: &str = "summary.txt";
/// Where the first number came about that is none, if a training ends so.
pub const FAILURE: &str = "failure.json";
pub const REPORT: &str = "report.html";
pub const DETAILS: &str = "details.json";
pub const CSV: &str = "metrics.csv";
pub const TENSORBOARD: &str = "tensorboard";
pub const CHECKPOINTS: &str = "checkpoints";
/// How the names of states in [`CHECKPOINTS`] begin, before their step;
const STEP: &str = "step-";
/// and those of former best weights, which such states may need, before their epoch.
const EPOCH: &str = "best-";
const ENDING: &str = ".safetensors";
/// Locked by the process that works in the folder. The lock ends with the process, however that ends; the file stays.
pub const LOCK: &str = ".lock";

/// Bytes of a run's name at most, so that no name of a file in its folder is too long.
const LONGEST_NAME: usize = 200;

/// A folder that no other process works in.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// None where the process that shares the work has it.
    _lock: Option<Lock>,
}

/// The lock of a folder, which ends when it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Locks a folder that is there; `wait` is the remedy where another process has it, `unwritable` where nothing can be
    /// written into it.
    pub fn take(path: &Path, wait: &str, unwritable: &str) -> Result<Lock, Fault> {
        let cannot = |what: &str, why: std::io::Error| {
            let message = format!("the folder {} cannot be {what}: {why}", path.display());
            Fault::new(codes::RUN, message).advise(unwritable)
        };
        let file = File::options().create(true).truncate(false).write(true).open(path.join(LOCK));
        let lock = file.map_err(|e| cannot("written to", e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Lock(lock)),
            Err(TryLockError::WouldBlock) => {
                let fault = Fault::new(codes::RUN, format!("another process is using {}", path.display()));
                Err(fault.advise(wait))
            }
            Err(TryLockError::Error(e)) => Err(cannot("locked", e)),
        }
    }
}

/// Where nothing was claimed.
fn cannot(path: &Path, what: &str, why: impl std::fmt::Display) -> Fault {
    Fault::new(codes::RUN, format!("the run's folder {} cannot be {what}: {why}", path.display()))
}

/// For a folder in which a run is looked for.
pub fn no_run(path: &Path) -> Fault {
    let what = if path.exists() { "contains no run" } else { "does not exist" };
    Fault::new(codes::RUN, format!("{} {what}", path.display()))
}

const ELSEWHERE: &str = "`--out DIR` with a folder that you may write to";
/// For a run that goes on.
const COPY: &str = "copy the folder to where you may write, and resume the copy";

impl Folder {
    /// Makes `runs/NAME-N` with the first free N, or takes exactly `out`, which must hold nothing that the run would write.
    pub fn claim(out: Option<&Path>, name: &str) -> Result<Folder, Fault> {
        let name = short(name);
        match out {
            Some(out) => Folder::take(out, name),
            None => Folder::next(Path::new("runs"), name),
        }
    }

    fn take(out: &Path, name: &str) -> Result<Folder, Fault> {
        if out.exists() && !out.is_dir() {
            let fault = cannot(out, "made", "there is a file of this name");
            return Err(fault.advise("`--out DIR` with another name"));
        }
        let is_new = !out.exists();
        std::fs::create_dir_all(out).map_err(|e| cannot(out, "made", e).advise(ELSEWHERE))?;
        let had_lock = out.join(LOCK).exists();
        let folder = Folder::lock(out, "`--out DIR` with another folder", ELSEWHERE)?;
        let own = format!("{name}.net");
        let written = [
            RECORD,
            METRICS,
            LAST,
            BEST,
            SUMMARY,
            REPORT,
            DETAILS,
            CSV,
            TENSORBOARD,
            FAILURE,
            CHECKPOINTS,
            own.as_str(),
        ];
        let Some(taken) = written.into_iter().find(|file| std::fs::symlink_metadata(out.join(file)).is_ok())
        else {
            return Ok(folder);
        };
        let why = match [RECORD, METRICS, LAST, BEST].contains(&taken) {
            true => "it already contains a run".to_owned(),
            false => format!("it contains {taken}, which the run would overwrite"),
        };
        folder.give_back(is_new, had_lock);
        let fault = cannot(out, "made", why).advise("another folder, or no `--out` for the next free one");
        Err(match taken == RECORD {
            true => fault.advise(format!("`dslc resume {}` continues the run in it", out.display())),
            false => fault,
        })
    }

    fn next(runs: &Path, name: &str) -> Result<Folder, Fault> {
        std::fs::create_dir_all(runs).map_err(|e| cannot(runs, "made", e).advise(ELSEWHERE))?;
        for n in 1..=1_000_000 {
            let path = runs.join(format!("{name}-{n}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Folder::lock(&path, "run it again", ELSEWHERE),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(cannot(&path, "made", e).advise(ELSEWHERE)),
            }
        }
        Err(cannot(runs, "made", "there are a million runs").advise(ELSEWHERE))
    }

    /// Takes the folder of a run, to go on with it; what an ended process left half written is removed.
    pub fn reopen(path: &Path) -> Result<Folder, Fault> {
        if !path.join(RECORD).is_file() {
            return Err(no_run(path).advise("the folder of a run, such as runs/mnist-1"));
        }
        let folder = Folder::lock(path, "wait until it ends", COPY)?;
        folder.clean();
        Ok(folder)
    }

    /// The folder of a run that another process takes, to read in it what that one goes on from.
    pub fn beside(path: &Path) -> Result<Folder, Fault> {
        match path.join(RECORD).is_file() {
            true => Ok(Folder { path: path.to_owned(), _lock: None }),
            false => Err(no_run(path).advise("a folder that all processes see, under the same name")),
        }
    }

    fn lock(path: &Path, wait: &str, unwritable: &str) -> Result<Folder, Fault> {
        Ok(Folder { path: path.to_owned(), _lock: Some(Lock::take(path, wait, unwritable)?) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// Keeps [`LAST`] as the state after this step.
    pub fn keep_state(&self, step: u64) -> Result<(), Fault> {
        self.keep(LAST, &format!("{STEP}{step:010}{ENDING}"))
    }

    /// Keeps [`BEST`] as the best weights of this epoch.
    pub fn keep_best(&self, epoch: usize) -> Result<(), Fault> {
        self.keep(BEST, &format!("{EPOCH}{epoch:06}{ENDING}"))
    }

    /// The states before the last one, with the step of each, the newest first.
    pub fn states(&self) -> Vec<(u64, PathBuf)> {
        self.kept(STEP)
    }

    /// The best weights before the best, with the epoch of each, the newest first.
    pub fn bests(&self) -> Vec<(u64, PathBuf)> {
        self.kept(EPOCH)
    }

    /// How many files of weights it has.
    pub fn n_weights(&self) -> usize {
        let own = [LAST, BEST].iter().filter(|file| self.join(file).exists()).count();
        own + self.states().len() + self.bests().len()
    }

    /// Gives a file a second name in [`CHECKPOINTS`].
    fn keep(&self, file: &str, name: &str) -> Result<(), Fault> {
        let (from, folder) = (self.join(file), self.join(CHECKPOINTS));
        let to = folder.join(name);
        let linked = std::fs::create_dir_all(&folder).and_then(|()| match std::fs::hard_link(&from, &to) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            // Some disks have no links.
            Err(_) => std::fs::copy(&from, &to).map(|_| ()).inspect_err(|_| {
                // A part of a copy is of no use.
                let _ = std::fs::remove_file(&to);
            }),
            Ok(()) => Ok(()),
        });
        linked.map_err(|e| Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", to.display())))
    }

    fn kept(&self, beginning: &str) -> Vec<(u64, PathBuf)> {
        let entries = std::fs::read_dir(self.join(CHECKPOINTS)).into_iter().flatten().flatten();
        let number = |path: &Path| {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix(beginning)?.strip_suffix(ENDING)?.parse::<u64>().ok()
        };
        let mut kept: Vec<(u64, PathBuf)> =
            entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
        kept.sort_by(|a, b| b.cmp(a));
        kept
    }

    /// Undoes the claim of a run that never began.
    pub fn abandon(self) {
        self.give_back(true, false);
    }

    /// Removes the lock's file unless it was there, and the folder if it is new; nothing else is removed.
    fn give_back(self, is_new: bool, had_lock: bool) {
        if !had_lock {
            // A file that stays does no harm.
            let _ = std::fs::remove_file(self.join(LOCK));
        }
        if is_new {
            // A folder with anything in it stays.
            let _ = std::fs::remove_dir(&self.path);
        }
    }

    fn clean(&self) {
        for folder in [self.path.clone(), self.join(CHECKPOINTS)] {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            for part in entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(PART)) {
                // It is written over when its turn comes.
                let _ = std::fs::remove_file(part.path());
            }
        }
    }
}

/// A name that leaves room for endings.
pub fn short(name: &str) -> &str {
    let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
    &name[..ends.take_while(|&end| end <= LONGEST_NAME).last().unwrap_or(0)]
}

/// The weights of a run: RUN is its folder (its best weights are taken) or a weights file. Beside it the folder.
pub fn weights(run: &Path) -> Result<(Weights, PathBuf), Fault> {
    let refuse = |message: String| Fault::new(codes::RUN, format!("{} {message}", run.display()));
    if !run.exists() {
        let fault = refuse("does not exist".to_owned());
        return Err(fault.advise("the folder of a run, such as runs/mnist-1, or a weights file in it"));
    }
    if !run.is_dir() {
        return Ok((Weights::open(run)?, run.parent().map(Path::to_owned).unwrap_or_default()));
    }
    let found = [BEST, LAST].iter().map(|name| run.join(name)).find(|file| file.exists());
    match found {
        Some(file) => Ok((Weights::open(&file)?, run.to_owned())),
        None => Err(refuse(format!("contains no weights ({BEST} or {LAST})"))
            .advise("a run writes them after its first epoch, or when it is interrupted")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Folder, LOCK, short};

    #[test]
    fn one_of_two_processes_has_a_folder() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("run");
        let first = Folder::claim(Some(&out), "net").unwrap();
        let fault = Folder::claim(Some(&out), "net").unwrap_err();
        assert!(fault.message.starts_with("another process is using"), "{fault}");
        drop(first);
        std::fs::write(out.join("run.json"), "{}").unwrap();
        let fault = Folder::claim(Some(&out), "net").unwrap_err();
        assert!(fault.message.contains("it already contains a run"), "{fault}");
        let again = Folder::reopen(&out).unwrap();
        assert!(Folder::reopen(&out).is_err());
        drop(again);
        assert!(Folder::reopen(&out).is_ok());
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        for own in ["net.net", "summary.txt", "checkpoints", "best.safetensors"] {
            let out = place.path().join(own.replace('.', "_"));
            std::fs::create_dir(&out).unwrap();
            std::fs::write(out.join(own), "mine").unwrap();
            let fault = Folder::claim(Some(&out), "net").unwrap_err();
            assert!(fault.message.contains("contain"), "{fault}");
            assert_eq!(std::fs::read_to_string(out.join(own)).unwrap(), "mine");
            assert!(!out.join(LOCK).exists());
        }
        // Of another name it is no concern of the run.
        let out = place.path().join("free");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("other.net"), "mine").unwrap();
        assert!(Folder::claim(Some(&out), "net").is_ok());
    }

    #[test]
    fn a_long_name_leaves_room() {
        assert_eq!(short("mnist"), "mnist");
        assert_eq!(short(&"ä".repeat(150)).len(), 200);
        assert_eq!(short(&format!("x{}", "ä".repeat(150))).len(), 199);
    }
}
