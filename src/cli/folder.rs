//! The folder that a run leaves: weights, measurements, the resolved file, a summary.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::Stop;
use crate::train::checkpoint::{Card, Weights};

pub const LAST: &str = "last.safetensors";
pub const BEST: &str = "best.safetensors";
pub const METRICS: &str = "metrics.jsonl";
pub const SUMMARY: &str = "summary.txt";
pub const RECORD: &str = "run.json";

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
    let refuse = |path: &Path, e: &dyn std::fmt::Display| {
        Stop::Environment(format!(
            "error: the run's folder {} cannot be made: {e}\n  try: `--out DIR` with a folder that you may write to",
            path.display()
        ))
    };
    if let Some(out) = out {
        if out.join(RECORD).exists() {
            return Err(refuse(out, &"it holds a run already"));
        }
        std::fs::create_dir_all(out).map_err(|e| refuse(out, &e))?;
        return Ok(out.to_owned());
    }
    let runs = Path::new("runs");
    std::fs::create_dir_all(runs).map_err(|e| refuse(runs, &e))?;
    for n in 1..=1_000_000 {
        let path = runs.join(format!("{name}-{n}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(refuse(&path, &e)),
        }
    }
    Err(refuse(runs, &"a million runs are there"))
}

/// The weights of a run: RUN is its folder (its best weights are taken) or a weights file.
pub fn open(run: &Path) -> Result<(PathBuf, Weights, Option<Record>), Stop> {
    let (file, folder) = match run.is_dir() {
        true => {
            let best = run.join(BEST);
            (if best.exists() { best } else { run.join(LAST) }, run.to_owned())
        }
        false => (run.to_owned(), run.parent().map(Path::to_owned).unwrap_or_default()),
    };
    if !file.exists() {
        let message = match run.is_dir() {
            true => format!("error: {} holds no weights ({BEST} or {LAST})", run.display()),
            false => format!(
                "error: {} does not exist\n  a run is a folder such as runs/mnist-1, or a weights file in it",
                run.display()
            ),
        };
        return Err(Stop::Environment(message));
    }
    let weights = Weights::open(&file)?;
    let record =
        std::fs::read(folder.join(RECORD)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok((file, weights, record))
}

/// The card of weights at a point of a run.
pub fn card(model: &str, source: &str, step: u64, epoch: usize) -> Card {
    Card {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: model.to_owned(),
        step,
        epoch,
        source: source.to_owned(),
    }
}
