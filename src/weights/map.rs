//! A text that says which tensor of a file a model's states take: a line each, ours and theirs, with `*` for what is the
//! same on both sides.
//!
//! ```text
//! # ours            theirs
//! stem.conv1.*      features.0.*
//! stage*.conv1.weight  blocks.*.conv.weight
//! ```

use std::path::Path;

use crate::diag::Fault;
use crate::weights::tensors::fault;

/// The longest text.
const MAX_BYTES: u64 = 1 << 22;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// Counted from 1.
    number: usize,
    ours: Pattern,
    theirs: String,
}

impl Map {
    pub fn open(path: &Path) -> Result<Map, Fault> {
        use std::io::Read;
        let unreadable = |e: std::io::Error| fault(path, format!("cannot be read: {e}"));
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.len() > MAX_BYTES {
            return Err(fault(path, format!("has more than {} MB", MAX_BYTES >> 20)));
        }
        file.take(MAX_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        Map::parse(&text).map_err(|what| {
            fault(path, what).advise("a line such as `stem.conv1.* features.0.*`: ours, a blank, theirs")
        })
    }

    fn parse(text: &str) -> Result<Map, String> {
        let mut lines = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [ours, theirs] => {
                    let ours = Pattern::of(ours);
                    if theirs.matches('*').count() > 1 || ours.stars() < theirs.matches('*').count() {
                        return Err(format!("has a `*` in line {} that stands for nothing", i + 1));
                    }
                    lines.push(Line { number: i + 1, ours, theirs: (*theirs).to_owned() });
                }
                _ => return Err(format!("has {} words in line {}, not 2", words.len(), i + 1)),
            }
        }
        Ok(Map { lines })
    }

    /// Every pair that the text says of these names of ours: the place of ours, the name of theirs, the line.
    pub fn pairs<'a>(
        &self,
        ours: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Vec<(usize, String, usize)>, String> {
        let mut pairs = Vec::new();
        for line in &self.lines {
            let before = pairs.len();
            for (at, name) in ours.clone().enumerate() {
                if let Some(star) = line.ours.star(name) {
                    pairs.push((at, line.theirs.replace('*', star), line.number));
                }
            }
            if pairs.len() == before {
                return Err(format!(
                    "line {}: no weight of the model is called `{}`",
                    line.number, line.ours.text
                ));
            }
        }
        Ok(pairs)
    }
}

/// A name with one `*` at most, or several where what they stand for does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
}

impl Pattern {
    pub fn of(text: &str) -> Pattern {
        Pattern { text: text.to_owned() }
    }

    fn stars(&self) -> usize {
        self.text.matches('*').count()
    }

    /// What the first star of the pattern stands for in a name that it fits; empty where there is none.
    pub fn star<'n>(&self, name: &'n str) -> Option<&'n str> {
        let mut pieces = self.text.split('*');
        let first = pieces.next()?;
        let rest = name.strip_prefix(first)?;
        let pieces: Vec<&str> = pieces.collect();
        let Some((last, between)) = pieces.split_last() else {
            return rest.is_empty().then_some("");
        };
        let inner = rest.strip_suffix(last)?;
        if between.is_empty() {
            return Some(inner);
        }
        let mut left = inner;
        let mut star = None;
        for piece in between {
            let at = left.find(piece)?;
            star.get_or_insert(&left[..at]);
            left = &left[at + piece.len()..];
        }
        star
    }

    /// Whether it names a weight: its own name, or that of a layer above it.
    pub fn names(&self, name: &str) -> bool {
        let above = name.match_indices('.').map(|(at, _)| &name[..at]);
        std::iter::once(name).chain(above).any(|own| self.star(own).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_pair_names_and_stars_stand_for_the_same() {
        let map =
            Map::parse("# a comment\nstem.* features.0.*\n\nhead.weight fc.weight # the last\n").unwrap();
        let names = ["stem.weight", "stem.bias", "head.weight"];
        let pairs = map.pairs(names.into_iter()).unwrap();
        let expected = [(0, "features.0.weight", 2), (1, "features.0.bias", 2), (2, "fc.weight", 4)];
        assert_eq!(pairs, expected.map(|(at, name, line)| (at, name.to_owned(), line)));
        assert!(map.pairs(["other"].into_iter()).unwrap_err().contains("line 2"));
        for wrong in ["one", "a b c", "a b.*", "a.* b.*.*"] {
            assert!(Map::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns_name_layers_and_what_is_below_them() {
        let names = |pattern: &str, name: &str| Pattern::of(pattern).names(name);
        assert!(names("head", "head.weight") && names("head.*", "head.weight"));
        assert!(names("stage*.conv1", "stage2.conv1.bias") && names("a*b*c", "axbyc"));
        assert!(!names("hea", "head.weight") && !names("stage2", "stage1.conv1.weight"));
    }
}
