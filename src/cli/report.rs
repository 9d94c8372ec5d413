//! `dslc report RUN`: makes the page of a run anew from what the run recorded.

use std::path::PathBuf;

use crate::cli::Stop;
use crate::cli::out::out;
use crate::runs::folder::REPORT;
use crate::runs::story::recorded;
use crate::runs::views::remake;

#[derive(clap::Args)]
pub struct Options {
    /// The folder of a run
    run: PathBuf,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let run = recorded(&options.run)?;
    remake(&run)?;
    out(&options.run.join(REPORT).display().to_string())
}
