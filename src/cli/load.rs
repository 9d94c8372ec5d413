//! Files → checked experiments, with every finding printed on the way.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::cli::Stop;
use crate::cli::explain;
use crate::cli::out::{self, Look};
use crate::cli::table::plural;
use crate::data::Dataset;
use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Fault, Remedy, Severity, codes, has_errors, render};
use crate::experiment::loaded::{Loaded, load_text};
use crate::experiment::{disk, missing_parts};
use crate::source::Sources;

/// Of more findings than this in one file, the first are shown.
pub const MOST_SHOWN: usize = 100;

/// What a command says of a file.
impl Loaded {
    /// Prints a fault that came up later, at a place of the file.
    pub(super) fn print_at(&self, fault: &Fault, span: crate::source::Span) {
        let mut d = Diagnostic::of(fault, span);
        for remedy in &fault.remedies {
            d = d.advise(describe(remedy));
        }
        print(&self.sources, &[d]);
    }

    /// The data set with its section; what is wrong with it is shown at the line that names it.
    pub(super) fn data(&self) -> Result<(DataSection, Dataset), Stop> {
        let opened = self.open(&self.base()).map_err(|fault| self.stop_at_data(&fault))?;
        tell_skipped(&opened.0);
        Ok(opened)
    }

    /// Shows a fault of the data at the line that names them.
    pub(super) fn stop_at_data(&self, fault: &Fault) -> Stop {
        if let Some(data) = &self.experiment.data {
            let argument = fault.argument.and_then(|name| data.args.span(name));
            self.print_at(fault, argument.or(data.args.span("path")).unwrap_or(data.source_span));
        }
        Stop::Environment(String::new())
    }
}

/// Of more pictures that were left out, the first are named.
const NAMED: usize = 10;

/// Tells which pictures were left out, and why.
pub fn tell_skipped(section: &DataSection) {
    let skipped = &section.skipped;
    if skipped.is_empty() {
        return;
    }
    let n = plural(skipped.len() as u64, "picture is", "pictures are");
    out::err(&format!("warning: {n} left out because `on_error skip` says so"));
    skipped.iter().take(NAMED).for_each(|why| out::err(&format!("  {why}")));
    if skipped.len() > NAMED {
        out::err(&format!("  … and {} more", skipped.len() - NAMED));
    }
}

/// Reads and checks a file. Prints nothing.
pub fn load(path: &Path, settings: &[String]) -> Result<Loaded, Stop> {
    let text = read(path)?;
    Ok(load_text(path, text, settings))
}

/// Reads and checks a file that must have these sections and no errors; prints what was found.
pub fn load_whole(path: &Path, settings: &[String], sections: &[&str]) -> Result<Loaded, Stop> {
    let mut loaded = load(path, settings)?;
    // In a text that is half read a section may only seem to be missing.
    if !loaded.diagnostics.iter().any(|d| d.code == codes::SYNTAX) {
        let missing = missing_parts(&loaded.ast, &loaded.experiment, sections);
        loaded.diagnostics.extend(missing);
    }
    report(&loaded)?;
    Ok(loaded)
}

/// Prints the errors of a text that dslc wrote itself, whose warnings were said when it was run.
pub fn report_errors(loaded: &Loaded) -> Result<(), Stop> {
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    let errors: Vec<Diagnostic> = errors.cloned().collect();
    print(&loaded.sources, &errors);
    if errors.is_empty() { Ok(()) } else { Err(Stop::Findings) }
}

/// Prints the findings; stops if there is an error among them.
pub fn report(loaded: &Loaded) -> Result<(), Stop> {
    print(&loaded.sources, &loaded.diagnostics);
    match has_errors(&loaded.diagnostics) {
        true => Err(Stop::Findings),
        false => Ok(()),
    }
}

/// Prints diagnostics to standard error, as wide and as colourful as the terminal.
pub fn print(sources: &Sources, diagnostics: &[Diagnostic]) {
    let text = human(sources, diagnostics, Look::stderr());
    if let Some(hint) = explain::hint(diagnostics) {
        out::err_styled(&format!("{text}{hint}"));
    }
}

/// Diagnostics with the lines of the file; of very many, the first.
pub fn human(sources: &Sources, diagnostics: &[Diagnostic], look: Look) -> String {
    let shown = &diagnostics[..diagnostics.len().min(MOST_SHOWN)];
    let mut text = render::report(sources, shown, look.color, look.width);
    if shown.len() < diagnostics.len() {
        let more = (diagnostics.len() - shown.len()) as u64;
        text.push_str(&format!("… and {}\n", plural(more, "finding more", "findings more")));
    }
    text
}

/// How many errors and warnings there are, in words: `2 errors, 1 warning`.
pub fn count(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count() as u64;
    let warnings = diagnostics.len() as u64 - errors;
    let parts = [(errors, "error", "errors"), (warnings, "warning", "warnings")];
    let said = parts.iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| plural(*n, one, many));
    said.collect::<Vec<_>>().join(", ")
}

/// A fault without a place, as text.
pub fn plain(fault: &Fault) -> String {
    if fault.message.is_empty() {
        return String::new();
    }
    let mut out = format!("error[{}]: {}", fault.code, fault.message);
    for note in &fault.notes {
        out.push_str(&format!("\n  {note}"));
    }
    for remedy in &fault.remedies {
        out.push_str(&format!("\n  try: {}", describe(remedy)));
    }
    out
}

fn describe(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Set { name, value } => format!("`{name}={value}`"),
        Remedy::Unset { name } => format!("remove `{name}`"),
        Remedy::Before(text) => format!("put `{text}` before it"),
        Remedy::After(text) => format!("put `{text}` after it"),
        Remedy::Instead(text) => format!("write `{text}`"),
        Remedy::Remove => "remove it".to_owned(),
        Remedy::Advice(text) => text.clone(),
    }
}

/// The text of a file, a pipe or a device, of at most `MAX_TEXT` bytes.
pub fn read(path: &Path) -> Result<String, Stop> {
    disk::read(Path::new(""), path).map_err(|reason| Stop::Environment(format!("error: {reason}")))
}

/// The text behind a reader that is called `shown`, of at most `MAX_TEXT` bytes.
pub fn text(reader: &mut dyn Read, shown: &str) -> Result<String, Stop> {
    disk::text(reader, shown).map_err(|reason| Stop::Environment(format!("error: {reason}")))
}

/// Writes a text in the place of a user's file, whole or not at all; what a link leads to is written, not the link.
pub fn rewrite(path: &Path, text: &str) -> Result<(), Stop> {
    let refuse = |e: std::io::Error| {
        Stop::Environment(format!(
            "error: {} cannot be written: {e}\n  its text is unchanged",
            path.display()
        ))
    };
    let target = std::fs::canonicalize(path).map_err(refuse)?;
    if std::fs::metadata(&target).map_err(refuse)?.permissions().readonly() {
        return Err(refuse(ErrorKind::PermissionDenied.into()));
    }
    let write = || {
        let mut file = atomic_write_file::AtomicWriteFile::open(&target)?;
        file.write_all(text.as_bytes())?;
        file.commit()
    };
    write().map_err(refuse)
}
