//! `dslc snapshot FILES…`: what a network is, as a text beside its file, so that a change of it shows up as a
//! difference in review and in tests.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::cli::out::{err, out};
use crate::cli::table::plural;
use crate::cli::{Stop, files, load};
use crate::experiment::figures::figures;
use crate::experiment::stages;
use crate::train::checkpoint::write_atomically;

#[derive(clap::Args)]
pub struct Options {
    /// `.net` or `.model` files, or folders that are searched for them
    #[arg(required = true, value_name = "FILE|FOLDER")]
    paths: Vec<PathBuf>,
    /// Write nothing; a missing snapshot counts as a difference
    #[arg(long)]
    check: bool,
    /// Rewrite the snapshots
    #[arg(long, conflicts_with = "check")]
    accept: bool,
}

/// What became of a snapshot.
enum Outcome {
    Same,
    Written,
    Differs,
    Missing,
    /// Its file has no model, or errors, which were printed.
    None,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let (mut n_same, mut n_written, mut n_bad) = (0, 0, 0);
    for file in files::expand(&options.paths)? {
        match one(&file, options)? {
            Outcome::Same => n_same += 1,
            Outcome::Written => n_written += 1,
            Outcome::Differs | Outcome::Missing | Outcome::None => n_bad += 1,
        }
    }
    let mut said = vec![format!("{} unchanged", plural(n_same, "network", "networks"))];
    if n_written > 0 {
        said.push(format!("{} written", plural(n_written, "snapshot", "snapshots")));
    }
    if n_bad > 0 {
        said.push(format!("{n_bad} changed"));
    }
    err(&said.join(", "));
    if n_bad == 0 {
        return Ok(());
    }
    err("`dslc snapshot --accept` accepts the networks as they are now");
    Err(Stop::Findings)
}

fn one(file: &Path, options: &Options) -> Result<Outcome, Stop> {
    let loaded = load::load(file, &[])?;
    if load::report_errors(&loaded).is_err() {
        return Ok(Outcome::None);
    }
    // A file of blocks for others has nothing to run.
    let Some(model) = &loaded.experiment.model else { return Ok(Outcome::Same) };
    let figures = figures(model, &loaded.sources, None)?;
    let (parameters, flops) = figures.totals();
    let graph = stages::lowered(model, 1)?;
    let text = format!(
        "# `dslc snapshot` wrote this; `dslc snapshot --accept` rewrites it.\n# {} parameters, {} FLOPs per image\n{}",
        parameters,
        flops,
        stages::text_by_layer(&graph, model)
    );
    let place = beside(file);
    let shown = place.display();
    let before = match std::fs::read_to_string(&place) {
        Ok(before) => Some(before),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(Stop::Environment(format!("error: {shown} cannot be read: {e}"))),
    };
    match before {
        Some(before) if before == text => Ok(Outcome::Same),
        Some(before) if !options.accept => {
            let difference = TextDiff::from_lines(&before, &text);
            let (old, new) = (shown.to_string(), format!("{} now", file.display()));
            out(&difference.unified_diff().context_radius(2).header(&old, &new).to_string())?;
            Ok(Outcome::Differs)
        }
        None if options.check => {
            out(&format!("{shown} is not there"))?;
            Ok(Outcome::Missing)
        }
        _ => {
            write_atomically(&place, text.as_bytes())?;
            out(&format!("{shown}: written"))?;
            Ok(Outcome::Written)
        }
    }
}

/// `models/lenet5.net` → `models/lenet5.net.snap`
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".snap");
    file.with_file_name(name)
}
