//! Diagnostics as workflow commands of GitHub Actions, which shows them beside the lines of a change.
//!
//! Format: `::error file=…,line=…,col=…,endLine=…,endColumn=…,title=…::message`; in the message `%` and line ends
//! are escaped, in the properties also `:` and `,`.

use crate::diag::render::visible;
use crate::diag::{Diagnostic, Severity};
use crate::source::Sources;

/// One command a finding.
pub fn commands(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|d| command(sources, d)).collect()
}

fn command(sources: &Sources, d: &Diagnostic) -> String {
    let kind = match d.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let span = d.primary.span;
    let file = sources.get(span.file);
    let place = match sources.on_disk(span.file) {
        true => {
            let (line, column) = file.line_column(span.start as usize);
            let (end_line, end_column) = file.line_column(span.end as usize);
            let path = property(&file.path);
            format!("file={path},line={line},col={column},endLine={end_line},endColumn={end_column},")
        }
        false => String::new(),
    };
    let mut message = d.message.clone();
    d.notes.iter().for_each(|note| message.push_str(&format!("\n{note}")));
    for (i, fix) in d.fixes.iter().enumerate() {
        message.push_str(&format!("\n{} {}", if i == 0 { "try:" } else { "or:" }, fix.title));
    }
    format!("::{kind} {place}title={}::{}\n", property(d.code), data(&message))
}

fn data(text: &str) -> String {
    // A carriage return has its own form here.
    let parts: Vec<_> = text.split('\r').map(visible).collect();
    parts.join("\r").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;

    #[test]
    fn what_the_format_uses_itself_is_escaped() {
        let mut sources = Sources::default();
        let file = sources.add("a, b: 100%.net", "one\ntwo\n");
        let d = Diagnostic::error("E0101", Span::new(file, 4..7), "50% of: a, b\r\nc").note("why");
        assert_eq!(
            commands(&sources, &[d]),
            "::error file=a%2C b%3A 100%25.net,line=2,col=1,endLine=2,endColumn=4,title=E0101::\
             50%25 of: a, b%0D%0Ac%0Awhy\n"
        );
        let set = sources.add(crate::source::SETTING, "train.epochs");
        let d = Diagnostic::warning("W0201", Span::new(set, 0..5), "x").advise("y").advise("z");
        assert_eq!(commands(&sources, &[d]), "::warning title=W0201::x%0Atry: y%0Aor: z\n");
    }
}
