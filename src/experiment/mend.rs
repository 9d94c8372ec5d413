//! The ways out that findings offer, applied to the text: what `dslc fix` and editors do.

use crate::diag::{Diagnostic, Fix, Severity};
use crate::source::FileId;

/// More mistakes than this are not mended at once.
pub const MOST_FIXES: usize = 200;

/// The first error with a fix inside the file itself, and that fix.
pub fn first_fix(diagnostics: &[Diagnostic], file: FileId) -> Option<(&Diagnostic, &Fix)> {
    let own = |fix: &&Fix| !fix.edits.is_empty() && fix.edits.iter().all(|(span, _)| span.file == file);
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error);
    errors.filter_map(|d| Some((d, d.fixes.iter().find(own)?))).next()
}

/// A text with a fix applied, all of whose edits are in it.
pub fn applied(text: &str, fix: &Fix) -> String {
    let mut edits: Vec<_> = fix.edits.iter().collect();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, new) in edits {
        if text.get(span.range()).is_some() {
            text.replace_range(span.range(), new);
        }
    }
    text
}
