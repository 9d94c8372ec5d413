//! A statement and its place → the name of what it puts into the model, which is the name of its weights on disk.
//!
//! A name is made of the file's own words: `stage2.bottleneck1.conv1`. A block is a prefix, a loop one with the
//! number of the turn, `shortcut` and `branch` are prefixes too; `as` names a statement in its own words. What is
//! left to a counter counts within one body, so that a statement put in elsewhere renames nothing.

use std::collections::{BTreeMap, BTreeSet};

/// What a layer is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Unique in the model: `conv1`, `stage2.bottleneck1.conv1`.
    pub name: String,
    /// What its random numbers are drawn by: its word and a count over the whole file. Weights that were written
    /// before layers had names of their own are called so, too.
    pub stream: String,
}

/// The names of a model so far, and where it stands.
#[derive(Debug, Default)]
pub struct Naming {
    /// `stage2.bottleneck1.` inside that block.
    path: String,
    /// How many there are of each word, by the word behind its path.
    counts: BTreeMap<String, usize>,
    /// What `as` names, each with its path.
    aliases: BTreeSet<String>,
    /// The name that the next statement takes.
    given: Option<Given>,
    /// As `path` and `counts`, of streams.
    stream_path: String,
    stream_counts: BTreeMap<String, usize>,
    /// Where names are put together.
    scratch: String,
}

#[derive(Debug)]
struct Given {
    name: String,
    by: Giver,
}

#[derive(Debug, PartialEq, Eq)]
enum Giver {
    /// Whose statement still counts among those of its word, so that the others keep their numbers.
    Alias,
    /// The one statement of a loop, once a turn.
    Loop,
}

/// A place that was left for one inside it.
#[derive(Debug)]
pub struct Outer {
    path: String,
    /// Where it is a block that was entered.
    stream_path: Option<String>,
}

impl Naming {
    /// Bytes of the path, which each name repeats.
    pub fn depth(&self) -> usize {
        self.path.len()
    }

    /// The next statement is called so, unless the loop around it has named it.
    pub fn give(&mut self, alias: &str) {
        if self.given.is_none() {
            self.given = Some(Given { name: self.claim(alias), by: Giver::Alias });
        }
    }

    /// The name that the next statement takes, where one was given.
    pub fn given(&self) -> Option<String> {
        self.given.as_ref().map(|given| given.name.clone())
    }

    /// The next statement's layers are called as those of the statement that had this name. Streams go on.
    pub fn begin_again(&mut self, name: &str) -> Naming {
        let outer = Naming {
            path: std::mem::take(&mut self.path),
            counts: std::mem::take(&mut self.counts),
            aliases: std::mem::take(&mut self.aliases),
            given: self.given.take(),
            ..Naming::default()
        };
        self.given = Some(Given { name: name.to_owned(), by: Giver::Loop });
        outer
    }

    pub fn end_again(&mut self, outer: Naming) {
        let Naming { path, counts, aliases, given, .. } = outer;
        (self.path, self.counts, self.aliases, self.given) = (path, counts, aliases, given);
    }

    /// Ends the statement that a name was given to.
    pub fn end_statement(&mut self) {
        self.given = None;
    }

    /// Of a layer or join.
    pub fn layer(&mut self, word: &str) -> Names {
        Names { name: self.own(word), stream: self.stream(word) }
    }

    /// Goes into the body of a block.
    pub fn enter_block(&mut self, word: &str) -> Outer {
        let name = self.own(word);
        let stream = self.stream(word);
        let outer = self.enter(name);
        let stream_path = std::mem::replace(&mut self.stream_path, format!("{stream}."));
        Outer { stream_path: Some(stream_path), ..outer }
    }

    /// Goes into a body that is of the statement itself, such as a residual's. Only from the second of its word on, or with
    /// a name that was given, it has a prefix: most bodies have one, and its layers are called as if they stood beside it.
    pub fn enter_own(&mut self, word: &str) -> Outer {
        let n = self.count(word);
        match self.given.take() {
            Some(given) => self.enter(given.name),
            None if n == 1 => Outer { path: self.path.clone(), stream_path: None },
            None => {
                let name = format!("{}{word}{n}", self.path);
                self.enter(name)
            }
        }
    }

    /// Goes into a body that a statement has beside another, or several times: `shortcut`, `branch2`.
    pub fn enter_part(&mut self, word: &str) -> Outer {
        let name = self.claim(word);
        self.enter(name)
    }

    /// Goes into a body that has a prefix only where a name was given.
    pub fn enter_given(&mut self) -> Outer {
        match self.given.take() {
            Some(given) => self.enter(given.name),
            None => Outer { path: self.path.clone(), stream_path: None },
        }
    }

    /// The name of a loop. `one` is the word of the only statement in its body, and what `as` calls it.
    pub fn begin_loop(&mut self, word: &str, one: Option<(&str, Option<&str>)>) -> String {
        match (self.given.take(), one) {
            (Some(given), _) => {
                if given.by == Giver::Alias {
                    self.count(one.map_or(word, |(word, _)| word));
                }
                given.name
            }
            (None, Some((word, Some(alias)))) => {
                self.count(word);
                self.claim(alias)
            }
            (None, Some((word, None))) => self.numbered(word),
            (None, None) => self.numbered(word),
        }
    }

    /// Goes into a turn of a loop, counted from 0, whose body is more than one statement.
    pub fn enter_turn(&mut self, name: &str, turn: usize) -> Outer {
        self.enter(format!("{name}.{turn}"))
    }

    /// The same where it is one statement, which is called as the turn.
    pub fn give_turn(&mut self, name: &str, turn: usize) {
        self.given = Some(Given { name: format!("{name}.{turn}"), by: Giver::Loop });
    }

    pub fn leave(&mut self, outer: Outer) {
        self.path = outer.path;
        if let Some(path) = outer.stream_path {
            self.stream_path = path;
        }
    }

    fn enter(&mut self, name: String) -> Outer {
        Outer { path: std::mem::replace(&mut self.path, name + "."), stream_path: None }
    }

    /// The given name, or the word with its number.
    fn own(&mut self, word: &str) -> String {
        match self.given.take() {
            Some(given) => {
                if given.by == Giver::Alias {
                    self.count(word);
                }
                given.name
            }
            None => self.numbered(word),
        }
    }

    /// `conv1`, `conv2` and so on in this body; a number that `as` gives is passed over.
    fn numbered(&mut self, word: &str) -> String {
        loop {
            let n = self.count(word);
            // The word is still there, behind its path.
            let name = with_number(&self.scratch, n);
            if !self.aliases.contains(&name) {
                return name;
            }
        }
    }

    fn count(&mut self, word: &str) -> usize {
        let (short, gap) = stem(word);
        put_together(&mut self.scratch, [&self.path, short, gap]);
        count(&mut self.counts, &self.scratch)
    }

    /// A name in words of its own: `skip`, and `skip_2` where the body has one already.
    fn claim(&mut self, word: &str) -> String {
        let mut name = format!("{}{word}", self.path);
        let mut n = 1;
        while self.is_taken(&name) {
            n += 1;
            name = format!("{}{word}_{n}", self.path);
        }
        self.aliases.insert(name.clone());
        name
    }

    fn is_taken(&self, name: &str) -> bool {
        let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = name[word.len()..].parse().unwrap_or(usize::MAX);
        self.aliases.contains(name) || self.counts.get(word).is_some_and(|&count| number <= count)
    }

    fn stream(&mut self, word: &str) -> String {
        put_together(&mut self.scratch, [&self.stream_path, word, ""]);
        let n = count(&mut self.stream_counts, &self.scratch);
        self.scratch.push('_');
        with_number(&self.scratch, n)
    }
}

/// What a word's number is put behind, in two parts: `conv` of `conv2d`, `conv3x3` and `_` of a block `conv3x3`.
fn stem(word: &str) -> (&str, &'static str) {
    if word == "batch_norm" {
        return ("bn", "");
    }
    let short = ["1d", "2d", "3d"].iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word);
    (short, if short.ends_with(|c: char| c.is_ascii_digit()) { "_" } else { "" })
}

fn put_together(text: &mut String, parts: [&str; 3]) {
    text.clear();
    parts.iter().for_each(|part| text.push_str(part));
}

/// Counts one more of a name.
fn count(counts: &mut BTreeMap<String, usize>, name: &str) -> usize {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
        return *count;
    }
    counts.insert(name.to_owned(), 1);
    1
}

/// A name and its number, without the detour of formatting: a large model has many names.
fn with_number(name: &str, n: usize) -> String {
    let (mut digits, mut from, mut rest) = ([0; MAX_DIGITS], MAX_DIGITS, n);
    loop {
        from -= 1;
        digits[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let mut text = String::with_capacity(name.len() + MAX_DIGITS - from);
    text.push_str(name);
    text.extend(digits[from..].iter().map(|&digit| char::from(digit)));
    text
}

/// Of the largest number.
const MAX_DIGITS: usize = usize::MAX.ilog10() as usize + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_within_their_body_and_given_names_keep_the_numbers_of_the_others() {
        let mut naming = Naming::default();
        let names = naming.layer("conv2d");
        assert_eq!((names.name.as_str(), names.stream.as_str()), ("conv1", "conv2d_1"));
        assert_eq!(naming.layer("batch_norm").name, "bn1");
        let outer = naming.enter_block("conv3x3");
        let names = naming.layer("conv2d");
        assert_eq!((names.name.as_str(), names.stream.as_str()), ("conv3x3_1.conv1", "conv3x3_1.conv2d_1"));
        naming.leave(outer);
        naming.give("stem");
        assert_eq!(naming.layer("conv2d").name, "stem");
        assert_eq!(naming.layer("conv2d").name, "conv3");
    }

    #[test]
    fn no_two_names_are_the_same() {
        let mut naming = Naming::default();
        naming.give("conv2");
        assert_eq!(naming.layer("relu").name, "conv2");
        assert_eq!(naming.layer("conv2d").name, "conv1");
        assert_eq!(naming.layer("conv2d").name, "conv3");
        for (alias, name) in
            [("conv1", "conv1_2"), ("conv1", "conv1_3"), ("relu", "relu"), ("relu", "relu_2")]
        {
            naming.give(alias);
            assert_eq!(naming.layer("tanh").name, name);
        }
    }

    #[test]
    fn bodies_and_turns_are_prefixes() {
        let mut naming = Naming::default();
        let name = naming.begin_loop("repeat", Some(("basic_block", None)));
        for turn in 0..2 {
            naming.give_turn(&name, turn);
            let outer = naming.enter_block("basic_block");
            let own = naming.enter_own("residual");
            assert_eq!(naming.layer("conv2d").name, format!("basic_block1.{turn}.conv1"));
            naming.leave(own);
            let part = naming.enter_part("shortcut");
            assert_eq!(naming.layer("conv2d").name, format!("basic_block1.{turn}.shortcut.conv1"));
            naming.leave(part);
            let own = naming.enter_own("residual");
            assert_eq!(naming.layer("conv2d").name, format!("basic_block1.{turn}.residual2.conv1"));
            naming.leave(own);
            naming.leave(outer);
        }
        let name = naming.begin_loop("for", None);
        let outer = naming.enter_turn(&name, 3);
        let names = naming.layer("linear");
        assert_eq!((names.name.as_str(), names.stream.as_str()), ("for1.3.linear1", "linear_1"));
        naming.leave(outer);
    }
}
