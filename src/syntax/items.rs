//! A text → its items: the stretches that the grammar reads one by one, so that after a change only those are read
//! again in which it lies.
//!
//! An item ends with its line or at a `;`, as a chain does, and goes on where a chain may: around `->`, and where a list
//! or parameters are broken. What stands in braces over several lines is cut out of it, and is items of its own; so a
//! fault in one item touches no other, and a brace that is missing changes what an item is inside of, but not the item.
//! An item may hold more than one chain, where a line looks as if it went on and does not.

use std::borrow::Cow;
use std::ops::Range;

use crate::syntax::guard::{closing_quote, marked};

/// A stretch of a text without comments.
#[derive(Debug, PartialEq, Eq)]
pub struct Item {
    pub start: usize,
    pub end: usize,
    /// What is cut out of it, in order.
    pub bodies: Vec<Body>,
}

/// What stands between braces that are on different lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    /// Behind the `{`.
    pub start: usize,
    /// Where the `}` is.
    pub end: usize,
    /// The items in it, those in their bodies included.
    pub n_items: usize,
}

/// Cuts a text whose braces are all closed: its items, each before those in its bodies, and where a `}` that closes
/// nothing stands in front of an item or alone.
pub fn cut(plain: &str) -> (Vec<Item>, Vec<usize>) {
    let mut cut = Cut { bytes: plain.as_bytes(), items: Vec::new(), depth: 0 };
    // Some editors begin a file with a byte order mark.
    let mut stray = Vec::new();
    let mut at = if plain.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    loop {
        at = cut.block(at);
        if at == plain.len() {
            return (cut.items, stray);
        }
        stray.push(at);
        at += 1;
    }
}

/// The bytes that may end an item or open something in it; most of a text is none of them.
static SPECIAL: [bool; 256] = marked(b" \n;\"{}");

struct Cut<'a> {
    bytes: &'a [u8],
    items: Vec<Item>,
    /// How many bodies are open.
    depth: usize,
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
                b';' => break,
                b'}' if self.depth > 0 => break,
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
                        self.depth += 1;
                        let close = self.block(at + 1);
                        self.depth -= 1;
                        let n_items = self.items.len() - first;
                        bodies.push(Body { start: at + 1, end: close, n_items });
                        close + 1
                    }
                },
                _ => {
                    at + self.bytes[at..]
                        .iter()
                        .take_while(|&&byte| !SPECIAL[usize::from(byte)])
                        .count()
                        .max(1)
                }
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

    /// Where each place of this item is in another one that reads the same.
    pub fn moved_to(&self, to: &Item) -> impl Fn(usize) -> usize + use<> {
        let first = (self.start, to.start);
        let ends = self.bodies.iter().zip(&to.bodies).map(|(from, to)| (from.end, to.end));
        let behind: Vec<(usize, usize)> = ends.collect();
        move |at| {
            let nth = behind.partition_point(|&(from, _)| from <= at);
            let (from, to) = nth.checked_sub(1).map_or(first, |nth| behind[nth]);
            to + at.saturating_sub(from)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    fn texts(plain: &str) -> Vec<String> {
        cut(plain).0.iter().map(|item| item.text(plain).into_owned()).collect()
    }

    #[test]
    fn items_end_with_their_lines() {
        let plain = "let a = 1; let b = 2\n\nmodel M {\n    input 3x8x8 ->\n  relu\n  -> tanh ; elu\n    add [1,\n 2\n]\n}\nx }\n";
        let expected = [
            "let a = 1",
            "let b = 2",
            "model M {\n}",
            "input 3x8x8 ->\n  relu\n  -> tanh",
            "elu",
            "add [1,\n 2\n]",
            "x }",
        ];
        assert_eq!(texts(plain), expected);
        assert_eq!(cut("} x\n } }").1, [0, 5, 7]);
        assert_eq!(texts("\u{feff}relu \"a;}\" ; tanh \"; elu"), ["relu \"a;}\"", "tanh \"", "elu"]);
        assert_eq!(texts(" \n;; \n"), Vec::<String>::new());
    }

    #[test]
    fn what_stands_in_braces_over_several_lines_is_cut_out() {
        let plain = "a { b } c {\n  d { e\n } f\n} -> g { h }\ni";
        assert_eq!(texts(plain), ["a { b } c {\n} -> g { h }", "d {\n} f", "e", "i"]);
        let (items, _) = cut(plain);
        assert_eq!(items[0].bodies[0].n_items, 2);
        // A place in the text of an item is the same place in the whole.
        let (text, place) = (items[0].text(plain), items[0].in_its_text().moved_to(&items[0]));
        for (at, letter) in text.char_indices().filter(|(_, letter)| *letter != '\n') {
            assert_eq!(plain[place(at)..].chars().next(), Some(letter), "{at}");
        }
        assert_eq!(place(text.len()), plain.len() - 2);
    }
}
