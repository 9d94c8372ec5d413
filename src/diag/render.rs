//! Diagnostics as people read them: through miette's graphical report, with the user's lines.

use std::borrow::Cow;

use crate::diag::{Diagnostic, Label, Severity};
use crate::source::Sources;

/// The longest line or message that is shown whole.
const LONGEST: usize = 400;

/// Text of the user's as a terminal may be sent it: control characters, which could move the cursor, change colours or
/// turn what is behind them around, as `\u{1b}`. Ends of lines and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        // The end of a line of two letters does no harm.
        let line_end = c == '\r' && letters.peek() == Some(&'\n');
        if hidden(c) && !line_end { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Control characters but the end of a line and the tab; what separates lines, or changes the direction of writing; what
/// has no width.
fn hidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

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
                out.push_str(&format!("  {}\n", clipped(&visible(line))));
            });
            continue;
        }
        if handler.render_report(&mut out, &shown).is_err() {
            out.push_str(&format!("{}: {}\n", diagnostic.code, visible(&diagnostic.message)));
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

/// Text for a format in which a line's end would end the finding.
fn one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
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
            one_line(&file.path),
            d.code,
            clipped(&one_line(&d.message))
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
    message: String,
    /// The file's text, unless all of it can be shown as it is.
    hidden: Option<&'a str>,
    source: miette::NamedSource<String>,
    help: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(sources: &'a Sources, diagnostic: &'a Diagnostic) -> Shown<'a> {
        let file = sources.get(diagnostic.primary.span.file);
        let other = |label: &&Label| label.span.file != diagnostic.primary.span.file;
        let help = help(sources, diagnostic, diagnostic.related.iter().filter(other));
        let help = (!help.is_empty()).then(|| visible(&help.join("\n")).into_owned());
        let text = visible(&file.text);
        let hidden = matches!(text, Cow::Owned(_)).then_some(file.text.as_str());
        let source = miette::NamedSource::new(one_line(&file.path), text.into_owned());
        Shown { diagnostic, message: visible(&diagnostic.message).into_owned(), hidden, source, help }
    }

    /// Where a place of the file is in the text that is shown.
    fn place(&self, at: usize) -> usize {
        let before = self.hidden.and_then(|text| Some((text, text.get(..at)?)));
        // A carriage return is looked at with what follows it.
        before.map_or(at, |(text, before)| match (before.strip_suffix('\r'), text[at..].starts_with('\n')) {
            (Some(rest), true) => visible(rest).len() + 1,
            (Some(_), false) | (None, _) => visible(before).len(),
        })
    }

    fn labeled(&self, (label, primary): (&Label, bool)) -> miette::LabeledSpan {
        let text = (!label.text.is_empty()).then(|| visible(&label.text).into_owned());
        let range = label.span.range();
        let range = self.place(range.start)..self.place(range.end);
        match primary {
            true => miette::LabeledSpan::new_primary_with_span(text, range),
            false => miette::LabeledSpan::new_with_span(text, range),
        }
    }
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.diagnostic)
    }
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
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
        Some(Box::new(
            primary
                .chain(related)
                .filter(move |(label, _)| label.span.file == file)
                .map(|label| self.labeled(label)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::codes;
    use crate::source::Span;

    #[test]
    fn control_characters_are_escaped_and_places_stay() {
        let text = "model M {\r\n    input 1x28x28 # \u{1b}[2J\u{202e}\n    \u{1b}]0;x\u{7}relu\r\n}\n";
        let mut sources = Sources::default();
        let file = sources.add("a\u{1b}[31m\nb.net", text);
        let at = text.find("relu").unwrap();
        let d = Diagnostic::error(codes::SYNTAX, Span::new(file, at..at + 4), "of \u{9b}31m")
            .label("l\u{8}")
            .note("n\u{85}")
            .advise("f\u{7f}");
        let all = [
            report(&sources, std::slice::from_ref(&d), false, 100),
            concise(&sources, std::slice::from_ref(&d)),
            crate::diag::github::commands(&sources, std::slice::from_ref(&d)),
        ];
        for shown in &all {
            assert!(!shown.contains(hidden), "{shown:?}");
            assert!(shown.contains("\\u{9b}31m"), "{shown}");
        }
        let line = all[0].lines().find(|line| line.contains("relu")).unwrap();
        let under = all[0].lines().skip_while(|other| *other != line).nth(1).unwrap();
        let column = |line: &str, what: &str| line.find(what).map(|at| line[..at].chars().count());
        assert_eq!(column(line, "relu"), column(under, "─"), "{}", all[0]);
        assert_eq!(all[1].lines().count(), 1);
        assert!(matches!(visible("a\r\n\tb é"), Cow::Owned(text) if text == "a\r\n\tb é"));
    }
}
