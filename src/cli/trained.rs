//! A run as it is named on the command line → its weights; and where a network file is named instead, how to get a run.

use std::path::{Path, PathBuf};

use crate::cli::Stop;
use crate::cli::carried::{How, take};
use crate::experiment::disk;
use crate::runs::folder::{LAST, weights};
use crate::train::checkpoint::Weights;
use crate::weights::matching::Need;

/// The weights of a run, and its folder.
pub fn open(run: &Path) -> Result<(Weights, PathBuf), Stop> {
    if disk::is_network(run) && !run.is_dir() {
        let what = if run.exists() {
            "is a network file, and has no weights until it is run"
        } else {
            "does not exist"
        };
        return Err(Stop::Environment(format!("error: {} {what}\n  try: {}", run.display(), how(run))));
    }
    Ok(weights(run)?)
}

/// A network file's model with the weights of another file, all of them, and the folder that the file's paths are relative to.
pub fn filled(
    file: &Path,
    weights: &Path,
    settings: &[String],
    sections: &[&str],
) -> Result<(Weights, PathBuf), Stop> {
    let taken = take(weights, file, settings, sections, &How::default(), Need::All)?;
    let base = taken.loaded.base();
    Ok((taken.weights()?, base))
}

/// How a run of a network file is got, or which one there is.
pub fn how(file: &Path) -> String {
    let shown = file.display();
    let stem = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    if let Some(run) = newest(&stem) {
        return format!("its run {}, in place of the file", run.display());
    }
    match file.extension().is_some_and(|ending| ending == "net") {
        true => format!("`dslc run {shown}`, then the run's folder (runs/{stem}-1) in place of the file"),
        false => format!(
            "`dslc run` on a `.net` file that uses it, with `use \"{}\"`, `data` and `train`; then the run's folder in place of the file",
            file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        ),
    }
}

/// The run of this name with the highest number that has weights.
fn newest(stem: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir("runs").ok()?.flatten();
    let number = |path: &PathBuf| -> Option<u32> {
        path.file_name()?.to_str()?.strip_prefix(stem)?.strip_prefix('-')?.parse().ok()
    };
    let runs = entries.map(|entry| entry.path()).filter(|path| path.join(LAST).is_file());
    runs.filter_map(|path| Some((number(&path)?, path))).max().map(|(_, path)| path)
}
