//! `dslc explain [CODE|WORD]`: the page of a finding's code, or what the reference says of a word.

use crate::cli::out::{Look, out, styled};
use crate::cli::{Stop, page};
use crate::diag::codes::{self, PAGES};
use crate::diag::{Diagnostic, nearest};
use crate::reference;

#[derive(clap::Args)]
pub struct Options {
    /// A code such as `E0301`, or a word such as `conv2d`; without one, all codes are listed
    #[arg(value_name = "CODE|WORD")]
    what: Option<String>,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let Some(what) = &options.what else { return out(&list()) };
    let code = what.to_uppercase();
    if let Some(page) = codes::page(&code) {
        let body = page.text.trim_start_matches("# ");
        return styled(&page::text(&format!("# {code}: {body}"), Look::stdout()));
    }
    let entries = reference::find(what);
    if entries.is_empty() {
        return Err(unknown(what));
    }
    let mut text = String::new();
    for entry in entries {
        if entry.name != *what {
            text.push_str(&format!("`{what}` is called `{}` here.\n\n", entry.name));
        }
        text.push_str(&format!("# {}\n\n{}\n", entry.name, entry.text));
    }
    styled(&page::text(&text, Look::stdout()))
}

/// Every code with what it means, a line each.
fn list() -> String {
    let mut text: String = PAGES.iter().map(|page| format!("{}  {}\n", page.code, page.title())).collect();
    text.push_str("\n`dslc explain CODE` explains a code, with a wrong and a right example\n");
    text
}

fn unknown(what: &str) -> Stop {
    let chapters = reference::chapters();
    let words = chapters.iter().flat_map(|chapter| &chapter.entries).map(|entry| entry.name.as_str());
    let near = nearest(what, PAGES.iter().map(|page| page.code).chain(words));
    let remedy = near
        .map_or("`dslc explain` lists all codes".to_owned(), |near| format!("`dslc explain {}`", near.word));
    Stop::Environment(format!(
        "error: `{what}` is neither a code nor a word of the language\n  try: {remedy}"
    ))
}

/// The last line under a report: how to learn more of its first finding.
pub fn hint(diagnostics: &[Diagnostic]) -> Option<String> {
    let first = diagnostics.first()?;
    Some(format!("`dslc explain {}` explains it\n", first.code))
}
