//! The folder of a run → what its page and its row in a list are made of.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::diag::{Fault, codes};
use crate::experiment::disk::RECORD;
use crate::report::details::{Before, Details};
use crate::report::{State, Story, changes};
use crate::runs::folder::{DETAILS, LOCK, METRICS};
use crate::runs::metrics::MAX_METRICS;
use crate::runs::record::{Machine, Record};

/// Runs beside one that are looked at for the one before it.
const MOST_BESIDE: usize = 200;

/// What a run has on disk.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub folder: PathBuf,
    pub record: Record,
    pub events: Vec<Value>,
    pub details: Details,
    pub state: State,
}

/// Reads a run.
///
/// # Errors
/// A folder that has no run, or one whose record is damaged.
pub fn recorded(folder: &Path) -> Result<Recorded, Fault> {
    let Some(record) = Record::read(folder)? else {
        let what = if folder.exists() { "contains no run" } else { "does not exist" };
        let fault = Fault::new(codes::RUN, format!("{} {what}", folder.display()));
        return Err(fault.advise("the folder of a run, such as runs/mnist-1"));
    };
    let events = events(folder);
    let state = state(folder, &events);
    Ok(Recorded { folder: folder.to_owned(), record, events, details: details(folder), state })
}

impl Recorded {
    pub fn story(&self) -> Story<'_> {
        Story {
            run: self.folder.to_str().unwrap_or_default(),
            state: self.state,
            file: &self.record.file,
            settings: &self.record.settings,
            source: &self.record.source,
            machine: facts(&self.record),
            events: &self.events,
            details: &self.details,
        }
    }

    /// The last event of this kind.
    pub fn last(&self, kind: &str) -> Option<&Value> {
        self.events.iter().rev().find(|event| event["event"] == kind)
    }
}

/// The whole lines of a run's log.
pub fn events(folder: &Path) -> Vec<Value> {
    let mut bytes = Vec::new();
    let file = File::open(folder.join(METRICS));
    // A log that is not there or cannot be read has no events.
    let _ = file.and_then(|file| file.take(MAX_METRICS).read_to_end(&mut bytes));
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The codes of the warnings in a log.
pub fn told(events: &[Value]) -> Vec<String> {
    let warnings = events.iter().filter_map(|event| event["warnings"].as_array()).flatten();
    warnings.filter_map(|warning| Some(warning["code"].as_str()?.to_owned())).collect()
}

/// Those of a run; fresh ones where it has none.
pub fn details(folder: &Path) -> Details {
    let read = std::fs::read(folder.join(DETAILS)).ok();
    read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn state(folder: &Path, events: &[Value]) -> State {
    let is_locked = || {
        let lock = File::options().write(true).open(folder.join(LOCK));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    };
    let last = events.last();
    match last.and_then(|event| event["event"].as_str()) {
        Some("end") if last.is_some_and(|end| end["ended"] == "interrupted") => State::Stopped,
        Some("end") => State::Finished,
        Some("failed") => State::Failed,
        Some(_) | None if is_locked() => State::Running,
        Some(_) | None => State::Stopped,
    }
}

/// What the numbers of a run depend on beside its file.
pub fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let Machine { dslc, device, instructions, threads } = &record.machine;
    let facts = [
        ("dslc", dslc.clone()),
        ("system", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("device", device.clone()),
        ("instructions", instructions.clone()),
        ("threads", threads.to_string()),
        ("data", record.data.clone()),
        ("paths relative to", record.base.display().to_string()),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// The folders of runs in a folder, the newest first.
pub fn beside(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut runs: Vec<_> = entries
        .filter_map(|entry| {
            let changed =
                std::fs::metadata(entry.path().join(RECORD)).and_then(|file| file.modified()).ok()?;
            Some((changed, entry.path()))
        })
        .collect();
    runs.sort_by(|a, b| b.cmp(a));
    runs.into_iter().map(|(_, path)| path).collect()
}

/// The newest other run of the same file in the same folder of runs, and how this one's file differs.
pub fn before(folder: &Path, record: &Record) -> Option<Before> {
    let own = std::fs::canonicalize(folder).ok()?;
    let file = Path::new(&record.file).file_name()?;
    let others = beside(own.parent()?).into_iter().filter(|path| *path != own).take(MOST_BESIDE);
    let (path, other) = others
        .filter_map(|path| Some((path.clone(), Record::read(&path).ok()??)))
        .find(|(_, other)| Path::new(&other.file).file_name() == Some(file))?;
    Some(Before {
        run: path.file_name()?.to_string_lossy().into_owned(),
        changes: changes::changes(&other.source, &record.source),
    })
}
