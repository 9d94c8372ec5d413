//! `dslc fmt FILE|FOLDER…`: files in the one style, in place; what they say stays as it is.

use std::path::{Path, PathBuf};

use crate::cli::load::{self, rewrite};
use crate::cli::out::{err, out};
use crate::cli::table::plural;
use crate::cli::{Stop, files};
use crate::experiment::loaded::load_text;
use crate::format::{self, Edit};
use crate::model::passing::{Asserting, assert_shapes};
use crate::source::Sources;
use crate::syntax::ast::Ast;
use crate::syntax::guard::MAX_TEXT;
use crate::syntax::parse;

/// Of a longer difference, so many lines are shown.
const MOST_LINES: usize = 60;

#[derive(clap::Args)]
pub struct Options {
    /// `.net` or `.model` files, or folders that are searched for them; `-` reads standard input
    #[arg(required = true, value_name = "FILE|FOLDER")]
    paths: Vec<PathBuf>,
    /// Show what would change and write nothing; exit code 1 if there is something
    #[arg(long)]
    check: bool,
    /// Correct the shapes asserted at line ends; `all` also adds one to each line of a model
    #[arg(long, value_name = "WHICH", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "written")]
    shapes: Option<Shapes>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shapes {
    /// Those that are written
    Written,
    /// Those, and one on each line of a model
    All,
}

/// What became of a file.
enum Outcome {
    Same,
    Changed,
    /// It has mistakes in its syntax, which were printed.
    LeftAlone,
}

/// A file that cannot be read or laid out does not keep the others from it.
pub fn run(options: &Options) -> Result<(), Stop> {
    if options.paths.iter().any(|path| path == Path::new("-")) {
        return match options.paths.as_slice() {
            [_] => standard_input(options),
            _ => Err(Stop::Environment(
                "error: `-` reads standard input, and takes no files besides".to_owned(),
            )),
        };
    }
    let (mut n_files, mut n_changed, mut n_left, mut unreadable) = (0, 0, 0, false);
    for file in files::expand(&options.paths)? {
        match one(&file, options) {
            Ok(outcome) => {
                n_files += 1;
                n_changed += u64::from(matches!(outcome, Outcome::Changed));
                n_left += u64::from(matches!(outcome, Outcome::LeftAlone));
            }
            Err(Stop::Environment(message)) => {
                err(&message);
                unreadable = true;
            }
            Err(stop) => return Err(stop),
        }
    }
    let verb = if options.check { "would change" } else { "changed" };
    let left = match n_left {
        0 => String::new(),
        _ => format!(", {n_left} left alone for {} syntax", if n_left == 1 { "its" } else { "their" }),
    };
    if n_files > 0 {
        err(&format!("{n_changed} of {} {verb}{left}", plural(n_files, "file", "files")));
    }
    match (unreadable, n_left > 0 || (options.check && n_changed > 0)) {
        (true, _) => Err(Stop::Environment(String::new())),
        (false, true) => Err(Stop::Findings),
        (false, false) => Ok(()),
    }
}

fn standard_input(options: &Options) -> Result<(), Stop> {
    let text = load::text(&mut std::io::stdin().lock(), "standard input")?;
    let Some((formatted, edits)) = formatted(Path::new("standard input"), &text, options)? else {
        return Err(Stop::Findings);
    };
    match options.check {
        true if edits.is_empty() => Ok(()),
        true => out(&difference("standard input", &text, &edits)).and(Err(Stop::Findings)),
        false if formatted.is_empty() => Ok(()),
        false => out(&formatted),
    }
}

fn one(path: &Path, options: &Options) -> Result<Outcome, Stop> {
    let text = load::read(path)?;
    let Some((formatted, edits)) = formatted(path, &text, options)? else { return Ok(Outcome::LeftAlone) };
    if edits.is_empty() {
        return Ok(Outcome::Same);
    }
    match options.check {
        true => out(&difference(&path.display().to_string(), &text, &edits))?,
        false => {
            rewrite(path, &formatted)?;
            out(&format!("{}: formatted", path.display()))?;
        }
    }
    Ok(Outcome::Changed)
}

/// The text in the one style and the edits that lead there; nothing if it has mistakes in its syntax, which are
/// printed.
fn formatted(path: &Path, text: &str, options: &Options) -> Result<Option<(String, Vec<Edit>)>, Stop> {
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), text);
    let (mut ast, errors) = parse(&sources, file);
    if !errors.is_empty() {
        load::print(&sources, &errors);
        err(&format!("{}: left as it is: {}", path.display(), load::count(&errors)));
        return Ok(None);
    }
    if let Some(which) = options.shapes {
        let loaded = load_text(path, text.to_owned(), &[]);
        let which = match which {
            Shapes::Written => Asserting::Written,
            Shapes::All => Asserting::Every,
        };
        ast = loaded.ast;
        assert_shapes(&mut ast, text, &loaded.experiment.passing, which);
    }
    let formatted = format::format(text, &ast);
    let edits = format::edits(text, &ast);
    if formatted.len() > MAX_TEXT {
        let message = "would be longer than a network file may be, once formatted";
        return Err(Stop::Environment(format!("error: {} {message}", path.display())));
    }
    same_meaning(path, ast, &formatted)?;
    Ok(Some((formatted, edits)))
}

/// A defect of the formatter must not cost a user's text.
fn same_meaning(path: &Path, ast: Ast, formatted: &str) -> Result<(), Stop> {
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), formatted);
    let (again, errors) = parse(&sources, file);
    if errors.is_empty() && again.bare() == ast.bare() {
        return Ok(());
    }
    let message = format!("formatting {} would change what it says; it is left as it is", path.display());
    Err(crate::diag::Fault::internal(message).into())
}

/// The lines that change, as they are and as they would be.
fn difference(name: &str, text: &str, edits: &[Edit]) -> String {
    let mut out = String::new();
    let (mut number, mut counted) = (1, 0);
    let mut edits = edits.iter().peekable();
    while let Some(first) = edits.next() {
        let start = text[..first.range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = |at: usize| text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1);
        let mut end = line_end(first.range.end);
        let mut new = format!("{}{}", &text[start..first.range.start], first.text);
        let mut at = first.range.end;
        // Edits of the same lines, and of those right below, are shown together.
        let near =
            |next: &Edit, end: usize| next.range.start <= end || !text[end..next.range.start].contains('\n');
        while let Some(next) = edits.next_if(|next| near(next, end)) {
            new.push_str(&text[at..next.range.start]);
            new.push_str(&next.text);
            at = next.range.end;
            if at >= end {
                end = line_end(at);
            }
        }
        new.push_str(&text[at..end]);
        number += text[counted..start].matches('\n').count();
        counted = start;
        out.push_str(&format!("{name}:{number}\n"));
        for (sign, lines) in [('-', &text[start..end]), ('+', new.as_str())] {
            lines.split_inclusive('\n').for_each(|line| out.push_str(&format!("{sign}{}\n", visible(line))));
        }
    }
    let n_lines = out.lines().count();
    if n_lines > MOST_LINES {
        out = out.split_inclusive('\n').take(MOST_LINES).collect();
        out.push_str(&format!("… and {} lines more\n", n_lines - MOST_LINES));
    }
    out
}

/// A line with what cannot be seen in it made visible.
fn visible(line: &str) -> String {
    let (line, end) = line.strip_suffix('\n').map_or((line, " (no line end)"), |line| (line, ""));
    let (seen, blanks) = line.split_at(line.trim_end().len());
    let shown = |c: char| match c {
        '\r' => '␍',
        '\t' => '→',
        _ => '·',
    };
    format!("{}{}{end}", seen.replace('\u{feff}', "<BOM>"), blanks.chars().map(shown).collect::<String>())
}
