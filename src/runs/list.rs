//! A folder of runs → a row for each.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::diag::Fault;
use crate::experiment::disk::RECORD;
use crate::report::State;
use crate::runs::folder::{METRICS, no_run};
use crate::runs::series::{falls, series};
use crate::runs::story::{Recorded, beside, recorded};

/// A run in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub run: PathBuf,
    pub state: &'static str,
    pub epochs: usize,
    /// The measurement that it is judged by, such as `test.accuracy`; nothing was measured yet where there is none.
    pub measurement: Option<String>,
    pub score: Option<f64>,
    pub loss: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
    pub file: String,
    /// Seconds since 1970 at which its log was written last.
    pub when: u64,
    /// Why it failed.
    pub failure: Option<String>,
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The newest first, here and below the best, the longest.
    When,
    Score,
    Time,
    Name,
}

/// The runs in a folder, and what is wrong with those whose record is damaged.
///
/// # Errors
/// A folder that is not there or has no run.
pub fn list(folder: &Path, by: By) -> Result<(Vec<Row>, Vec<String>), Fault> {
    let paths = beside(folder);
    if paths.is_empty() {
        return Err(no_run(folder).advise("`dslc run FILE` leaves a run in the folder runs"));
    }
    let (mut rows, mut damaged) = (Vec::new(), Vec::new());
    for path in paths {
        match recorded(&path) {
            Ok(run) => rows.push(row(&run)),
            Err(fault) => damaged.push(fault.message),
        }
    }
    let best_first = |row: &Row| {
        let sign = if row.measurement.as_deref().is_some_and(falls) { 1.0 } else { -1.0 };
        row.score.map_or(f64::INFINITY, |score| sign * score)
    };
    match by {
        By::When => rows.sort_by_key(|row| std::cmp::Reverse(row.when)),
        By::Score => rows.sort_by(|a, b| best_first(a).total_cmp(&best_first(b))),
        By::Time => rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds)),
        By::Name => rows.sort_by(|a, b| a.run.cmp(&b.run)),
    }
    Ok((rows, damaged))
}

fn row(run: &Recorded) -> Row {
    let epochs = || run.events.iter().filter(|event| event["event"] == "epoch");
    let (measurement, score) = judged(run).unzip();
    let written = [METRICS, RECORD].iter().find_map(|file| {
        let changed = std::fs::metadata(run.folder.join(file)).and_then(|file| file.modified()).ok()?;
        changed.duration_since(UNIX_EPOCH).ok()
    });
    let end = run.last("end");
    let loss = end.and_then(|end| end["test.loss"].as_f64());
    let failed = run.last("failed").filter(|_| run.state == State::Failed);
    Row {
        run: run.folder.clone(),
        state: run.state.name(),
        epochs: epochs().count(),
        measurement,
        score,
        loss: loss.or_else(|| {
            let all = series(&run.events);
            let found = ["validation.loss", "train.loss"]
                .iter()
                .find_map(|name| all.iter().find(|own| own.name == *name));
            Some(found?.best()?.1)
        }),
        seconds: epochs().filter_map(|event| event["seconds"].as_f64()).sum(),
        file: run.record.file.clone(),
        when: written.map_or(0, |since| since.as_secs()),
        failure: failed.and_then(|event| event["message"].as_str()).map(str::to_owned),
    }
}

/// What a run is judged by: the test if it has one, otherwise its best validation, otherwise its best training.
fn judged(run: &Recorded) -> Option<(String, f64)> {
    if let Some(end) = run.last("end") {
        let number = |name: &str| Some((name.to_owned(), end[name].as_f64()?));
        if let Some(found) = number("test.accuracy").or_else(|| number("test.loss")) {
            return Some(found);
        }
    }
    let all = series(&run.events);
    let wanted = ["validation.accuracy", "validation.loss", "train.accuracy", "train.loss"];
    let found = wanted.iter().find_map(|name| all.iter().find(|own| own.name == *name))?;
    Some((found.name.clone(), found.best()?.1))
}

/// `3 min ago`, by the clock of this machine; nothing of what was long ago or is to come.
pub fn ago(when: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds = now.saturating_sub(when);
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
