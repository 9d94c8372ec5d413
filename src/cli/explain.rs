//! `dslc explain [CODE|WORD]`: the page of a finding's code, or what the reference says of a word.

use crate::cli::out::{Look, out};
use crate::cli::{Stop, page};
use crate::diag::codes::{self, PAGES};
use crate::diag::{Diagnostic, nearest};

#[derive(clap::Args)]
pub struct Options {
    /// A code such as `E0301`, or a word such as `conv2d`; all codes where there is none
    #[arg(value_name = "CODE|WORD")]
    what: Option<String>,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let Some(what) = &options.what else { return out(&list()) };
    let code = what.to_uppercase();
    if let Some(page) = codes::page(&code) {
        let body = page.text.trim_start_matches("# ");
        return out(&page::text(&format!("# {code}: {body}"), Look::stdout()));
    }
    Err(unknown(what))
}

/// Every code with what it means, a line each.
fn list() -> String {
    let mut text: String = PAGES.iter().map(|page| format!("{}  {}\n", page.code, page.title())).collect();
    text.push_str("\n`dslc explain CODE` tells what a code means and shows a wrong and a right example\n");
    text
}

fn unknown(what: &str) -> Stop {
    let code = what.to_uppercase();
    let near = nearest(&code, PAGES.iter().map(|page| page.code));
    let remedy =
        near.map_or("`dslc explain` lists all codes".to_owned(), |near| format!("`dslc explain {near}`"));
    Stop::Environment(format!("error: there is no code `{what}`\n  try: {remedy}"))
}

/// The last line under a report: how to learn more of its first finding.
pub fn hint(diagnostics: &[Diagnostic]) -> Option<String> {
    let first = diagnostics.first()?;
    Some(format!("`dslc explain {}` tells more\n", first.code))
}
