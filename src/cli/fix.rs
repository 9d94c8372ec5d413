//! `dslc fix FILE|FOLDER…`: the ways out of errors that are sure or proved, applied to the files.

use std::path::{Path, PathBuf};

use crate::cli::load;
use crate::cli::out::{Look, err, err_styled, out, styled};
use crate::cli::table::plural;
use crate::cli::{Stop, check, files};
use crate::diag::render::visible;
use crate::diag::{Severity, has_errors};
use crate::experiment::loaded::{Loaded, load_text};
use crate::experiment::mend::{self, Consent, Findings};

#[derive(clap::Args)]
pub struct Options {
    /// `.net` or `.model` files, or folders: all such files below them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the mended files instead of writing them
    #[arg(long)]
    dry_run: bool,
    /// Apply guesses too, and fixes that drop part of the text
    #[arg(long = "unsafe")]
    all: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let paths = files::expand(&options.files)?;
    let (mut findings, mut unreadable) = (false, false);
    for path in &paths {
        match mend(path, options, paths.len() > 1) {
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

fn mend(path: &Path, options: &Options, one_of_many: bool) -> Result<(), Stop> {
    let mut loaded = load::load(path, &[])?;
    let original = text_of(&loaded).to_owned();
    let mut check = |text: &str| {
        if text != text_of(&loaded) {
            loaded = load_text(path, text.to_owned(), &[]);
        }
        Findings { file: loaded.ast.file, diagnostics: loaded.diagnostics.clone() }
    };
    let consent = if options.all { Consent::Asked } else { Consent::Given };
    let mended = mend::mend(&original, consent, &mut check);
    check(&mended.text);
    for applied in &mended.applied {
        let line = applied.line;
        let place = if one_of_many { format!("{}:{line}", path.display()) } else { format!("line {line}") };
        let told = format!("{place}: {}\n  fixed by: {}", applied.message, applied.title);
        err(&visible(&told));
    }
    match (options.dry_run, mended.text == original) {
        (true, true) if one_of_many => {}
        (true, _) if one_of_many => {
            out(&format!("==> {} <==\n{}", visible(&path.display().to_string()), mended.text))?
        }
        (true, _) => out(&mended.text)?,
        (false, false) => load::rewrite(path, &mended.text)?,
        (false, true) if one_of_many => {}
        (false, true) if has_errors(&loaded.diagnostics) => err("nothing was changed"),
        (false, true) => err("nothing to fix"),
    }
    left(&loaded, options)
}

/// Prints what is left to mend, and how many more fixes there are on request; stops if there is an error among it.
fn left(loaded: &Loaded, options: &Options) -> Result<(), Stop> {
    let mut text = check::remaining(loaded, if options.dry_run { Look::stderr() } else { Look::stdout() });
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    let n_offered = errors.filter(|d| mend::own_fixes(d, loaded.ast.file).next().is_some()).count() as u64;
    if n_offered > 0 && !options.all {
        let findings = plural(n_offered, "error has a fix that is", "errors have fixes that are");
        text.push_str(&format!("{findings} not proved: `dslc fix --unsafe` applies such fixes too\n"));
    }
    match options.dry_run {
        true => err_styled(&text),
        false => styled(&text)?,
    }
    if has_errors(&loaded.diagnostics) { Err(Stop::Findings) } else { Ok(()) }
}

/// The file's own text: it is the first behind the language's library.
fn text_of(loaded: &Loaded) -> &str {
    &loaded.sources.get(loaded.ast.file).text
}
