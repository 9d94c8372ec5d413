//! A text with findings → the text that their fixes make of it, which has no more findings: what `dslc fix` and editors
//! do.
//!
//! Fixes are applied in batches, each of which is checked as a whole: first one fix, then two, four and so on as long
//! as all goes well, so that many fixes need few checks, and what the first one cures by itself is seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Applicability, Diagnostic, Diagnostics, Fix, Severity};
use crate::source::FileId;

/// What may be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Slips of spelling, translations, and what is proved.
    Given,
    /// Every fix that offers an edit: somebody asked for all.
    Asked,
}

/// What a check of a text found, and which file of its sources the text is.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub file: FileId,
    pub diagnostics: Diagnostics,
}

/// A fix that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// 1-based, in the text that it was applied to.
    pub line: usize,
    pub code: &'static str,
    /// The finding that it did away with.
    pub message: String,
    pub title: String,
}

/// What mending came to.
#[derive(Clone, Debug, Default)]
pub struct Mended {
    pub text: String,
    /// In the order in which they were applied.
    pub applied: Vec<Applied>,
    /// The findings of `text`.
    pub findings: Findings,
}

/// How many bytes are checked in all, so that mending a large file takes no longer than some checks of it.
const MOST_BYTES: usize = 4 << 20;
/// But so many checks are made of any file, and no more of a small one.
const CHECKS: std::ops::Range<usize> = 24..1_000;
/// Mending begins again with what it came to, at most so many times.
const MOST_ROUNDS: usize = 4;

/// Applies fixes of errors, as long as there are any that may be applied. `check` finds what is wrong with a text.
///
/// Every finding whose fix was applied is gone. The text that comes out has no more errors, and no more findings, than
/// the one that went in, and mending it again changes nothing.
pub fn mend(text: &str, consent: Consent, check: &mut dyn FnMut(&str) -> Findings) -> Mended {
    let n_checks = (MOST_BYTES / text.len().max(1)).clamp(CHECKS.start, CHECKS.end);
    let mut work = Work { check, consent, n_checks };
    let findings = work.checked(text).unwrap_or_default();
    let mut mended = Mended { text: text.to_owned(), applied: Vec::new(), findings };
    for _ in 0..MOST_ROUNDS {
        // A correction may uncover what could not be seen before. That is no reason to leave it, if what is uncovered
        // can be mended too; if it cannot, only corrections are made that uncover nothing.
        let mut better = work.round(&mended, Uncovering::Allowed);
        if worse(&better.findings.diagnostics, &mended.findings.diagnostics) {
            better = work.round(&mended, Uncovering::Refused);
        }
        if better.text == mended.text || worse(&better.findings.diagnostics, &mended.findings.diagnostics) {
            break;
        }
        mended.applied.append(&mut better.applied);
        (mended.text, mended.findings) = (better.text, better.findings);
    }
    mended
}

/// The first fix of a finding that edits the file itself and may be applied under some circumstance.
pub fn own_fixes(d: &Diagnostic, file: FileId) -> impl Iterator<Item = &Fix> {
    d.fixes
        .iter()
        .filter(move |fix| !fix.edits.is_empty() && fix.edits.iter().all(|(span, _)| span.file == file))
}

/// Whether there are more errors, or more findings in all.
fn worse(now: &[Diagnostic], before: &[Diagnostic]) -> bool {
    let n_errors = |all: &[Diagnostic]| all.iter().filter(|d| d.severity == Severity::Error).count();
    now.len() > before.len() || n_errors(now) > n_errors(before)
}

/// Whether a correction may uncover findings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uncovering {
    Allowed,
    Refused,
}

struct Work<'a> {
    check: &'a mut dyn FnMut(&str) -> Findings,
    consent: Consent,
    /// How many checks may still be made.
    n_checks: usize,
}

/// A fix that may be tried, and the finding that it is for.
type Candidate<'d> = (&'d Diagnostic, &'d Fix);

/// What tells a fix from the others of the same text: the finding's place and the fix's words.
type Name = (u32, String, String);

fn name(&(d, fix): &Candidate<'_>) -> Name {
    (d.primary.span.start, d.message.clone(), fix.title.clone())
}

impl Work<'_> {
    /// `None` when no check may be made any more.
    fn checked(&mut self, text: &str) -> Option<Findings> {
        self.n_checks = self.n_checks.checked_sub(1)?;
        Some((self.check)(text))
    }

    /// Applies what may be applied, until nothing may.
    fn round(&mut self, from: &Mended, uncovering: Uncovering) -> Mended {
        let mut mended =
            Mended { text: from.text.clone(), applied: Vec::new(), findings: from.findings.clone() };
        let (mut refuted, mut size) = (BTreeSet::new(), 1);
        loop {
            let batch = self.batch(&mended.findings, &refuted, size);
            if batch.is_empty() {
                return mended;
            }
            let text = edited(&mended.text, batch.iter().map(|(_, fix)| *fix));
            let Some(after) = self.checked(&text) else { return mended };
            if text != mended.text && holds(&batch, &mended.findings, &after, uncovering) {
                let applied: Vec<Applied> = batch.iter().map(|tried| told(&mended.text, tried)).collect();
                mended.applied.extend(applied);
                (mended.text, mended.findings) = (text, after);
                refuted.clear();
                size *= 2;
            } else if let [one] = batch.as_slice() {
                refuted.insert(name(one));
            } else {
                size = 1;
            }
        }
    }

    /// The next fixes to try, at most `size`, of which no two touch each other. Those that are sure come first.
    fn batch<'d>(&self, findings: &'d Findings, refuted: &BTreeSet<Name>, size: usize) -> Vec<Candidate<'d>> {
        let most = match self.consent {
            Consent::Given => Applicability::Proved,
            Consent::Asked => Applicability::Asked,
        };
        let errors = || findings.diagnostics.iter().filter(|d| d.severity == Severity::Error);
        for applicability in [Applicability::Sure, Applicability::Proved, Applicability::Asked] {
            let mut batch: Vec<Candidate<'_>> = Vec::new();
            let mut taken: BTreeMap<u32, u32> = BTreeMap::new();
            for d in errors() {
                let fix = own_fixes(d, findings.file)
                    .find(|fix| fix.applicability == applicability && !refuted.contains(&name(&(d, fix))));
                let Some(fix) = fix.filter(|_| applicability <= most) else { continue };
                let touches = |&(start, end): &(u32, u32)| {
                    taken.range(..=end).next_back().is_some_and(|(_, &taken_end)| taken_end >= start)
                };
                let places: Vec<(u32, u32)> =
                    fix.edits.iter().map(|(span, _)| (span.start, span.end)).collect();
                if places.iter().any(touches) {
                    continue;
                }
                taken.extend(places);
                batch.push((d, fix));
                if batch.len() == size {
                    break;
                }
            }
            if !batch.is_empty() {
                return batch;
            }
        }
        Vec::new()
    }
}

/// How often each finding occurs, whatever its place: places move when the text changes.
fn counted(diagnostics: &[Diagnostic]) -> BTreeMap<(&str, &str), usize> {
    let mut counted = BTreeMap::new();
    diagnostics.iter().for_each(|d| *counted.entry((d.code, d.message.as_str())).or_default() += 1);
    counted
}

/// Whether what a batch was to do away with is gone, and no more has come than may.
fn holds(batch: &[Candidate<'_>], before: &Findings, after: &Findings, uncovering: Uncovering) -> bool {
    let (old, new) = (counted(&before.diagnostics), counted(&after.diagnostics));
    let count = |of: &BTreeMap<(&str, &str), usize>, d: &Diagnostic| {
        of.get(&(d.code, d.message.as_str())).copied().unwrap_or(0)
    };
    let mended: Vec<Diagnostic> = batch.iter().map(|(d, _)| (*d).clone()).collect();
    let gone = counted(&mended);
    if mended.iter().any(|d| count(&new, d) + count(&gone, d) > count(&old, d)) {
        return false;
    }
    let sure = batch.iter().all(|(_, fix)| fix.applicability == Applicability::Sure);
    let proved = new.iter().all(|(key, n)| old.get(key).is_some_and(|before| n <= before));
    let asked = batch.iter().all(|(_, fix)| fix.applicability == Applicability::Asked);
    match uncovering {
        Uncovering::Allowed if sure => true,
        Uncovering::Allowed | Uncovering::Refused if sure || asked => {
            !worse(&after.diagnostics, &before.diagnostics)
        }
        Uncovering::Allowed | Uncovering::Refused => proved,
    }
}

fn told(text: &str, &(d, fix): &Candidate<'_>) -> Applied {
    let above = text.get(..d.primary.span.start as usize).unwrap_or_default();
    let line = 1 + above.bytes().filter(|&byte| byte == b'\n').count();
    Applied { line, code: d.code, message: d.message.clone(), title: fix.title.clone() }
}

/// A text with the edits of fixes made, none of which touch each other.
pub fn edited<'f>(text: &str, fixes: impl Iterator<Item = &'f Fix>) -> String {
    let mut edits: Vec<_> = fixes.flat_map(|fix| &fix.edits).collect();
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (span, new) in edits {
        let range = span.range();
        if range.start >= at && text.get(range.clone()).is_some() {
            out.push_str(&text[at..range.start]);
            out.push_str(new);
            at = range.end;
        }
    }
    out.push_str(&text[at..]);
    out
}
