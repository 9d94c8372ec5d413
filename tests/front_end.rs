//! What the front end owes to any text whatever: shared by the tests and the fuzz targets.

use std::path::Path;

use dslc::diag::{Diagnostic, Severity};
use dslc::experiment::Checked;
use dslc::experiment::imports::Project;
use dslc::format::Edit;
use dslc::source::{Sources, Span};
use dslc::syntax::ast::Ast;

/// Reads, checks and lays out a text, and holds the results against each other.
pub fn hold(text: &str) {
    let (ast, errors) = parsed(text);
    let findings = checked(text);
    assert_eq!(findings, checked(text), "the same text has other findings the second time");
    if !errors.is_empty() {
        return;
    }
    let formatted = dslc::format::format(text, &ast);
    assert_eq!(formatted, applied(text, &dslc::format::edits(text, &ast)), "the edits lead elsewhere");
    let (again, errors) = parsed(&formatted);
    assert!(errors.is_empty(), "the formatted text cannot be read: {errors:?}\n{formatted}");
    assert!(ast.clone().bare() == again.clone().bare(), "formatting changes the meaning:\n{formatted}");
    assert_eq!(comments(text), comments(&formatted), "formatting changes the comments");
    assert_eq!(formatted, dslc::format::format(&formatted, &again), "formatting again changes the text");
    selections_keep_the_meaning(text, &ast);
    let codes = |found: &[Diagnostic]| found.iter().map(|d| (d.code, d.severity)).collect::<Vec<_>>();
    assert_eq!(codes(&findings), codes(&checked(&formatted)), "the formatted text has other findings");
}

/// Laying out a part of a text leaves what the whole says, too.
fn selections_keep_the_meaning(text: &str, ast: &Ast) {
    for quarter in 0..4 {
        let at = text.len() * quarter / 4;
        let out = applied(text, &dslc::format::edits_within(text, ast, at..at + quarter * 10));
        let (again, errors) = parsed(&out);
        assert!(
            errors.is_empty() && ast.clone().bare() == again.bare(),
            "a selection changes the meaning:\n{out}"
        );
        assert_eq!(comments(text), comments(&out), "a selection changes the comments");
    }
}

/// A text with edits made.
pub fn applied(text: &str, edits: &[Edit]) -> String {
    let (mut out, mut at) = (String::new(), 0);
    for edit in edits {
        out.push_str(&text[at..edit.range.start]);
        out.push_str(&edit.text);
        at = edit.range.end;
    }
    out + &text[at..]
}

/// The tree of a text and its syntax errors.
pub fn parsed(text: &str) -> (Ast, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let file = sources.add("a.net", text);
    let (ast, errors) = dslc::syntax::parse(&sources, file);
    places_exist(&sources, &errors);
    (ast, errors)
}

fn checked(text: &str) -> Vec<Diagnostic> {
    let mut sources = Sources::default();
    let project = Project { root: Path::new(""), read: &|_| Err("it does not exist".to_owned()) };
    let Checked { diagnostics, .. } =
        dslc::experiment::check(&mut sources, Path::new("a.net"), text.to_owned(), &[], &project);
    places_exist(&sources, &diagnostics);
    let report = dslc::diag::render::concise(&sources, &diagnostics);
    assert_eq!(report.lines().count(), diagnostics.len(), "a finding has more than one line:\n{report}");
    assert!(diagnostics.iter().all(|d| d.severity == Severity::Warning || d.code.starts_with('E')));
    diagnostics
}

/// Every place that a finding names lies in its file, between characters.
fn places_exist(sources: &Sources, diagnostics: &[Diagnostic]) {
    let exists = |span: Span| sources.get(span.file).text.get(span.range()).is_some();
    for d in diagnostics {
        let edits = d.fixes.iter().flat_map(|fix| &fix.edits).map(|(span, _)| *span);
        let labels = d.related.iter().map(|label| label.span);
        for span in std::iter::once(d.primary.span).chain(labels).chain(edits) {
            assert!(exists(span), "{span:?} is no place of its file: {}", d.message);
        }
    }
}

/// The comments of a text that can be read, without the blanks behind them.
fn comments(text: &str) -> Vec<&str> {
    let comment = |line: &str| {
        let mut quotes = 0;
        line.bytes().position(|byte| {
            quotes += usize::from(byte == b'"');
            byte == b'#' && quotes % 2 == 0
        })
    };
    text.split('\n').filter_map(|line| comment(line).map(|at| line[at..].trim_end())).collect()
}
