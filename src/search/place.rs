//! The folder of many trainings: claimed by one process, with nothing in it that they would write over.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::diag::{Fault, codes};
use crate::runs::folder::{Lock, short};
use crate::runs::record::Record;
use crate::tensor::device::Choice;
use crate::train::checkpoint::write_atomically;

/// No record is longer.
const MAX_RECORD: u64 = 1 << 28;
const ELSEWHERE: &str = "`--out DIR` with a folder that you may write to";

/// A folder that no other process works in.
#[derive(Debug)]
pub struct Place {
    pub folder: PathBuf,
    _lock: Lock,
}

/// What is to be put into a folder.
pub struct Kind<'a> {
    /// What it is called, such as `a sweep`.
    pub name: &'a str,
    /// The folder of all folders of this kind, where none is named.
    pub within: &'a str,
    /// The file that tells what is in the folder.
    pub record: &'a str,
    /// The command that, followed by the folder, continues what is in it.
    pub command: &'a str,
}

impl Kind<'_> {
    /// Makes `WITHIN/NAME-N` with the first free N, or takes exactly `out`, which must hold nothing that would be `written`.
    pub fn claim(&self, out: Option<&Path>, name: &str, written: &[PathBuf]) -> Result<Place, Fault> {
        let cannot = |path: &Path, why: &dyn std::fmt::Display| {
            Fault::new(codes::RUN, format!("the folder {} cannot be made: {why}", path.display()))
                .advise(ELSEWHERE)
        };
        let locked = |folder: PathBuf| {
            let lock = Lock::take(&folder, "`--out DIR` with another folder", ELSEWHERE)?;
            Ok(Place { folder, _lock: lock })
        };
        if let Some(out) = out {
            std::fs::create_dir_all(out).map_err(|e| cannot(out, &e))?;
            let free = || {
                if out.join(self.record).exists() {
                    let fault = cannot(out, &format!("it already contains {}", self.name));
                    return Err(fault.advise(format!("`{} {}` continues it", self.command, out.display())));
                }
                let mut written = written.iter().map(|own| out.join(own));
                match written.find(|place| std::fs::symlink_metadata(place).is_ok()) {
                    Some(taken) => {
                        Err(cannot(out, &format!("{} would overwrite {}", self.name, taken.display())))
                    }
                    None => Ok(()),
                }
            };
            free()?;
            let place = locked(out.to_owned())?;
            // Another process may have had it until now.
            free()?;
            return Ok(place);
        }
        let within = Path::new(self.within);
        std::fs::create_dir_all(within).map_err(|e| cannot(within, &e))?;
        for n in 1..=1_000_000 {
            let path = within.join(format!("{}-{n}", short(name)));
            match std::fs::create_dir(&path) {
                Ok(()) => return locked(path),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(cannot(&path, &e)),
            }
        }
        Err(cannot(within, &"there are a million in it"))
    }

    /// Takes a folder, to continue what is in it.
    pub fn reopen(&self, folder: &Path) -> Result<Place, Fault> {
        let lock = Lock::take(folder, "wait until it ends", "copy the folder to where you may write")?;
        Ok(Place { folder: folder.to_owned(), _lock: lock })
    }

    /// Reads the record in a folder.
    pub fn read<T: DeserializeOwned>(&self, folder: &Path) -> Result<T, Fault> {
        let path = folder.join(self.record);
        let refuse = |e: &dyn std::fmt::Display| {
            let fault = Fault::new(codes::RUN, format!("{} cannot be read: {e}", path.display()));
            fault.advise(format!("the folder of {}, such as {}/mnist-1", self.name, self.within))
        };
        if std::fs::metadata(&path).map_err(|e| refuse(&e))?.len() > MAX_RECORD {
            return Err(refuse(&"it is too large"));
        }
        let bytes = std::fs::read(&path).map_err(|e| refuse(&e))?;
        serde_json::from_slice(&bytes).map_err(|e| refuse(&e))
    }

    /// Writes the record into a folder.
    pub fn write(&self, folder: &Path, record: &impl Serialize) -> Result<(), Fault> {
        let mut bytes = serde_json::to_vec_pretty(record).map_err(Fault::internal)?;
        bytes.push(b'\n');
        write_atomically(&folder.join(self.record), &bytes)
    }
}

/// The device that a run began on; the CPU if there is no run.
pub fn device(run: &Path) -> Choice {
    let record = Record::read(run).ok().flatten();
    record.map(|record| record.machine.choice()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Kind, device};
    use crate::runs::record::{Machine, Record};
    use crate::tensor::device::Choice;

    #[test]
    fn what_continues_stays_on_its_device() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(device(place.path()), Choice::Cpu);
        let machine = Machine { device: "cuda:1".to_owned(), ..Machine::default() };
        Record { machine, ..Record::default() }.write(place.path()).unwrap();
        assert_eq!(device(place.path()), Choice::Cuda(1));
    }

    #[test]
    fn a_folder_with_something_of_another_is_left_alone() {
        let kind = Kind { name: "a sweep", within: "sweeps", record: "sweep.json", command: "dslc sweep" };
        let place = tempfile::tempdir().unwrap();
        let out = Some(place.path());
        std::fs::create_dir(place.path().join("trial-003")).unwrap();
        let held = kind.claim(out, "net", &["trial-001".into()]).unwrap();
        let fault = kind.claim(out, "net", &[]).unwrap_err();
        assert!(fault.message.starts_with("another process is using"), "{fault}");
        assert!(kind.reopen(place.path()).is_err());
        drop(held);
        let fault = kind.claim(out, "net", &["trial-003".into()]).unwrap_err();
        assert!(fault.message.contains("a sweep would overwrite"), "{fault}");
        std::fs::write(place.path().join("sweep.json"), "{}").unwrap();
        let fault = kind.claim(out, "net", &[]).unwrap_err();
        assert!(fault.message.contains("it already contains a sweep"), "{fault}");
        assert!(kind.reopen(place.path()).is_ok());
    }
}
