//! A text that was changed in one place → its tree, out of the tree before the change: only the lines around the place
//! are read again.
//!
//! The grammar reads from left to right, and what it makes of a chain does not depend on how it came to the chain's
//! first character. So the chains in front of the change stay, if none of them looked as far as the change, and those
//! behind it stay from the first one on at which the new reading, too, comes to the beginning of a chain of the same
//! block. A list or parameters may be looked for over many lines in vain, and a brace changes what is inside of what:
//! where such a bracket is open, or a brace came or went, and wherever the old text or the new lines cannot be read
//! without a finding, the text is read as a whole.

use crate::diag::Diagnostics;
use crate::source::{FileId, Span};
use crate::syntax::ast::{Ast, Chain};
use crate::syntax::build::Builder;
use crate::syntax::guard::{Guarded, closing_quote};
use crate::syntax::spans;
use crate::syntax::{Reading, Rule, region};

/// The bytes that differ: from `start` on, up to `old_end` in the old text and `new_end` in the new one.
#[derive(Clone, Copy, Debug)]
struct Change {
    start: usize,
    old_end: usize,
    new_end: usize,
}

/// A list of chains of which some are read again.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// Where the list is: chain, link and clause (0: the statement itself) of each block on the way.
    way: Vec<[usize; 3]>,
    /// The chains that are replaced.
    first: usize,
    behind: usize,
    /// The bytes of the old text that are replaced.
    start: usize,
    end: usize,
}

/// The tree of `new` from that of `old`; `None` where the text is to be read as a whole.
pub fn resume(
    file: FileId,
    (mut ast, reading): (Ast, Reading),
    old: &str,
    new: &str,
    guarded: &Guarded,
) -> Option<(Ast, Reading)> {
    let plain = guarded.text.as_str();
    // What closes the braces that are open at the end. With another one open, other things are inside of it.
    let closing = plain.len().checked_sub(new.len())?;
    if ast.file != file || reading.plain.len().checked_sub(old.len())? != closing {
        return None;
    }
    // A text with faults is read as a whole: how far each of them reaches is not known from its lines.
    if closing > 0 || !reading.own.is_empty() || !guarded.diagnostics.is_empty() {
        return None;
    }
    let change = Change::between(old, new).and(Change::between(&reading.plain, plain));
    if change.old_end > old.len() {
        return None;
    }
    let place = find(&ast.chains, &reading.plain, old.len(), change)?;
    let moved = |at: usize| at + change.new_end - change.old_end;
    let (front, again) = (plain.get(..place.start)?, plain.get(place.start..moved(place.end))?);
    let next = |at: usize| plain.as_bytes().get(at).copied();
    let open_before = open_brackets(front, next(place.start))?;
    let open_behind = open_brackets(again, next(moved(place.end)))?;
    if open_before.iter().any(|&bracket| bracket != b'{')
        || !open_behind.is_empty()
        || again.trim_end_matches([' ', '\n']).ends_with("->")
    {
        return None;
    }
    let mut found = Diagnostics::new();
    let pairs = region(again).ok()?;
    let read = Builder::within(file, new, plain, place.start, &mut found).chains(pairs, Rule::region);
    if !found.is_empty() {
        return None;
    }

    let shift = |span: &mut Span| {
        let moved = |at: u32| if (at as usize) < change.old_end { at } else { moved(at as usize) as u32 };
        if span.file == file {
            *span = Span { start: moved(span.start), end: moved(span.end), ..*span };
        }
    };
    list(&mut ast.chains, &place.way)?.drain(place.first..place.behind);
    spans::chains(&mut ast.chains, &mut |span| shift(span));
    list(&mut ast.chains, &place.way)?.splice(place.first..place.first, read);

    let guarded = Guarded { text: plain.to_owned(), diagnostics: Diagnostics::new() };
    Some((ast, Reading::of(guarded, found)))
}

impl Change {
    fn between(old: &str, new: &str) -> Change {
        let (old, new) = (old.as_bytes(), new.as_bytes());
        let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let tails = old[start..].iter().rev().zip(new[start..].iter().rev());
        let same = tails.take_while(|(a, b)| a == b).count();
        Change { start, old_end: old.len() - same, new_end: new.len() - same }
    }

    /// The smallest change that holds both.
    fn and(self, other: Change) -> Change {
        let start = self.start.min(other.start);
        // Both grow the text by as much, so the ends stay beside each other.
        let old_end = self.old_end.max(other.old_end);
        Change { start, old_end, new_end: self.new_end + old_end - self.old_end }
    }
}

/// The innermost list of chains in which the change can be dealt with; the list ends at `close`.
fn find(chains: &[Chain], plain: &str, close: usize, change: Change) -> Option<Place> {
    // Whether a chain ends at the next line is seen from the two characters that may be `->`.
    let first = chains.iter().rposition(|chain| begin(chain).is_some_and(|at| at + 2 <= change.start))?;
    for (at_link, link) in chains[first].links.iter().enumerate() {
        let parts = std::iter::once(&link.statement).chain(&link.statement.clauses);
        for (at_part, block) in parts.enumerate().filter_map(|(at, part)| Some((at, part.block.as_ref()?))) {
            let inside = block.span.range();
            let within = inside.start < change.start && change.old_end < inside.end;
            let deeper = within.then(|| find(&block.chains, plain, inside.end - 1, change)).flatten();
            if let Some(mut place) = deeper {
                place.way.insert(0, [first, at_link, at_part]);
                return Some(place);
            }
        }
    }
    // The chain behind the change is read again, for its doc comment; the one behind that one is as it was, if it
    // begins its line: a string may be open before it otherwise.
    let next =
        (first + 1..chains.len()).find(|&at| begin(&chains[at]).is_some_and(|at| at >= change.old_end));
    let starts_line = |at: usize| plain[..at].trim_end_matches(' ').ends_with('\n');
    let behind = next
        .and_then(|next| (next + 1..chains.len()).find(|&at| begin(&chains[at]).is_some_and(starts_line)));
    Some(Place {
        way: Vec::new(),
        first,
        behind: behind.unwrap_or(chains.len()),
        start: begin(&chains[first])?,
        end: behind.map_or(Some(close), |at| begin(&chains[at]))?,
    })
}

fn begin(chain: &Chain) -> Option<usize> {
    chain.links.first().map(|link| link.statement.span.start as usize)
}

/// The list at the end of a way.
fn list<'a>(chains: &'a mut Vec<Chain>, way: &[[usize; 3]]) -> Option<&'a mut Vec<Chain>> {
    let Some((&[chain, link, part], rest)) = way.split_first() else { return Some(chains) };
    let statement = &mut chains.get_mut(chain)?.links.get_mut(link)?.statement;
    let part = match part.checked_sub(1) {
        None => statement,
        Some(clause) => statement.clauses.get_mut(clause)?,
    };
    list(&mut part.block.as_mut()?.chains, rest)
}

/// The brackets that are open at the end of a text without comments, before the byte `next`; `None` if a `}` closes
/// what was open before the text.
fn open_brackets(plain: &str, next: Option<u8>) -> Option<Vec<u8>> {
    let (bytes, mut open) = (plain.as_bytes(), Vec::new());
    let (mut at, mut last, mut line_ended) = (0, b'\n', false);
    // As for the guard: lists and parameters may go over several lines, any other bracket ends with its line.
    let ends = |last: u8, next: u8| !matches!(last, b',' | b'(' | b'[') && !matches!(next, b')' | b']');
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => line_ended = true,
            b' ' => {}
            byte => {
                if line_ended && ends(last, byte) {
                    open.retain(|&bracket| bracket == b'{');
                }
                (last, line_ended) = (byte, false);
                match byte {
                    b'"' => at = closing_quote(bytes, at).unwrap_or(at),
                    b'(' | b'[' | b'{' => open.push(byte),
                    b')' | b']' => {
                        let opening = if byte == b')' { b'(' } else { b'[' };
                        open.pop_if(|last| *last == opening);
                    }
                    b'}' => {
                        let inner = open.iter().rposition(|&bracket| bracket == b'{')?;
                        open.remove(inner);
                    }
                    _ => {}
                }
            }
        }
        at += 1;
    }
    if next.is_none_or(|next| next == b'}' || line_ended && ends(last, next)) {
        open.retain(|&bracket| bracket == b'{');
    }
    Some(open)
}

#[cfg(test)]
mod tests {
    use crate::source::Sources;
    use crate::syntax::guard::balance;
    use crate::syntax::{parse, read};

    const TEXT: &str = "let width = 8\n\n## A unit.\nblock unit(c) {\n    conv2d c 3x3 # é\n    relu\n}\n\nmodel M {\n    \
                        input 1x8x8\n    unit 4 -> tanh as x : 4x6x6\n    if width > 4 { relu } else {\n        tanh\n        \
                        flatten\n    }\n    linear 10\n}\n\ntrain { loss mse; epochs 3 }\n";

    /// Whether the tree of `new` comes out of that of `old`; if so, it is the tree that a whole reading gives.
    fn resumes(old: &str, new: &str) -> bool {
        let mut sources = Sources::default();
        let file = sources.add("a.net", old);
        let before = read(&sources, file);
        let mut sources = Sources::default();
        let file = sources.add("a.net", new);
        let guarded = balance(file, new).unwrap();
        let Some((ast, reading)) = super::resume(file, before, old, new, &guarded) else { return false };
        let (whole, diagnostics) = parse(&sources, file);
        assert_eq!(ast, whole, "{new}");
        assert_eq!(reading.diagnostics, diagnostics, "{new}");
        true
    }

    #[test]
    fn typing_a_line_reads_the_lines_around_it() {
        let typed = "\n        conv2d 8 3x3 padding=same -> relu : 4x6x6 # done";
        let at = TEXT.find("tanh\n        flatten").unwrap() + 4;
        let texts: Vec<String> =
            (0..=typed.len()).map(|n| format!("{}{}{}", &TEXT[..at], &typed[..n], &TEXT[at..])).collect();
        let steps = || texts.windows(2).flat_map(|pair| [(&pair[0], &pair[1]), (&pair[1], &pair[0])]);
        let resumed = steps().filter(|(old, new)| resumes(old, new)).count();
        assert!(resumed * 100 > steps().count() * 60, "{resumed} of {}", steps().count());
    }

    #[test]
    fn any_cut_and_any_letter_gives_the_whole_tree() {
        // The second has heads that cannot be read, whose blocks are read all the same.
        let broken = "model M( { input 1x8x8; relu [; tanh } x [\nblock b[ {\n    relu\n    tanh 5x\n    elu\n    mish\n}\n";
        for (text, share) in [(TEXT, 15), (broken, 0)] {
            let (mut resumed, mut n) = (0, 0);
            let mut hold = |new: &str| {
                resumed += usize::from(resumes(text, new)) + usize::from(resumes(new, text));
                n += 2;
            };
            for (at, _) in text.char_indices() {
                for new in ["x", "\n", "{", "}", "[", ")", "->", "#", "\"", ";", " = ", "## d\n"] {
                    hold(&format!("{}{new}{}", &text[..at], &text[at..]));
                }
                for cut in 1..4 {
                    let end = text.char_indices().map(|(at, _)| at).find(|&end| end >= at + cut);
                    hold(&format!("{}{}", &text[..at], &text[end.unwrap_or(text.len())..]));
                }
            }
            assert!(resumed * 100 >= n * share, "{resumed} of {n}");
        }
    }
}
