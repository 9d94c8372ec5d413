//! The cells of a table's row → what is to be learnt of its picture: a class, labels or numbers.

use std::collections::BTreeSet;

use crate::data::sample::Task;
use crate::data::samples::Targets;
use crate::data::sources::folder::class_order;
use crate::data::sources::records::LISTED;
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Param, Preset, keyword};

/// The argument that names the column of the class,
pub const LABEL: Param =
    keyword("label", Kind::Name, Preset::Absent, "the column of the classes; `label` by default");

/// that of several labels,
pub const LABELS: Param = keyword(
    "labels",
    Kind::Names,
    Preset::Absent,
    "several labels per picture: the columns that say yes or no, or the one column that lists them",
);

/// what stands between them in one column,
pub const SEPARATOR: Param =
    keyword("separator", Kind::Name, Preset::Absent, "the text between labels in one column");

/// and the columns of numbers.
pub const TARGET: Param = keyword(
    "target",
    Kind::Names,
    Preset::Absent,
    "the columns of the numbers to learn, or the one that lists them",
);

/// What stands between labels where nothing else is said.
const SEPARATORS: [char; 3] = [',', ';', '|'];

/// The columns that tell what is to be learnt.
pub enum Columns {
    Class(String),
    /// A column a label.
    Flags(Vec<String>),
    /// One column of all labels.
    Tags(String, Option<String>),
    Numbers(Vec<String>),
}

/// What one row says.
pub enum Cell {
    Class(String),
    Flags(Vec<f32>),
    Tags(Vec<String>),
    Numbers(Vec<f32>),
}

impl Columns {
    /// As the arguments name them.
    pub fn of(args: &Args) -> Result<Columns, Fault> {
        let written = ["label", "labels", "target"].into_iter().filter(|name| args.span(name).is_some());
        if let [_, second, ..] = written.collect::<Vec<_>>().as_slice() {
            let message = "only one of `label`, `labels` and `target` says what is to be learnt";
            return Err(Fault::new(codes::BAD_VALUE, message).at(second).advise("leave the others out"));
        }
        if args.has("target") {
            return Ok(Columns::Numbers(args.texts("target")?.to_vec()));
        }
        if !args.has("labels") {
            let own = if args.has("label") { args.word("label")? } else { "label" };
            return Ok(Columns::Class(own.to_owned()));
        }
        Ok(match args.texts("labels")? {
            [one] => {
                let separator =
                    if args.has("separator") { Some(args.word("separator")?.to_owned()) } else { None };
                Columns::Tags(one.clone(), separator)
            }
            several => Columns::Flags(several.to_vec()),
        })
    }

    pub fn task(&self) -> Task {
        match self {
            Columns::Class(_) => Task::Classes,
            Columns::Flags(_) | Columns::Tags(..) => Task::Labels,
            Columns::Numbers(_) => Task::Numbers,
        }
    }

    /// The argument that named them.
    pub fn argument(&self) -> &'static str {
        match self {
            Columns::Class(_) => "label",
            Columns::Flags(_) | Columns::Tags(..) => "labels",
            Columns::Numbers(_) => "target",
        }
    }

    pub fn names(&self) -> &[String] {
        match self {
            Columns::Class(one) | Columns::Tags(one, _) => std::slice::from_ref(one),
            Columns::Flags(several) | Columns::Numbers(several) => several,
        }
    }

    /// How many classes, labels or numbers there are, as far as the arguments tell; `classes` is what they say outright.
    pub fn count(&self, classes: Option<usize>) -> Option<usize> {
        match self {
            Columns::Class(_) | Columns::Tags(..) => classes,
            // One column may hold lists.
            Columns::Numbers(several) if several.len() == 1 => classes.or(Some(1)),
            Columns::Flags(several) | Columns::Numbers(several) => Some(several.len()),
        }
    }

    /// What the cells of these columns say; or what is wrong, and a way out. `width` is how many numbers the first row has: the others
    /// must have as many.
    pub fn read(&self, cells: &[&str], width: &mut Option<usize>) -> Result<Cell, [String; 2]> {
        let one = cells.first().copied().unwrap_or_default();
        match self {
            Columns::Class(name) if one.is_empty() => {
                Err([format!("has no {name}"), "a value for every picture, or remove this line".to_owned()])
            }
            Columns::Class(name) if one.starts_with(LISTED) => {
                Err([format!("has a list in `{name}`"), format!("`labels={name}` for several labels")])
            }
            Columns::Class(_) => Ok(Cell::Class(one.to_owned())),
            Columns::Flags(names) => {
                let flag = |(name, cell): (&String, &&str)| {
                    flag(cell).ok_or_else(|| {
                        [
                            format!("has `{}` in `{name}`", short(cell)),
                            "1 or 0, yes or no, true or false".to_owned(),
                        ]
                    })
                };
                names.iter().zip(cells).map(flag).collect::<Result<_, _>>().map(Cell::Flags)
            }
            Columns::Tags(_, separator) => {
                let parts: Vec<&str> = match separator {
                    _ if one.starts_with(LISTED) => one.split(LISTED).collect(),
                    Some(separator) => one.split(separator.as_str()).collect(),
                    None => one.split(SEPARATORS).collect(),
                };
                let tags = parts.into_iter().map(str::trim).filter(|tag| !tag.is_empty());
                Ok(Cell::Tags(tags.map(str::to_owned).collect()))
            }
            Columns::Numbers(names) => {
                let is_list = |cell: &&str| cell.starts_with(LISTED);
                if let (true, Some(at)) = (names.len() > 1, cells.iter().position(is_list)) {
                    let name = &names[at];
                    return Err([format!("has a list in `{name}`"), format!("`target={name}` alone")]);
                }
                let own = match one.strip_prefix(LISTED) {
                    Some(list) => list.split(LISTED).collect(),
                    None => cells.to_vec(),
                };
                let number = |(name, cell): (&String, &str)| {
                    cell.parse::<f32>().ok().filter(|number| number.is_finite()).ok_or_else(|| {
                        [format!("has `{}` in `{name}`", short(cell)), "a number, such as 0.5".to_owned()]
                    })
                };
                let numbers = names.iter().cycle().zip(own).map(number).collect::<Result<Vec<f32>, _>>()?;
                let first = *width.get_or_insert(numbers.len());
                if first != numbers.len() {
                    let what =
                        format!("has {} numbers in `{}`, and the first row {first}", numbers.len(), names[0]);
                    return Err([what, "as many numbers in every row".to_owned()]);
                }
                Ok(Cell::Numbers(numbers))
            }
        }
    }

    /// The targets of rows that say so, in their order; `None` where they are classes.
    pub fn targets(&self, names: Vec<String>, cells: Vec<Cell>) -> Option<Targets> {
        let mut values = Vec::with_capacity(names.len() * cells.len());
        for cell in cells {
            match cell {
                Cell::Class(_) => {}
                Cell::Flags(numbers) | Cell::Numbers(numbers) => values.extend(numbers),
                Cell::Tags(tags) => {
                    values.extend(names.iter().map(|name| if tags.contains(name) { 1.0 } else { 0.0 }));
                }
            }
        }
        match self {
            Columns::Class(_) => None,
            Columns::Flags(_) | Columns::Tags(..) => Some(Targets::Labels { names, values }),
            Columns::Numbers(_) => Some(Targets::Numbers { names, values }),
        }
    }

    /// The names of what all rows say.
    pub fn order<'a>(&self, cells: impl Iterator<Item = &'a Cell>) -> Vec<String> {
        let (mut found, mut width) = (BTreeSet::new(), 0);
        for cell in cells {
            match cell {
                Cell::Class(class) => {
                    found.insert(class.clone());
                }
                Cell::Tags(tags) => found.extend(tags.iter().cloned()),
                Cell::Numbers(numbers) => width = numbers.len(),
                Cell::Flags(_) => {}
            }
        }
        match self {
            Columns::Class(_) | Columns::Tags(..) => class_order(found.into_iter().collect()),
            Columns::Numbers(names) if width > names.len() => {
                (0..width).map(|at| format!("{}.{at}", names[0])).collect()
            }
            Columns::Flags(names) | Columns::Numbers(names) => names.clone(),
        }
    }
}

/// Yes or no; nothing is no.
pub fn flag(cell: &str) -> Option<f32> {
    match cell.to_lowercase().as_str() {
        "1" | "1.0" | "true" | "t" | "yes" | "y" | "x" => Some(1.0),
        "0" | "0.0" | "false" | "f" | "no" | "n" | "" => Some(0.0),
        _ => None,
    }
}

/// The beginning of a cell, as it is shown.
pub fn short(cell: &str) -> String {
    let own = match cell.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    };
    own.trim_start_matches(LISTED).replace(LISTED, ", ")
}
