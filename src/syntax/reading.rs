//! A text, item by item, → its tree. An item that reads as it did the last time gives what it gave then, at its new
//! place: all in front of the first and behind the last that reads otherwise, whatever they are inside of now.

use std::vec::IntoIter;

use pest::Parser;

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::{FileId, Span};
use crate::syntax::ast::{Ast, Block, Chain, Statement};
use crate::syntax::build::{self, Builder, MAX_FINDINGS};
use crate::syntax::guard::Guarded;
use crate::syntax::items::{Item, cut};
use crate::syntax::{Grammar, Rule, spans};

/// What is kept of a reading beside the tree, for the next one.
#[derive(Default)]
pub struct Reading {
    /// All, in the order of the text.
    pub diagnostics: Diagnostics,
    /// Those that stand in no item, and those of the items in their order.
    own: Diagnostics,
    n_outside: usize,
    /// The text as the grammar read it: without comments, and closed at its end.
    plain: String,
    /// Where in it the braces begin that were missing.
    n_written: usize,
    /// None where there were too many findings to keep them apart.
    items: Vec<Noted>,
}

/// How much an item gave.
struct Noted {
    item: Item,
    n_chains: usize,
    n_findings: usize,
}

/// What an item gave.
struct Known {
    item: Item,
    /// Without what is in its bodies; `None` where the tree does not hold it.
    chains: Option<Vec<Chain>>,
    findings: Diagnostics,
}

/// Of a text that cannot be read at all.
pub fn refused(file: FileId, diagnostic: Diagnostic) -> (Ast, Reading) {
    (Ast { file, chains: Vec::new() }, Reading { diagnostics: vec![diagnostic], ..Reading::default() })
}

/// Reads a text; `before` is what came of reading another one, or this one, the last time.
pub fn read(file: FileId, text: &str, guarded: Guarded, mut before: (Ast, Reading)) -> (Ast, Reading) {
    let Guarded { text: plain, mut diagnostics, strange } = guarded;
    let (items, stray) = cut(&plain);
    let old_plain = std::mem::take(&mut before.1.plain);
    let n_old = before.1.n_written;
    let is_same_file = before.0.file == file;
    let mut known = apart(before);
    let (front, back) = alike(&known, &old_plain, &items, &plain);
    let (first_behind, n_items) = (known.len() - back, items.len());

    let mut own = Diagnostics::new();
    let together = |a: &usize, b: &usize| plain[a + 1..*b].trim().is_empty();
    let runs = stray.chunk_by(together).filter_map(|places| build::close_nothing(file, places));
    runs.for_each(|d| build::report(&mut own, d));
    let n_outside = own.len();
    let (mut noted, mut given) = (Vec::with_capacity(n_items), Vec::with_capacity(n_items));
    for (place, item) in items.into_iter().enumerate() {
        let n_before = own.len();
        let old = match place {
            place if place < front => known.get_mut(place),
            place if place >= n_items - back => known.get_mut(first_behind + place + back - n_items),
            _ => None,
        };
        // What lies in the braces that were missing has no place in the text.
        let old = old.filter(|old| old.item.end <= n_old && item.end <= text.len());
        let mut chains = match old.and_then(|old| Some((old.chains.take()?, old))) {
            Some((chains, old)) => {
                let stays = is_same_file && old.item == item;
                old.again(file, &item, chains, stays, &mut own)
            }
            None => by_grammar(file, text.len(), &item, &item.text(&plain), &mut own),
        };
        for first in chains.iter_mut().filter_map(|chain| chain.links.first_mut()) {
            first.statement.doc = doc_above(text, first.statement.span.start as usize);
        }
        noted.push(Noted { n_chains: chains.len(), n_findings: own.len() - n_before, item });
        given.push(chains);
    }
    let chains = tree(&mut noted.iter(), &mut given.into_iter(), n_items);
    let follows = |d: &&Diagnostic| shares_line(&plain, d.primary.span.start as usize, &strange);
    diagnostics.extend(own.iter().filter(|d| !follows(d)).cloned());
    diagnostics.sort_by_key(|d| d.primary.span);
    if own.len() > MAX_FINDINGS {
        noted.clear();
    }
    (
        Ast { file, chains },
        Reading { diagnostics, own, n_outside, plain, n_written: text.len(), items: noted },
    )
}

/// How many items in front and at the end read as they did.
fn alike(known: &[Known], old_plain: &str, items: &[Item], plain: &str) -> (usize, usize) {
    let alike = |(old, new): (&Known, &Item)| {
        let both = old.item.stretches().zip(new.stretches());
        old.item.bodies.len() == new.bodies.len()
            && both.into_iter().all(|(old, new)| old_plain[old] == plain[new])
    };
    let front = known.iter().zip(items).take_while(|&pair| alike(pair)).count();
    let rest = known[front..].iter().rev().zip(items[front..].iter().rev());
    (front, rest.take_while(|&pair| alike(pair)).count())
}

impl Known {
    /// What this item gives where `item`, which reads the same, is; `stays` tells that this is the same place.
    fn again(
        &mut self,
        file: FileId,
        item: &Item,
        mut chains: Vec<Chain>,
        stays: bool,
        own: &mut Diagnostics,
    ) -> Vec<Chain> {
        let moved = self.item.moved_to(item);
        let shift = &mut |span: &mut Span| {
            *span = Span::new(file, moved(span.start as usize)..moved(span.end as usize));
        };
        if !stays {
            spans::chains(&mut chains, shift);
        }
        for mut finding in self.findings.drain(..) {
            finding.spans().for_each(&mut *shift);
            build::report(own, finding);
        }
        chains
    }
}

/// Reads an item; `n_text` is the length of the whole text.
fn by_grammar(file: FileId, n_text: usize, item: &Item, text: &str, own: &mut Diagnostics) -> Vec<Chain> {
    let mut found = Diagnostics::new();
    let mut chains = match Grammar::parse(Rule::item, text) {
        Ok(pairs) => Builder::new(file, text, &mut found).chains(pairs),
        Err(_) => {
            found.push(Diagnostic::error(codes::SYNTAX, Span::new(file, 0..0), "this text cannot be read"));
            Vec::new()
        }
    };
    let moved = item.in_its_text().moved_to(item);
    let shift = &mut |span: &mut Span| {
        let moved = |at: u32| moved(at as usize).min(n_text);
        *span = Span::new(file, moved(span.start)..moved(span.end));
    };
    spans::chains(&mut chains, shift);
    for mut finding in found {
        finding.spans().for_each(&mut *shift);
        build::report(own, finding);
    }
    chains
}

/// Puts so many items together: what stands in a body goes into its braces.
fn tree<'a>(
    items: &mut impl Iterator<Item = &'a Noted>,
    given: &mut IntoIter<Vec<Chain>>,
    n_items: usize,
) -> Vec<Chain> {
    let (mut all, mut left) = (Vec::new(), n_items);
    while left > 0
        && let (Some(Noted { item, .. }), Some(mut chains)) = (items.next(), given.next())
    {
        left -= 1;
        left -= item.bodies.iter().map(|body| body.n_items).sum::<usize>();
        let mut inner: Vec<_> = item.bodies.iter().map(|body| tree(items, given, body.n_items)).collect();
        bodies(&mut chains, item, &mut |nth, block| block.append(&mut inner[nth]));
        all.append(&mut chains);
    }
    all
}

/// The opposite: what each item gave.
fn apart((ast, reading): (Ast, Reading)) -> Vec<Known> {
    let mut known = Vec::with_capacity(reading.items.len());
    let mut findings = reading.own.into_iter();
    findings.by_ref().take(reading.n_outside).for_each(drop);
    let n_items = reading.items.len();
    take_apart(Some(ast.chains), &mut reading.items.into_iter(), n_items, &mut findings, &mut known);
    known
}

fn take_apart(
    chains: Option<Vec<Chain>>,
    items: &mut IntoIter<Noted>,
    n_items: usize,
    findings: &mut IntoIter<Diagnostic>,
    known: &mut Vec<Known>,
) {
    let (mut chains, mut left) = (chains.map(Vec::into_iter), n_items);
    while left > 0
        && let Some(Noted { item, n_chains, n_findings }) = items.next()
    {
        left -= 1 + item.bodies.iter().map(|body| body.n_items).sum::<usize>();
        let mut own = chains.as_mut().map(|all| all.by_ref().take(n_chains).collect::<Vec<_>>());
        let mut inner: Vec<Option<Vec<Chain>>> = item.bodies.iter().map(|_| None).collect();
        if let Some(own) = &mut own {
            bodies(own, &item, &mut |nth, block| inner[nth] = Some(std::mem::take(block)));
        }
        let n_inner: Vec<usize> = item.bodies.iter().map(|body| body.n_items).collect();
        known.push(Known { item, chains: own, findings: findings.by_ref().take(n_findings).collect() });
        for (chains, n_items) in inner.into_iter().zip(n_inner) {
            take_apart(chains, items, n_items, findings, known);
        }
    }
}

/// Visits what is in the bodies of an item, as far as its chains have their braces: those of what cannot be read are in
/// none.
fn bodies(chains: &mut [Chain], item: &Item, visit: &mut dyn FnMut(usize, &mut Vec<Chain>)) {
    let mut nth = 0;
    if !item.bodies.is_empty() {
        blocks(chains, &mut |block| {
            let behind = block.span.start as usize + 1;
            nth += item.bodies[nth..].iter().take_while(|body| body.start < behind).count();
            let found = item.bodies.get(nth).is_some_and(|body| body.start == behind);
            if found {
                visit(nth, &mut block.chains);
            }
            found
        });
    }
}

/// Visits blocks in the order of the text, and those in them unless the visitor says that it has dealt with them.
fn blocks(chains: &mut [Chain], visit: &mut dyn FnMut(&mut Block) -> bool) {
    for link in chains.iter_mut().flat_map(|chain| &mut chain.links) {
        blocks_of(&mut link.statement, visit);
    }
}

fn blocks_of(statement: &mut Statement, visit: &mut dyn FnMut(&mut Block) -> bool) {
    if let Some(block) = &mut statement.block
        && !visit(block)
    {
        blocks(&mut block.chains, visit);
    }
    statement.clauses.iter_mut().for_each(|clause| blocks_of(clause, visit));
}

/// Whether one of some places, which are in order, is on the line of another.
fn shares_line(text: &str, at: usize, places: &[usize]) -> bool {
    if places.is_empty() {
        return false;
    }
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
    places.get(places.partition_point(|&place| place < start)).is_some_and(|&place| place <= end)
}

/// The `##` lines that end directly above the line that begins at `at`.
fn doc_above(text: &str, at: usize) -> Option<String> {
    let blank = |c: char| (c.is_whitespace() && c != '\n') || c == ';' || c == '\u{feff}';
    let above = text[..at.min(text.len())].trim_end_matches(blank).strip_suffix('\n')?;
    let mut lines: Vec<&str> = Vec::new();
    for line in above.rsplit('\n') {
        let Some(doc) = line.trim_start_matches(blank).strip_prefix("##") else { break };
        lines.push(doc.trim());
    }
    lines.reverse();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::{alike, apart};
    use crate::source::Sources;
    use crate::syntax::items::cut;
    use crate::syntax::{guard, read};

    /// How many items of `new` are read by the grammar, after `old` was read.
    fn n_read(old: &str, new: &str) -> usize {
        let mut sources = Sources::default();
        let file = sources.add("a.net", old);
        let mut before = read(&sources, file);
        let old_plain = std::mem::take(&mut before.1.plain);
        let plain = guard::balance(file, new).unwrap().text;
        let (items, _) = cut(&plain);
        let known = apart(before);
        assert!(known.iter().all(|known| known.chains.is_some()), "{old}");
        let (front, back) = alike(&known, &old_plain, &items, &plain);
        items.len() - front - back
    }

    #[test]
    fn only_what_is_typed_is_read_again() {
        let text = "let width = 8\n\nmodel M {\n    input 1x8x8\n    relu [\n    residual {\n        tanh\n    }\n    linear 10\n}\n";
        for typed in [
            "conv2d 8 3x3 # c",
            "conv2d 8 3x3 padding=[1,",
            "conv2d \"a",
            "repeat 2 {",
            "}",
            "}}",
            "->",
            "# relu",
        ] {
            for at in ["    input", "        tanh", "    linear", "}\n"] {
                let new = text.replacen(at, &format!("{typed}\n{at}"), 1);
                let n = n_read(text, &new).max(n_read(&new, text));
                // A line that goes on takes in its neighbours.
                assert!(n <= 3, "{n} items of {new}");
            }
        }
        assert_eq!(n_read(text, &text.replace("width = 8", "width = 18")), 1);
        assert_eq!(n_read(text, text), 0);
    }
}
