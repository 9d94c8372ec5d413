//! Pictures that are listed with their classes and parts, in whatever file and order → one data set: the same pictures under the
//! same names are the same samples in the same order, from a folder, a table, a tar file or Parquet.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::data::parts::{Dataset, Parts};
use crate::data::samples::{Images, Pictures, Samples, Targets};
use crate::data::sources::Wanted;
use crate::data::sources::cells::Cell;
use crate::data::sources::folder::class_order;
use crate::diag::Fault;

/// Pictures, each with a place `P` that it is read from.
pub struct Listed<P> {
    /// In the order in which they came, or of their places where they are `settled`.
    classes: Vec<String>,
    is_settled: bool,
    known: HashMap<String, u32>,
    /// The names of several labels, where the files say them in an order of their own.
    pub labels: Option<Vec<String>>,
    rows: Vec<Row<P>>,
}

/// A picture of a list.
struct Row<P> {
    part: u8,
    class: u32,
    name: Box<Path>,
    place: P,
}

impl<P> Default for Listed<P> {
    fn default() -> Listed<P> {
        Listed {
            classes: Vec::new(),
            is_settled: false,
            known: HashMap::new(),
            labels: None,
            rows: Vec::new(),
        }
    }
}

impl<P> Listed<P> {
    /// A list whose classes are these, in this order, whether pictures of them come or not.
    pub fn of_classes(classes: Vec<String>) -> Listed<P> {
        let known = classes.iter().cloned().zip(0..).collect();
        Listed { classes, is_settled: true, known, labels: None, rows: Vec::new() }
    }

    /// A list whose several labels are these, in this order, where they are said.
    pub fn of_labels(labels: Option<Vec<String>>) -> Listed<P> {
        Listed { labels, ..Listed::default() }
    }

    /// Adds a picture. `part` counts training, validation and test.
    ///
    /// Gives back whether its class can be one; it cannot where the classes are given and it is none of them.
    #[must_use]
    pub fn push(&mut self, part: usize, class: &str, name: Box<Path>, place: P) -> bool {
        let class = match self.known.get(class) {
            Some(&class) => class,
            None if self.is_settled => return false,
            None => {
                let new = self.classes.len() as u32;
                self.known.insert(class.to_owned(), new);
                self.classes.push(class.to_owned());
                new
            }
        };
        self.rows.push(Row { part: part as u8, class, name, place });
        true
    }

    /// The first label of a row that is none of those that the files say.
    pub fn other(&self, cell: &Cell) -> Option<String> {
        let (Some(labels), Cell::Tags(own)) = (&self.labels, cell) else { return None };
        own.iter().find(|label| !labels.contains(label)).cloned()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Where pictures are read from, as they came.
    pub fn places(&self) -> impl Iterator<Item = &P> {
        self.rows.iter().map(|row| &row.place)
    }

    /// The first two pictures of one name, where there are such.
    pub fn twice(&self) -> Option<(&Path, &P, &P)> {
        let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
        let row = |at: u32| &self.rows[at as usize];
        // By their bytes, which is quicker than part by part, and enough to find what is equal.
        order.sort_by(|&a, &b| row(a).name.as_os_str().cmp(row(b).name.as_os_str()).then(a.cmp(&b)));
        let pair = order.windows(2).filter(|pair| row(pair[0]).name == row(pair[1]).name);
        let pair = pair.min_by_key(|pair| pair[1])?;
        Some((&row(pair[0]).name, &row(pair[0]).place, &row(pair[1]).place))
    }

    /// The number of classes, and those of the pictures in each part.
    pub fn counts(&self, stated: Option<usize>) -> (usize, [usize; 3]) {
        let mut parts = [0; 3];
        self.rows.iter().for_each(|row| parts[usize::from(row.part)] += 1);
        (self.names(stated).len(), parts)
    }

    /// The classes in their order. Where they are whole numbers and more of them are stated, those that have no picture are among
    /// them.
    fn names(&self, stated: Option<usize>) -> Vec<String> {
        if self.is_settled {
            return self.classes.clone();
        }
        ordered(self.classes.clone(), stated)
    }

    /// The class of each sample here, by its name.
    pub fn classes_of(&self, samples: &Samples) -> Result<Vec<String>, Fault> {
        let named: HashMap<&Path, u32> = self.rows.iter().map(|row| (row.name.as_ref(), row.class)).collect();
        let class = |index: u32| {
            let class = named.get(Path::new(&samples.key(index)))?;
            self.classes.get(*class as usize).cloned()
        };
        let found: Option<Vec<String>> = (0..samples.len() as u32).map(class).collect();
        found.ok_or_else(|| Fault::internal("a sample that is not listed"))
    }

    /// The data set, by parts and then as [`by_file_name`] orders it. `pictures` makes the reader of those with these names and places.
    pub fn dataset(
        mut self,
        wanted: Wanted,
        stated: Option<usize>,
        pictures: impl FnOnce(Vec<Box<Path>>, Vec<P>) -> Result<Arc<dyn Pictures>, Fault>,
    ) -> Result<Dataset, Fault> {
        let names = self.names(stated);
        let places: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
        let class: Vec<u32> =
            self.classes.iter().map(|name| places.get(name.as_str()).copied().unwrap_or(0)).collect();
        if wanted == Wanted::Test && self.rows.iter().any(|row| row.part == 2) {
            self.rows.retain(|row| row.part == 2);
        }
        self.rows.iter_mut().for_each(|row| row.class = class[row.class as usize]);
        self.rows.sort_by(|a, b| {
            a.part.cmp(&b.part).then_with(|| by_file_name((a.class, &a.name), (b.class, &b.name)))
        });
        let n = self.rows.len();
        let mut parts = [const { Vec::new() }; 3];
        let (mut paths, mut values, mut at) =
            (Vec::with_capacity(n), Vec::with_capacity(n), Vec::with_capacity(n));
        for (index, row) in self.rows.into_iter().enumerate() {
            parts[usize::from(row.part)].push(index as u32);
            values.push(row.class);
            paths.push(row.name);
            at.push(row.place);
        }
        let images = Images::Read(pictures(paths, at)?);
        let [train, validation, test] = parts;
        let samples = Samples::new(images, Targets::Classes { names, values });
        Ok(Dataset { samples, parts: Parts { train, validation, test } })
    }
}

/// Classes in their order. Where they are whole numbers and more of them are stated, the others are among them.
fn ordered(classes: Vec<String>, stated: Option<usize>) -> Vec<String> {
    let is_below = |n: usize| classes.iter().all(|name| number(name).is_some_and(|own| own < n));
    match stated {
        Some(n) if n > classes.len() && is_below(n) => (0..n).map(|class| class.to_string()).collect(),
        Some(_) | None => class_order(classes),
    }
}

/// The classes among these cells in their order, of so many that are stated.
pub fn class_names(cells: &[String], stated: usize) -> Vec<String> {
    let all: BTreeSet<&String> = cells.iter().collect();
    ordered(all.into_iter().cloned().collect(), Some(stated))
}

/// The order of two pictures of one part, each with its class: by their files' names, then by class, then by their paths. Whole
/// numbers in names count as such: `2.png` comes before `10.png`. So files that were numbered through all classes keep their order,
/// wherever their folder lies.
pub fn by_file_name((class, path): (u32, &Path), (other_class, other): (u32, &Path)) -> Ordering {
    let names = natural(file_name(path), file_name(other));
    names.then(class.cmp(&other_class)).then_with(|| path.as_os_str().cmp(other.as_os_str()))
}

/// What follows the last separator. [`Path::file_name`] takes a path apart from its beginning, which a million of them feel.
fn file_name(path: &Path) -> &[u8] {
    let bytes = path.as_os_str().as_encoded_bytes();
    let at = bytes.iter().rposition(|&byte| std::path::is_separator(char::from(byte)));
    at.map_or(bytes, |at| &bytes[at + 1..])
}

/// The order of two names, byte by byte, but for runs of digits, which are ordered as numbers. Names that differ in leading zeros alone
/// are ordered by their bytes.
fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a, b);
    while let ([x, ..], [y, ..]) = (left, right) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let [(own, behind), (other, behind_other)] = [left, right].map(number_in_front);
            let order = own.len().cmp(&other.len()).then_with(|| own.cmp(other));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (behind, behind_other);
        } else if x == y {
            (left, right) = (&left[1..], &right[1..]);
        } else {
            return x.cmp(y);
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// The digits that a text begins with, without leading zeros, and what follows them.
fn number_in_front(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, behind) = text.split_at(end);
    let zeros = digits.iter().position(|&digit| digit != b'0').unwrap_or(digits.len());
    (&digits[zeros..], behind)
}

/// A class that is called by a whole number, as `0` to `9` are.
fn number(name: &str) -> Option<usize> {
    let number: usize = name.parse().ok()?;
    (number.to_string() == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_ordered_by_the_numbers_in_their_names() {
        let mut own = [
            (1, "b/10.png"),
            (0, "a/2.png"),
            (1, "b/02.png"),
            (0, "a/1.png"),
            (1, "b/1.png"),
            (0, "a/x/1.png"),
            (0, "a/img12_3.png"),
            (0, "a/img3_12.png"),
            (0, "a/.png"),
            (0, "a/99999999999999999999999.png"),
        ]
        .map(|(class, path)| (class, Path::new(path)));
        own.sort_by(|a, b| by_file_name(*a, *b));
        let sorted = own.map(|(_, path)| path.to_str().unwrap());
        assert_eq!(
            sorted,
            [
                "a/.png",
                "a/1.png",
                "a/x/1.png",
                "b/1.png",
                "b/02.png",
                "a/2.png",
                "b/10.png",
                "a/99999999999999999999999.png",
                "a/img3_12.png",
                "a/img12_3.png"
            ]
        );
    }
}
