//! `dslc fix FILE|FOLDER…`: the first offered way out of each error, applied to the files.

use std::path::{Path, PathBuf};

use crate::cli::load::{self, Loaded};
use crate::cli::out::{err, out};
use crate::cli::{Stop, check, files};
use crate::experiment::mend::{MOST_FIXES, applied, first_fix};

#[derive(clap::Args)]
pub struct Options {
    /// `.net` or `.model` files, or folders: all such files below them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the mended files instead of writing them
    #[arg(long)]
    dry_run: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let paths = files::expand(&options.files)?;
    let (mut findings, mut unreadable) = (false, false);
    for path in &paths {
        match mend(path, options.dry_run, paths.len() > 1) {
            Ok(()) => {}
            Err(Stop::Findings) => findings = true,
            // One file that cannot be read or written does not keep the others from being mended.
            Err(Stop::Environment(message)) if paths.len() > 1 => {
                err(&message);
                unreadable = true;
            }
            Err(stop) => return Err(stop),
        }
    }
    match (unreadable, findings) {
        (true, _) => Err(Stop::Environment(String::new())),
        (false, true) => Err(Stop::Findings),
        (false, false) => Ok(()),
    }
}

fn mend(path: &Path, dry_run: bool, one_of_many: bool) -> Result<(), Stop> {
    let mut loaded = load::load(path, &[])?;
    let original = text_of(&loaded).to_owned();
    let mut text = original.clone();
    for _ in 0..MOST_FIXES {
        let Some((d, fix)) = first_fix(&loaded.diagnostics, loaded.ast.file) else { break };
        let line = loaded.sources.line(d.primary.span);
        let place = if one_of_many { format!("{}:{line}", path.display()) } else { format!("line {line}") };
        err(&format!("{place}: {}\n  fixed by: {}", d.message, fix.title));
        let mended = applied(&text, fix);
        if mended == text {
            break;
        }
        text = mended;
        loaded = load::load_text(path, text.clone(), &[]);
    }
    match (dry_run, text == original) {
        (true, true) if one_of_many => {}
        (true, _) if one_of_many => out(&format!("==> {} <==\n{text}", path.display()))?,
        (true, _) => out(&text)?,
        (false, false) => load::rewrite(path, &text)?,
        (false, true) if one_of_many => {}
        (false, true) => err("nothing to fix"),
    }
    check::remaining(&loaded)
}

/// The file's own text: it is the first behind the language's library.
fn text_of(loaded: &Loaded) -> &str {
    &loaded.sources.get(loaded.ast.file).text
}
