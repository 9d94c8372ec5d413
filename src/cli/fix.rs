//! `dslc fix FILE`: the first offered way out of each error, applied to the file.

use std::path::PathBuf;

use crate::cli::load::{self, Loaded};
use crate::cli::out::{err, out};
use crate::cli::{Stop, check};
use crate::diag::{Fix, Severity};

/// More mistakes than this are not mended at once.
const MOST_FIXES: usize = 200;

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` or `.model` file
    file: PathBuf,
    /// Print the mended file instead of writing it
    #[arg(long)]
    dry_run: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let mut loaded = load::load(&options.file, &[])?;
    let original = text_of(&loaded).to_owned();
    let mut text = original.clone();
    for _ in 0..MOST_FIXES {
        let Some((line, message, fix)) = first_fix(&loaded) else { break };
        err(&format!("line {line}: {message}\n  fixed by: {}", fix.title));
        let mended = applied(&text, &fix);
        if mended == text {
            break;
        }
        text = mended;
        loaded = load::load_text(&options.file, text.clone(), &[]);
    }
    match options.dry_run {
        true => out(&text)?,
        false if text != original => load::rewrite(&options.file, &text)?,
        false => err("nothing to fix"),
    }
    check::remaining(&loaded)
}

/// The file's own text: it is the first behind the language's library.
fn text_of(loaded: &Loaded) -> &str {
    &loaded.sources.get(loaded.ast.file).text
}

/// The first error with a fix inside the file itself: its line, its message and the fix.
fn first_fix(loaded: &Loaded) -> Option<(usize, String, Fix)> {
    let own =
        |fix: &&Fix| !fix.edits.is_empty() && fix.edits.iter().all(|(span, _)| span.file == loaded.ast.file);
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    let found = errors.filter_map(|d| Some((d, d.fixes.iter().find(own)?))).next();
    found.map(|(d, fix)| (loaded.sources.line(d.primary.span), d.message.clone(), fix.clone()))
}

fn applied(text: &str, fix: &Fix) -> String {
    let mut edits: Vec<_> = fix.edits.iter().collect();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, new) in edits {
        if text.get(span.range()).is_some() {
            text.replace_range(span.range(), new);
        }
    }
    text
}
