//! A finding on a line of the library → the same where a person's own text uses the block: nobody can change the library's line.

use crate::diag::{Diagnostic, Fix, Remedy, Severity, has_errors};
use crate::model::expand::{Call, Expansion};
use crate::shape::Shape;
use crate::source::{LIBRARY, Span};

impl Expansion<'_> {
    /// The use of a library's block that a line of the library is in, as the text has it; `None` of other lines.
    fn use_of(&self, span: Span) -> Option<&Call> {
        self.calls.iter().rev().find(|call| call.span.file != LIBRARY).filter(|_| span.file == LIBRARY)
    }

    /// Where a finding at `span` is told.
    pub(super) fn told_at(&self, span: Span) -> Span {
        self.use_of(span).map_or(span, |call| call.span)
    }

    /// A finding with the name of the library's block that it is in, where the block is used; `None` where it only follows from
    /// what is known to be wrong there. Fixes of the library's own lines go.
    pub(super) fn where_used(&self, mut diagnostic: Diagnostic, known: &[Diagnostic]) -> Option<Diagnostic> {
        let own = diagnostic.primary.span;
        let Some(call) = self.use_of(own) else { return Some(diagnostic) };
        let is_wrong = |d: &Diagnostic| d.severity == Severity::Error && d.primary.span == call.span;
        if known.iter().any(is_wrong) || (call.arriving.is_none() && has_errors(known)) {
            return None;
        }
        let (line, text) = (self.sources.line(own), &self.sources.get(own.file).text);
        let text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        diagnostic.message = format!("in `{}`: {}", call.name, diagnostic.message);
        diagnostic.primary.span = call.span;
        diagnostic.related.retain(|label| label.span.file != LIBRARY);
        diagnostic.fixes.retain(|fix| fix.edits.iter().all(|(span, _)| span.file != LIBRARY));
        diagnostic.notes.insert(0, format!("std.model:{line}, in dslc's library of blocks: {text}"));
        Some(diagnostic)
    }

    /// What a layer of the library at `span` wants, as its block can have it: a layer before it, where the block takes the same value,
    /// or another value of a parameter.
    pub(super) fn remedies_at_use(&self, remedies: &[Remedy], span: Span, input: &Shape) -> Vec<Fix> {
        let Some(call) = self.use_of(span) else { return Vec::new() };
        let name = &call.name;
        let has = |parameter: &str| {
            let block = self.definitions.callable(name);
            block.is_some_and(|block| block.parameters.iter().any(|own| own.name.text == parameter))
        };
        let fix = |remedy: &Remedy| match remedy {
            Remedy::Before(text) if call.arriving.as_ref() == Some(input) => {
                let front = Span { end: call.span.start, ..call.span };
                Some(Fix::new(format!("put `{text}` before `{name}`"), vec![(front, format!("{text} -> "))]))
            }
            Remedy::Set { name: own, value } if has(own) => {
                Some(Fix::new(format!("give `{name}` `{own}={value}`"), Vec::new()))
            }
            Remedy::Before(_)
            | Remedy::Set { .. }
            | Remedy::Unset { .. }
            | Remedy::After(_)
            | Remedy::Instead(_)
            | Remedy::Remove
            | Remedy::Advice(_) => None,
        };
        remedies.iter().filter_map(fix).collect()
    }
}
