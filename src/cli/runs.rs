//! `dslc runs [FOLDER]`: the runs in a folder, sorted.

use std::path::PathBuf;

use crate::cli::Stop;
use crate::cli::out::{err, out};
use crate::cli::table::{duration, table};
use crate::report::html::{measurement, number};
use crate::runs::list::{By, Row, ago, list};

#[derive(clap::Args)]
pub struct Options {
    /// A folder of runs
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// What to sort by
    #[arg(long, value_enum, default_value_t = Sort::When)]
    sort: Sort,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    /// The newest first
    When,
    /// The best first
    Score,
    /// The longest training first
    Time,
    Name,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let by = match options.sort {
        Sort::When => By::When,
        Sort::Score => By::Score,
        Sort::Time => By::Time,
        Sort::Name => By::Name,
    };
    let (rows, damaged) = list(&options.folder, by)?;
    damaged.iter().for_each(|told| err(told));
    if options.json {
        return out(&serde_json::to_string(&rows).map_err(|e| Stop::Environment(e.to_string()))?);
    }
    let cells = |row: &Row| {
        let part = row.measurement.as_deref().unwrap_or_default();
        let score =
            row.score.filter(|_| !part.ends_with("loss")).map_or_else(String::new, |x| measurement(part, x));
        vec![
            row.run
                .file_name()
                .map_or_else(|| row.run.display().to_string(), |name| name.to_string_lossy().into_owned()),
            row.state.to_owned(),
            row.file.clone(),
            row.epochs.to_string(),
            score,
            row.loss.map_or_else(String::new, number),
            part.split('.').next().unwrap_or_default().to_owned(),
            duration(row.seconds),
            ago(row.when),
        ]
    };
    let head = ["run", "state", "file", "epochs", "accuracy", "loss", "of", "training", "when"];
    out(&table(&head, 3, rows.iter().map(cells).collect()))
}
