//! Which findings wait until the syntax is right: those that look at a half-read line or section, and would tell of what
//! follows from the error rather than of a mistake.

use crate::diag::{Diagnostic, Diagnostics, Severity, codes};
use crate::experiment::chosen::is_choice;
use crate::experiment::unused::statements;
use crate::source::{FileId, Sources, Span};
use crate::syntax::ast::{Ast, Statement};

/// Codes of errors that hold sections against each other, or tell of what is missing.
const ACROSS: [&str; 8] = [
    codes::DATA_SHAPE,
    codes::CLASSES,
    codes::LOSS,
    codes::BATCH_OF_ONE,
    codes::TRAINING_NEEDS,
    codes::EXPECTATION,
    codes::MISSING_SECTION,
    codes::LEAK,
];

/// Takes away what waits for the errors in `syntax`: warnings, what looks at several sections, what stands on a line
/// that is half read or behind it in a model, and everything where what is half read is no section, or one whose names
/// others use.
pub fn hold_back(sources: &Sources, ast: &Ast, syntax: &[Diagnostic], findings: &mut Diagnostics) {
    if syntax.iter().any(|d| d.code == codes::IMPORT) {
        // The layers of a model may be in the file that could not be read.
        let taken: Vec<Span> =
            statements(&ast.chains).filter(|line| is_choice(line)).map(Statement::head).collect();
        findings.retain(|d| d.code != codes::BLOCK_MISUSE || !taken.contains(&d.primary.span));
    }
    // A setting of the command line that cannot be read leaves no line of a file half read.
    let in_file = |d: &&Diagnostic| is_syntax(d) && sources.on_disk(d.primary.span.file);
    let broken: Vec<Span> = syntax.iter().filter(in_file).map(|d| d.primary.span).collect();
    if broken.is_empty() {
        return;
    }
    let parts: Option<Vec<Broken<'_>>> = broken.iter().map(|at| Broken::of(sources, ast, *at)).collect();
    let Some(parts) = parts else { return findings.clear() };
    // Where a brace is missing, what follows is read as a part of the section before it.
    let missing: Vec<Span> =
        syntax.iter().filter(in_file).flat_map(|d| &d.related).map(|label| label.span).collect();
    let begins = |at: Span| missing.iter().any(|span| span.file == at.file && span.start == at.start);
    findings.retain(|d| {
        !begins(d.primary.span)
            && d.severity == Severity::Error
            && !ACROSS.contains(&d.code)
            && !places(d).any(|place| parts.iter().any(|part| part.concerns(place)))
    });
}

fn is_syntax(d: &Diagnostic) -> bool {
    [codes::SYNTAX, codes::NESTING, codes::TOO_LARGE].contains(&d.code)
}

fn places(d: &Diagnostic) -> impl Iterator<Item = Span> {
    std::iter::once(d.primary.span).chain(d.related.iter().map(|label| label.span))
}

/// A section of which a line is half read.
struct Broken<'a> {
    section: &'a Statement,
    /// The line.
    start: u32,
    end: u32,
}

impl<'a> Broken<'a> {
    /// `None` where the error is in none of the sections that stand for themselves.
    fn of(sources: &Sources, ast: &'a Ast, at: Span) -> Option<Broken<'a>> {
        let all = ast.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement);
        let holds = |section: &&Statement| {
            section.block.is_some()
                && section.span.file == at.file
                && (section.span.start..section.span.end).contains(&at.start)
        };
        let section = all.filter(|_| at.file == ast.file).find(holds)?;
        let known = ["model", "data", "train", "expect"].contains(&section.word.text.as_str());
        let (start, end) = line(sources, at.file, at.start as usize);
        known.then_some(Broken { section, start, end })
    }

    /// Whether a place may follow from the error.
    fn concerns(&self, place: Span) -> bool {
        let section = self.section.span;
        let inside = place.file == section.file && (section.start..=section.end).contains(&place.start);
        let head =
            place.start < self.section.block.as_ref().map_or(section.end, |block| block.span.start + 1);
        match self.section.word.text.as_str() {
            // What arrives at the layers behind is not known.
            "model" => inside && (head || place.end > self.start),
            _ => inside && (head || place.end > self.start && place.start < self.end),
        }
    }
}

/// Where the line begins and ends that a place is on.
fn line(sources: &Sources, file: FileId, at: usize) -> (u32, u32) {
    let text = sources.get(file).text.as_bytes();
    let at = at.min(text.len());
    let start = text[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let end = text[at..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |n| at + n);
    (start as u32, end as u32)
}
