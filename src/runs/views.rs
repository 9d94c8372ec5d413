//! What people and other tools look at, made of a run's record: the page, its details, and the table of its epochs.
//!
//! Nothing of it is needed to resume. A disk that refuses it is reported once, and the training continues.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::diag::{Fault, codes};
use crate::report::details::Details;
use crate::report::{State, page};
use crate::runs::folder::{CSV, DETAILS, REPORT};
use crate::runs::record::Record;
use crate::runs::story::{Recorded, details, story};
use crate::runs::tensorboard;
use crate::train::checkpoint::PART;
use crate::train::section::Logs;

/// The pause between two pages, as a multiple of the time that writing one took.
const PAUSE: u32 = 80;

/// A table of fewer rows is written at once.
const SHORT: usize = 1000;

pub struct Views {
    record: Record,
    events: Vec<Value>,
    due: Instant,
    /// Whether there is a file for TensorBoard.
    logs: Logs,
    /// Whether that file has all events so far.
    is_whole: bool,
}

impl Views {
    /// Those of a run with these events so far.
    pub fn new(record: Record, events: Vec<Value>, logs: Logs) -> Views {
        Views { record, events, due: Instant::now(), logs, is_whole: false }
    }

    /// Shows an event; inside a training the page waits where writing it took long.
    pub fn show(
        &mut self,
        folder: &Path,
        event: Value,
        state: State,
        details: &Details,
    ) -> Result<(), Fault> {
        self.events.push(event);
        match self.logs {
            Logs::Tensorboard => self.log(folder)?,
            Logs::None => {}
        }
        let begin = Instant::now();
        let waits = state == State::Running && begin < self.due;
        if !waits || self.events.len() < SHORT {
            write(&folder.join(CSV), table(&self.events).as_bytes())?;
        }
        if waits {
            return Ok(());
        }
        let bytes = serde_json::to_vec(details).map_err(Fault::internal)?;
        write(&folder.join(DETAILS), &bytes)?;
        let run = folder.display().to_string();
        let story = story(&run, state, &self.record, &self.events, details);
        write(&folder.join(REPORT), page(&story).as_bytes())?;
        self.due = Instant::now() + PAUSE * begin.elapsed().max(Duration::from_millis(1));
        Ok(())
    }

    /// A run that continues writes the whole file anew, and so does one whose last write failed.
    fn log(&mut self, folder: &Path) -> Result<(), Fault> {
        let written = match self.is_whole {
            true => tensorboard::append(folder, &self.events),
            false => tensorboard::write(folder, &self.events),
        };
        self.is_whole = written.is_ok();
        written
    }
}

/// Makes the page of a run that is on disk anew, and the table.
pub fn remake(run: &Recorded) -> Result<(), Fault> {
    write(&run.folder.join(CSV), table(&run.events).as_bytes())?;
    let folder = run.folder.display().to_string();
    let details = details(&run.folder);
    let story = story(&folder, run.state, &run.record, &run.events, &details);
    write(&run.folder.join(REPORT), page(&story).as_bytes())
}

/// A row an epoch: each number of its event under its name. What is none is empty.
fn table(events: &[Value]) -> String {
    let epochs = || events.iter().filter(|event| event["event"] == "epoch").filter_map(Value::as_object);
    let mut columns: Vec<&str> = Vec::new();
    for (key, value) in epochs().flatten() {
        let is_figure = value.is_number() || value.is_boolean() || value.is_null();
        if is_figure && !columns.contains(&key.as_str()) {
            columns.push(key);
        }
    }
    // The number of the epoch stands first.
    columns.sort_by_key(|name| (*name != "epoch", *name != "step"));
    let mut out = columns.join(",") + "\n";
    for event in epochs() {
        let cell = |name: &&str| match event.get(*name) {
            None | Some(Value::Null) => String::new(),
            Some(value) => value.to_string(),
        };
        let row: Vec<String> = columns.iter().map(cell).collect();
        out.push_str(&row.join(","));
        out.push('\n');
    }
    out
}

/// Writes a file that can be made again: a reader sees the old one or the new one, and nothing waits for the disk.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let mut name = path.as_os_str().to_owned();
    name.push(PART);
    let written = File::create(&name).and_then(|mut file| file.write_all(bytes));
    written.and_then(|()| std::fs::rename(&name, path)).map_err(|e| {
        // What is not whole takes room that others may need.
        let _ = std::fs::remove_file(&name);
        Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", path.display()))
    })
}
