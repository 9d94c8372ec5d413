//! Diagnostics as people read them: through miette's graphical report, with the user's lines.

use crate::diag::{Diagnostic, Label, Severity};
use crate::source::Sources;

/// The longest line or message that is shown whole.
const LONGEST: usize = 400;

/// All findings as text; `color` asks for ANSI styles, `width` is the terminal's.
pub fn report(sources: &Sources, diagnostics: &[Diagnostic], color: bool, width: usize) -> String {
    let theme =
        if color { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(width).with_context_lines(1);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let shown = Shown::new(sources, diagnostic);
        if !readable(sources, diagnostic) {
            out.push_str(&concise(sources, std::slice::from_ref(diagnostic)));
            shown.help.iter().flat_map(|help| help.lines()).for_each(|line| {
                out.push_str(&format!("  {}\n", clipped(line)));
            });
            continue;
        }
        if handler.render_report(&mut out, &shown).is_err() {
            out.push_str(&format!("{}: {}\n", diagnostic.code, diagnostic.message));
        }
    }
    out
}

/// Whether the lines of the file can be shown: a line of very many characters helps nobody, and miette refuses it.
fn readable(sources: &Sources, diagnostic: &Diagnostic) -> bool {
    let text = &sources.get(diagnostic.primary.span.file).text;
    diagnostic.message.len() <= LONGEST && text.lines().all(|line| line.len() <= LONGEST)
}

/// The beginning and the end of a text that may hold a user's word of any length.
fn clipped(text: &str) -> String {
    let cut = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let length = text.chars().count();
    match length <= LONGEST {
        true => text.to_owned(),
        false => format!("{} … {}", &text[..cut(LONGEST / 2)], &text[cut(length - LONGEST / 4)..]),
    }
}

/// One finding a line: `path:line:column: error[E0301]: message`.
pub fn concise(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in diagnostics {
        let file = sources.get(d.primary.span.file);
        let (line, column) = file.line_column(d.primary.span.start as usize);
        let kind = match d.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        out.push_str(&format!(
            "{}:{line}:{column}: {kind}[{}]: {}\n",
            file.path,
            d.code,
            clipped(&d.message)
        ));
    }
    out
}

/// A finding in plain words, for those who show its place themselves: message, label, how it came about and the ways
/// out. Of the other places those in `told` are told of.
pub fn words(sources: &Sources, d: &Diagnostic, told: impl Fn(&Label) -> bool) -> String {
    let mut lines = vec![d.message.clone()];
    lines.extend(Some(d.primary.text.clone()).filter(|label| !label.is_empty()));
    lines.extend(help(sources, d, d.related.iter().filter(|label| told(label))));
    lines.join("\n")
}

/// What stands below a finding: notes, other places, ways out.
fn help<'a>(sources: &Sources, d: &Diagnostic, others: impl Iterator<Item = &'a Label>) -> Vec<String> {
    let mut help = d.notes.clone();
    help.extend(others.map(|label| {
        let other = sources.get(label.span.file);
        let (line, column) = other.line_column(label.span.start as usize);
        format!("{}:{line}:{column}: {}", other.path, label.text)
    }));
    if !d.fixes.is_empty() {
        let titles: Vec<&str> = d.fixes.iter().map(|fix| fix.title.as_str()).collect();
        help.push(format!("try: {}", titles.join("\n  or: ")));
    }
    help
}

/// A diagnostic in miette's terms. miette shows one source file a report, so related labels in other
/// files become lines of the help text.
struct Shown<'a> {
    diagnostic: &'a Diagnostic,
    source: miette::NamedSource<String>,
    help: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(sources: &Sources, diagnostic: &'a Diagnostic) -> Shown<'a> {
        let file = sources.get(diagnostic.primary.span.file);
        let other = |label: &&Label| label.span.file != diagnostic.primary.span.file;
        let help = help(sources, diagnostic, diagnostic.related.iter().filter(other));
        let help = (!help.is_empty()).then(|| help.join("\n"));
        let source = miette::NamedSource::new(file.path.clone(), file.text.clone());
        Shown { diagnostic, source, help }
    }
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.diagnostic)
    }
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn std::fmt::Display + 'b>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'b>(&'b self) -> Option<Box<dyn std::fmt::Display + 'b>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let file = self.diagnostic.primary.span.file;
        let primary = std::iter::once((&self.diagnostic.primary, true));
        let related = self.diagnostic.related.iter().map(|label| (label, false));
        Some(Box::new(primary.chain(related).filter(move |(label, _)| label.span.file == file).map(labeled)))
    }
}

fn labeled((label, primary): (&Label, bool)) -> miette::LabeledSpan {
    let text = (!label.text.is_empty()).then(|| label.text.clone());
    let range = label.span.range();
    match primary {
        true => miette::LabeledSpan::new_primary_with_span(text, range),
        false => miette::LabeledSpan::new_with_span(text, range),
    }
}
