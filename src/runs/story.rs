//! The folder of a run → what its page and its row in a list are made of.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::diag::Fault;
use crate::experiment::disk::RECORD;
use crate::report::details::{Before, Details};
use crate::report::{State, Story, changes};
use crate::runs::folder::{DETAILS, LOCK, METRICS, no_run};
use crate::runs::metrics::MAX_METRICS;
use crate::runs::record::{Machine, Record};

/// How many runs in the same folder are looked at for the one before.
const MOST_BESIDE: usize = 200;

/// A longer file is not one that dslc wrote.
const MAX_DETAILS: u64 = 1 << 28;

/// What a run has on disk, but for its [`details`].
#[derive(Clone, Debug)]
pub struct Recorded {
    pub folder: PathBuf,
    pub record: Record,
    pub events: Vec<Value>,
    pub state: State,
}

/// Reads a run.
///
/// # Errors
/// A folder that has no run, or one whose record is damaged.
pub fn recorded(folder: &Path) -> Result<Recorded, Fault> {
    let Some(record) = Record::read(folder)? else {
        return Err(no_run(folder).advise("the folder of a run, such as runs/mnist-1"));
    };
    let events = events(folder);
    let state = state(folder, &events);
    Ok(Recorded { folder: folder.to_owned(), record, events, state })
}

impl Recorded {
    /// The last event of this kind.
    pub fn last(&self, kind: &str) -> Option<&Value> {
        self.events.iter().rev().find(|event| event["event"] == kind)
    }
}

/// What a page tells; `run` is the run's folder.
pub fn story<'a>(
    run: &'a str,
    state: State,
    record: &'a Record,
    events: &'a [Value],
    details: &'a Details,
) -> Story<'a> {
    let Record { file, settings, source, .. } = record;
    Story { run, state, file, settings, source, machine: facts(record), events, details }
}

/// At most `most` bytes of a file; none of one that is not there or cannot be read.
fn read(path: &Path, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    bytes
}

/// The whole lines of a run's log.
pub fn events(folder: &Path) -> Vec<Value> {
    let bytes = read(&folder.join(METRICS), MAX_METRICS);
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The codes of the warnings in a log.
pub fn told(events: &[Value]) -> Vec<String> {
    let warnings = events.iter().filter_map(|event| event["warnings"].as_array()).flatten();
    warnings.filter_map(|warning| Some(warning["code"].as_str()?.to_owned())).collect()
}

/// What a run's page shows besides its events; empty if it has none.
pub fn details(folder: &Path) -> Details {
    serde_json::from_slice(&read(&folder.join(DETAILS), MAX_DETAILS)).unwrap_or_default()
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

/// What the numbers of a run depend on besides its file.
fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let Machine { dslc, system, device, instructions, threads } = &record.machine;
    let facts = [
        ("dslc", dslc.clone()),
        ("system", system.clone()),
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
