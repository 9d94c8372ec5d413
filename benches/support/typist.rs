//! What somebody types into a text, keystroke by keystroke, at random places: lines of layers and their removal, other
//! numbers, blocks that stay open for a while, words, comments. Each visit leaves the text as it was.

use dslc::tensor::random::Random;

/// A change as an editor tells it: what stood between two places (line and column) is replaced by this text.
#[derive(Clone)]
pub struct Keystroke {
    pub start: (usize, usize),
    pub end: (usize, usize),
    pub text: String,
}

/// What somebody does at a line of a text.
pub type Visit = fn(at: usize, line: &str, random: &mut Random) -> Vec<Keystroke>;

pub const VISITS: &[(&str, Visit)] = &[
    ("a line", a_line),
    ("a block", a_block),
    ("a number", a_number),
    ("a word", a_word),
    ("a comment", a_comment),
];

const LINES: &[&str] = &[
    "conv2d width 3x3 padding=same -> relu : 8x64x64",
    "conv2d (2 * width) 1x1 -> conv2d width 1x1 -> batch_norm",
    "residual { conv2d width 3x3 padding=[1, 1, 1, 1] -> relu }  # as a comment",
    "group_norm groups=4 -> dropout 10%",
];
const BLOCKS: &[&[&str]] = &[
    &["repeat 2 {", "    dropout 10%", "    relu", "}"],
    &["residual {", "    conv2d width 3x3 padding=1", "} shortcut {", "    conv2d width 1x1", "}"],
];

/// A new line, letter by letter, and back.
fn a_line(at: usize, line: &str, random: &mut Random) -> Vec<Keystroke> {
    let typed = format!("    {}", LINES[below(random, LINES.len())]);
    let opened = replaced((at, line.len()), (at, line.len()), "\n");
    let closed = replaced((at, line.len()), (at + 1, 0), "");
    [vec![opened], letters(at + 1, 0, &typed), erased(at + 1, 0, typed.len()), vec![closed]].concat()
}

/// Lines of a block, letter by letter, so that it is open until the last one; then all of them are cut out.
fn a_block(at: usize, line: &str, random: &mut Random) -> Vec<Keystroke> {
    let (mut keys, mut above) = (Vec::new(), line.len());
    let block = BLOCKS[below(random, BLOCKS.len())];
    for (below, inner) in block.iter().enumerate() {
        keys.push(replaced((at + below, above), (at + below, above), "\n"));
        let typed = format!("    {inner}");
        keys.extend(letters(at + below + 1, 0, &typed));
        above = typed.len();
    }
    keys.push(replaced((at, line.len()), (at + block.len(), above), ""));
    keys
}

/// Another number in the place of one of the line's, and that one again.
fn a_number(at: usize, line: &str, random: &mut Random) -> Vec<Keystroke> {
    let digits = |from: usize| line[from..].bytes().take_while(u8::is_ascii_digit).count();
    let starts: Vec<usize> =
        (1..line.len()).filter(|&from| digits(from) > 0 && digits(from - 1) == 0).collect();
    if starts.is_empty() {
        return Vec::new();
    }
    let column = starts[below(random, starts.len())];
    let old = &line[column..column + digits(column)];
    let new = (1 + below(random, 64)).to_string();
    [
        erased(at, column, old.len()),
        letters(at, column, &new),
        erased(at, column, new.len()),
        letters(at, column, old),
    ]
    .concat()
}

/// The end of the line's first word is taken away and typed again.
fn a_word(at: usize, line: &str, random: &mut Random) -> Vec<Keystroke> {
    let column = line.len() - line.trim_start().len();
    let end = line[column..].find(' ').map_or(line.len(), |length| column + length);
    let left = column + below(random, end - column);
    [erased(at, left, end - left), letters(at, left, &line[left..end])].concat()
}

/// The line becomes a comment, and a line again.
fn a_comment(at: usize, _: &str, _: &mut Random) -> Vec<Keystroke> {
    [letters(at, 0, "# "), erased(at, 0, 2)].concat()
}

/// A random number below `n`.
pub fn below(random: &mut Random, n: usize) -> usize {
    random.below(n as u32) as usize
}

fn replaced(start: (usize, usize), end: (usize, usize), text: &str) -> Keystroke {
    Keystroke { start, end, text: text.to_owned() }
}

/// Typed one after another.
fn letters(line: usize, column: usize, typed: &str) -> Vec<Keystroke> {
    let key = |(i, _)| replaced((line, column + i), (line, column + i), &typed[i..=i]);
    typed.char_indices().map(key).collect()
}

/// Taken back one after another, the last one first.
fn erased(line: usize, column: usize, n: usize) -> Vec<Keystroke> {
    (0..n).rev().map(|i| replaced((line, column + i), (line, column + i + 1), "")).collect()
}
