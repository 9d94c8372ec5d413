//! `dslc compare RUN RUN…`: what differs between runs, and what they reached.

use std::path::PathBuf;

use crate::cli::Stop;
use crate::cli::out::out;
use crate::cli::table::table;
use crate::report::short_name;
use crate::runs::compare::{Compared, Difference, Row, compare, figure, page};
use crate::runs::story::{Recorded, recorded};
use crate::train::checkpoint::write_atomically;

#[derive(clap::Args)]
pub struct Options {
    /// The folders of two or more runs; the others are compared with the first
    #[arg(num_args = 2.., required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write a page that overlays the curves of all runs
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let runs = options.runs.iter().map(|run| recorded(run)).collect::<Result<Vec<Recorded>, _>>()?;
    let compared = compare(&runs);
    if let Some(file) = &options.html {
        write_atomically(file, page(&runs, &compared).as_bytes())?;
    }
    match options.json {
        true => out(&serde_json::to_string(&compared).map_err(|e| Stop::Environment(e.to_string()))?),
        false => out(&text(&compared)),
    }
}

fn text(compared: &Compared) -> String {
    let names: Vec<String> = compared.runs.iter().map(|run| short_name(run)).collect();
    let mut out = String::new();
    for (name, file) in names.iter().skip(1).zip(&compared.files) {
        match file.is_empty() {
            true => out.push_str(&format!("{name} has the same file as {}\n\n", names[0])),
            false => out.push_str(&format!("{name}, against {}:\n{file}\n", names[0])),
        }
    }
    let head = |first| std::iter::once(first).chain(names.iter().map(String::as_str)).collect::<Vec<&str>>();
    if !compared.layers.is_empty() {
        let row = |difference: &Difference| {
            let told = difference.of.iter().map(|told| told.clone().unwrap_or_else(|| "-".to_owned()));
            std::iter::once(difference.layer.clone()).chain(told).collect()
        };
        let rows = compared.layers.iter().map(row).collect();
        out.push_str(&format!("{}\n\n", table(&head("layer"), names.len() + 1, rows)));
    }
    let row = |row: &Row| {
        let cell = |(at, x): (usize, &Option<f64>)| {
            let mark = if row.best == Some(at) { "* " } else { "" };
            x.map_or_else(|| "-".to_owned(), |x| format!("{mark}{}", figure(&row.name, x)))
        };
        std::iter::once(row.name.clone()).chain(row.of.iter().enumerate().map(cell)).collect()
    };
    out.push_str(&table(&head("* is the best"), 1, compared.results.iter().map(row).collect()));
    out
}
