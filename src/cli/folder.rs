//! The folder that a run leaves: weights, measurements, the resolved file, a summary.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::Stop;
use crate::experiment::disk::RECORD;
use crate::train::checkpoint::{Card, Weights};

pub const LAST: &str = "last.safetensors";
pub const BEST: &str = "best.safetensors";
pub const METRICS: &str = "metrics.jsonl";
pub const SUMMARY: &str = "summary.txt";

/// What later commands need to know of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The file that was run.
    pub file: String,
    /// The folder that its paths are relative to.
    pub base: PathBuf,
    /// Overrides by `--set`.
    pub settings: Vec<String>,
}

/// Makes `runs/NAME-N` with the first free N, or exactly `out`, which must not hold a run already.
pub fn create(out: Option<&Path>, name: &str) -> Result<PathBuf, Stop> {
    let refuse = |path: &Path, e: &dyn std::fmt::Display, remedy: &str| {
        let path = path.display();
        Stop::Environment(format!("error: the run's folder {path} cannot be made: {e}\n  try: {remedy}"))
    };
    let elsewhere = "`--out DIR` with a folder that you may write to";
    if let Some(out) = out {
        if [RECORD, METRICS, LAST, BEST].iter().any(|file| out.join(file).exists()) {
            return Err(refuse(
                out,
                &"it holds a run already",
                "another folder, or no `--out` for the next free one",
            ));
        }
        if out.exists() && !out.is_dir() {
            return Err(refuse(out, &"there is a file of this name", "`--out DIR` with another name"));
        }
        std::fs::create_dir_all(out).map_err(|e| refuse(out, &e, elsewhere))?;
        return Ok(out.to_owned());
    }
    let runs = Path::new("runs");
    std::fs::create_dir_all(runs).map_err(|e| refuse(runs, &e, elsewhere))?;
    for n in 1..=1_000_000 {
        let path = runs.join(format!("{name}-{n}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(refuse(&path, &e, elsewhere)),
        }
    }
    Err(refuse(runs, &"a million runs are there", elsewhere))
}

/// The weights of a run: RUN is its folder (its best weights are taken) or a weights file.
pub fn open(run: &Path) -> Result<(Weights, Option<Record>), Stop> {
    let shown = run.display();
    let refuse = |message: String| Err(Stop::Environment(format!("error: {shown} {message}")));
    if !run.exists() {
        return refuse(
            "does not exist\n  a run is a folder such as runs/mnist-1, or a weights file in it".to_owned(),
        );
    }
    let (file, folder) = match run.is_dir() {
        true => {
            let found = [BEST, LAST].iter().map(|name| run.join(name)).find(|file| file.exists());
            (found, run.to_owned())
        }
        false => (Some(run.to_owned()), run.parent().map(Path::to_owned).unwrap_or_default()),
    };
    let Some(file) = file else {
        return refuse(format!(
            "holds no weights ({BEST} or {LAST}); a run writes them after its first epoch"
        ));
    };
    Ok((Weights::open(&file)?, record(&folder.join(RECORD))?))
}

/// What a run wrote of itself; `None` beside weights that were taken out of their folder.
fn record(path: &Path) -> Result<Option<Record>, Stop> {
    let refuse = |e: &dyn std::fmt::Display| {
        Stop::Environment(format!("error: {} cannot be read: {e}", path.display()))
    };
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(1 << 20).read_to_end(&mut bytes).map_err(|e| refuse(&e))?,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(refuse(&e)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| refuse(&e))
}

/// The card of weights at a point of a run.
pub fn card(model: &str, source: &str, classes: &[String], step: u64, epoch: usize) -> Card {
    Card {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: model.to_owned(),
        step,
        epoch,
        source: source.to_owned(),
        classes: classes.to_vec(),
    }
}
