//! Files → checked experiments, with every finding printed on the way.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::cli::Stop;
use crate::diag::{Diagnostic, Diagnostics, Fault, Remedy, Severity, has_errors, render};
use crate::experiment::{Experiment, missing_parts, overrides, resolve};
use crate::source::Sources;
use crate::syntax::ast::Ast;
use crate::syntax::{guard, parse};

/// A file that was read and checked.
pub struct Loaded {
    pub path: PathBuf,
    pub sources: Sources,
    pub ast: Ast,
    pub experiment: Experiment,
    pub diagnostics: Diagnostics,
}

impl Loaded {
    /// The folder that paths in the file are relative to.
    pub fn base(&self) -> PathBuf {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// The file's name without its ending: what its runs are called.
    pub fn stem(&self) -> String {
        self.path.file_stem().map_or_else(|| "run".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    /// A fault that came up later, shown at a place of the file.
    pub fn fault_at(&self, fault: &Fault, span: crate::source::Span) -> Stop {
        let mut d = Diagnostic::error(fault.code, span, &fault.message).label(&fault.label);
        d.notes.clone_from(&fault.notes);
        for remedy in &fault.remedies {
            d = d.advise(describe(remedy));
        }
        print(&self.sources, &[d]);
        Stop::Environment(String::new())
    }
}

/// Reads and checks a file. Prints nothing.
pub fn load(path: &Path, settings: &[String]) -> Result<Loaded, Stop> {
    let text = read(path)?;
    Ok(load_text(path, text, settings))
}

/// Checks a text that stands for the file at `path`.
pub fn load_text(path: &Path, text: String, settings: &[String]) -> Loaded {
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), text);
    let (mut ast, mut diagnostics) = parse(&sources, file);
    for setting in settings {
        diagnostics.extend(overrides::apply(&mut sources, &mut ast, setting));
    }
    let (experiment, found) = resolve(&sources, &ast);
    diagnostics.extend(found);
    diagnostics.sort_by_key(|d| d.primary.span);
    Loaded { path: path.to_owned(), sources, ast, experiment, diagnostics }
}

/// Reads and checks a file that must have these sections and no errors; prints what was found.
pub fn load_whole(path: &Path, settings: &[String], sections: &[&str]) -> Result<Loaded, Stop> {
    let mut loaded = load(path, settings)?;
    let missing = missing_parts(&loaded.ast, sections);
    loaded.diagnostics.extend(missing);
    report(&loaded)?;
    Ok(loaded)
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
    let terminal = std::io::stderr().is_terminal();
    let color = terminal && std::env::var_os("NO_COLOR").is_none();
    let width = if terminal { usize::from(console::Term::stderr().size().1) } else { 120 };
    eprint!("{}", render::report(sources, diagnostics, color, width.clamp(60, 140)));
}

/// How many errors and warnings there are, in words.
pub fn count(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"))
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
        Remedy::Unset { name } => format!("leave `{name}` out"),
        Remedy::Before(text) => format!("put `{text}` in front"),
        Remedy::After(text) => format!("put `{text}` behind it"),
        Remedy::Remove => "leave it out".to_owned(),
        Remedy::Advice(text) => text.clone(),
    }
}

fn read(path: &Path) -> Result<String, Stop> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|e| {
        let mut message = format!("error: {shown}: {e}");
        if e.kind() == std::io::ErrorKind::NotFound {
            message.push_str(&near_files(path));
        }
        Stop::Environment(message)
    })?;
    if size.is_dir() {
        return Err(Stop::Environment(format!(
            "error: {shown} is a folder; name a `.net` or `.model` file{}",
            near_files(&path.join("x"))
        )));
    }
    if size.len() > guard::MAX_TEXT as u64 {
        return Err(Stop::Environment(format!(
            "error: {shown} has {} bytes; a network file has at most {}",
            size.len(),
            guard::MAX_TEXT
        )));
    }
    let bytes = std::fs::read(path).map_err(|e| Stop::Environment(format!("error: {shown}: {e}")))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Stop::Environment(format!("error: {shown}: byte {at} is not UTF-8 text; save the file as UTF-8"))
    })
}

/// The network files beside a path that does not exist.
fn near_files(path: &Path) -> String {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return String::new() };
    let is_net = |path: &PathBuf| path.extension().is_some_and(|e| e == "net" || e == "model");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_net).collect();
    files.sort();
    let shown: Vec<String> = files.iter().take(8).map(|path| path.display().to_string()).collect();
    if shown.is_empty() { String::new() } else { format!("\n  there are: {}", shown.join(", ")) }
}
