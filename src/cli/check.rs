//! `dslc check FILE|FOLDER…`: every finding of every file, on standard output.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::load::{self, MOST_SHOWN};
use crate::cli::out::{self, Look, err, out};
use crate::cli::table::plural;
use crate::cli::{Stop, explain, files};
use crate::data::section::absent;
use crate::diag::{Applicability, Diagnostic, Severity, github, has_errors, render, sarif};
use crate::experiment::loaded::Loaded;
use crate::experiment::missing_parts;

#[derive(clap::Args)]
pub struct Options {
    /// `.net` or `.model` files, or folders: all such files below them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Override a setting by its path, such as `train.epochs=1`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// How findings are printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Human)]
    message_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// With the lines of the file
    Human,
    /// One line per finding
    Concise,
    /// One JSON object per finding
    Json,
    /// Workflow commands of GitHub Actions, shown next to the lines of a change
    Github,
    /// One SARIF 2.1.0 document, for code hosts and editors
    Sarif,
}

/// A file that cannot be read does not lose the findings of the others.
pub fn run(options: &Options) -> Result<(), Stop> {
    let (mut checked, mut unreadable) = (Vec::new(), Vec::new());
    for path in files::expand(&options.files)? {
        let mut loaded = match load::load(&path, &options.settings) {
            Ok(loaded) => loaded,
            Err(Stop::Environment(message)) => {
                err(&message);
                unreadable.push(message.trim_start_matches("error: ").to_owned());
                continue;
            }
            Err(stop) => return Err(stop),
        };
        if loaded.ast.chains.is_empty() && loaded.diagnostics.is_empty() {
            loaded.diagnostics = missing_parts(&loaded.ast, &loaded.experiment, &["model"]);
        }
        let base = loaded.base();
        let absent = loaded.experiment.data.as_ref().and_then(|section| absent(section, &base));
        loaded.diagnostics.extend(absent);
        loaded.diagnostics.sort_by_key(|d| d.primary.span);
        let text = match options.message_format {
            Format::Human => human(&loaded, Look::stdout()),
            Format::Concise => render::concise(&loaded.sources, shown(&loaded)),
            Format::Json => shown(&loaded).iter().map(|d| format!("{}\n", object(&loaded, d))).collect(),
            Format::Github => github::commands(&loaded.sources, shown(&loaded)),
            // A document of all files, once they are read.
            Format::Sarif => String::new(),
        };
        match options.message_format {
            _ if text.is_empty() => {}
            Format::Human => out::styled(&text)?,
            Format::Concise | Format::Json | Format::Github | Format::Sarif => out(&text)?,
        }
        checked.push(loaded);
    }
    match options.message_format {
        Format::Human => {
            let first = checked.iter().find_map(|loaded| explain::hint(&loaded.diagnostics));
            first.map_or(Ok(()), |hint| out(&hint))?;
        }
        Format::Sarif => {
            let findings: Vec<_> = checked.iter().map(|loaded| (&loaded.sources, shown(loaded))).collect();
            out(&format!("{:#}", sarif::log(&findings, &unreadable)))?;
        }
        Format::Concise | Format::Json | Format::Github => {}
    }
    match (unreadable.is_empty(), checked.iter().any(|loaded| has_errors(&loaded.diagnostics))) {
        (false, _) => Err(Stop::Environment(String::new())),
        (true, true) => Err(Stop::Findings),
        (true, false) => Ok(()),
    }
}

fn shown(loaded: &Loaded) -> &[Diagnostic] {
    &loaded.diagnostics[..loaded.diagnostics.len().min(MOST_SHOWN)]
}

/// The findings, and a line on the file as a whole.
fn human(loaded: &Loaded, look: Look) -> String {
    let mut text = load::human(&loaded.sources, &loaded.diagnostics, look);
    let model = loaded.experiment.model.as_ref().filter(|_| !has_errors(&loaded.diagnostics));
    let found =
        if loaded.diagnostics.is_empty() { "fine".to_owned() } else { load::count(&loaded.diagnostics) };
    let model = model.map_or_else(String::new, |model| {
        format!(" ({}, {})", model.name, plural(model.n_parameters() as u64, "parameter", "parameters"))
    });
    text.push_str(&format!("{}: {found}{model}\n", out::name(&loaded.path)));
    text
}

fn object(loaded: &Loaded, d: &Diagnostic) -> serde_json::Value {
    let file = loaded.sources.get(d.primary.span.file);
    let (line, column) = file.line_column(d.primary.span.start as usize);
    let edit = |(span, text): &(crate::source::Span, String)| json!({ "start": span.start, "end": span.end, "text": text });
    let fixes: Vec<_> = d
        .fixes
        .iter()
        .map(|fix| {
            let applicability = match fix.applicability {
                Applicability::Sure => "sure",
                Applicability::Proved => "proved",
                Applicability::Asked => "asked",
            };
            let edits: Vec<_> = fix.edits.iter().map(edit).collect();
            json!({ "title": fix.title, "applicability": applicability, "edits": edits })
        })
        .collect();
    json!({
        "file": file.path,
        "line": line,
        "column": column,
        "severity": match d.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "code": d.code,
        "message": d.message,
        "label": d.primary.text,
        "notes": d.notes,
        "fixes": fixes,
    })
}

/// What is left to mend, with a line on the file as a whole.
pub fn remaining(loaded: &Loaded, look: Look) -> String {
    format!("{}{}", human(loaded, look), explain::hint(&loaded.diagnostics).unwrap_or_default())
}
