//! A text → its items: the stretches that the grammar reads one by one, so that after a change only those are read
//! again in which it lies.
//!
//! An item ends with its line or at a `;`, as a chain does, and goes on where a chain may: around `->`, and where a list
//! or parameters are broken. What stands in braces over several lines is cut out of it, and is items of its own; so a
//! fault in one item touches no other, and a brace that is missing changes what an item is inside of, but not the item.
//! An item may hold more than one chain, where a line looks as if it went on and does not.

use std::borrow::Cow;
use std::ops::Range;

use crate::syntax::guard::closing_quote;

/// A stretch of a text without comments.
#[derive(Debug)]
pub struct Item {
    pub start: usize,
    pub end: usize,
    /// What is cut out of it, in order.
    pub bodies: Vec<Body>,
}

/// What stands between braces that are on different lines.
#[derive(Debug)]
pub struct Body {
    /// Behind the `{`.
    pub start: usize,
    /// Where the `}` is.
    pub end: usize,
    /// The items in it, those in their bodies included.
    pub n_items: usize,
}

/// Cuts a text whose braces are all closed. An item stands before those in its bodies.
pub fn cut(plain: &str) -> Vec<Item> {
    let mut cut = Cut { bytes: plain.as_bytes(), items: Vec::new() };
    // Some editors begin a file with a byte order mark.
    let mut at = if plain.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    loop {
        at = cut.block(at);
        if at == plain.len() {
            return cut.items;
        }
        // A `}` that closes nothing.
        cut.items.push(Item { start: at, end: at + 1, bodies: Vec::new() });
        at += 1;
    }
}

struct Cut<'a> {
    bytes: &'a [u8],
    items: Vec<Item>,
}

impl Cut<'_> {
    /// The items from `at` to the `}` that closes what they are in, or to the text's end; where that is.
    fn block(&mut self, mut at: usize) -> usize {
        loop {
            at += self.bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b';')).count();
            match self.bytes.get(at) {
                None | Some(b'}') => return at,
                Some(_) => at = self.item(at),
            }
        }
    }

    /// One item; where it ends.
    fn item(&mut self, start: usize) -> usize {
        let place = self.items.len();
        self.items.push(Item { start, end: start, bodies: Vec::new() });
        let (mut at, mut end, mut bodies) = (start, start, Vec::new());
        while let Some(&byte) = self.bytes.get(at) {
            let next = match byte {
                b'}' | b';' => break,
                b' ' => {
                    at += 1;
                    continue;
                }
                b'\n' => match self.continued(start..end, at) {
                    Some(next) => {
                        at = next;
                        continue;
                    }
                    None => break,
                },
                b'"' => closing_quote(self.bytes, at).unwrap_or(at) + 1,
                b'{' => match self.closed_in_line(at) {
                    Some(close) => close + 1,
                    None => {
                        let first = self.items.len();
                        let close = self.block(at + 1);
                        let n_items = self.items.len() - first;
                        bodies.push(Body { start: at + 1, end: close, n_items });
                        close + 1
                    }
                },
                _ => at + 1,
            };
            (at, end) = (next, next);
        }
        let end = end.min(self.bytes.len());
        self.items[place] = Item { start, end, bodies };
        end
    }

    /// Where an item goes on behind the end of a line, if it may.
    fn continued(&self, before: Range<usize>, line_end: usize) -> Option<usize> {
        let blank = self.bytes[line_end..].iter().take_while(|byte| matches!(byte, b' ' | b'\n')).count();
        let (before, after) = (&self.bytes[before], &self.bytes[line_end + blank..]);
        let goes_on = before.ends_with(b"->")
            || after.starts_with(b"->")
            || matches!(before.last(), Some(b',' | b'(' | b'['))
            || matches!(after.first(), Some(b')' | b']'));
        goes_on.then_some(line_end + blank)
    }

    /// The `}` that closes the `{` at a place, if it is on the same line.
    fn closed_in_line(&self, open: usize) -> Option<usize> {
        let (mut at, mut depth) = (open, 0usize);
        loop {
            match self.bytes.get(at)? {
                b'\n' => return None,
                b'"' => at = closing_quote(self.bytes, at).unwrap_or(at),
                b'{' => depth += 1,
                b'}' if depth == 1 => return Some(at),
                b'}' => depth -= 1,
                _ => {}
            }
            at += 1;
        }
    }
}

impl Item {
    /// What is left of it beside its bodies.
    pub fn stretches(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = std::iter::once(self.start).chain(self.bodies.iter().map(|body| body.end));
        let ends = self.bodies.iter().map(|body| body.start).chain([self.end]);
        starts.zip(ends).map(|(start, end)| start..end)
    }

    /// What the grammar reads: the end of a line stands for each body.
    pub fn text<'t>(&self, plain: &'t str) -> Cow<'t, str> {
        if self.bodies.is_empty() {
            return Cow::Borrowed(&plain[self.start..self.end]);
        }
        let stretches: Vec<&str> = self.stretches().map(|stretch| &plain[stretch]).collect();
        Cow::Owned(stretches.join("\n"))
    }

    /// Where everything is in [`Item::text`].
    pub fn in_its_text(&self) -> Item {
        let mut at = 0;
        let bodies = self.stretches().zip(&self.bodies).map(|(stretch, body)| {
            at += stretch.len();
            let start = at;
            at += 1;
            Body { start, end: at, n_items: body.n_items }
        });
        let bodies = bodies.collect();
        Item { start: 0, end: at + self.stretches().last().map_or(0, |stretch| stretch.len()), bodies }
    }

    /// Where a place of this item is in another one that reads the same.
    pub fn moved(&self, at: usize, to: &Item) -> usize {
        let mut stretches = self.stretches().zip(to.stretches());
        let within = stretches.find(|(from, _)| at <= from.end);
        within.map_or(to.end, |(from, to)| to.start + at.saturating_sub(from.start))
    }
}
