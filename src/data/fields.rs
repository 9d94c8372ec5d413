//! `field NAME [columns]`: what else a table says of each sample, numbers, a second picture or a class → the values of a batch
//! for the model's further inputs and outputs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use flate2::Crc;

use crate::data::intact;
use crate::data::loader::{Loader, Mode};
use crate::data::parts::{Dataset, Parts};
use crate::data::sample::Task;
use crate::data::samples::{Images, Samples, Targets};
use crate::data::section::{DataSection, OnError};
use crate::data::sources::files::{Files, lengths};
use crate::data::sources::listed::class_names;
use crate::data::sources::table::inside;
use crate::diag::{Diagnostic, Diagnostics, Fault, codes};
use crate::layers::given::INPUTS;
use crate::model::outputs::TARGETS;
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::Args;
use crate::spec::section::Lines;
use crate::syntax::ast::{Argument, Value, ValueKind};

/// A field of the samples beside their images and targets.
#[derive(Clone)]
pub struct DataField {
    pub name: String,
    pub columns: Vec<String>,
    pub what: What,
    /// What takes it.
    pub end: End,
    pub span: Span,
    held: Held,
}

/// The input or output of the model that a field is for, by its place among the named ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Input(usize),
    Output(usize),
}

/// What a field has of each sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A number of each of its columns.
    Numbers,
    /// A picture, which its one column names.
    Picture,
    /// One of so many classes, which its one column names.
    Class(usize),
    /// Unknown: its line is refused already.
    Unread,
}

/// What is known of it once the data are open.
#[derive(Clone)]
enum Held {
    Nothing,
    /// Sample by sample.
    Numbers(Arc<Vec<f32>>),
    /// The names of the classes in their order, and the place of each sample's.
    Classes(Arc<(Vec<String>, Vec<u32>)>),
    /// With the section that prepares them as the first pictures are.
    Pictures(Arc<(DataSection, Samples)>),
}

/// One for each further input and output that a model may have.
const MAX_FIELDS: usize = INPUTS.len() + TARGETS.len();

/// The data sets whose samples have columns.
const WITH_COLUMNS: [&str; 3] = ["table", "parquet", "webdataset"];

/// Refuses fields of a data set that has no such columns.
pub fn suits(section: &DataSection) -> Diagnostics {
    let source = section.source.spec().name;
    let refused = |field: &DataField| match (field.what, WITH_COLUMNS.contains(&source)) {
        (_, false) => {
            let message = format!("`field` names columns, and `source {source}` has none");
            let d =
                Diagnostic::error(codes::BAD_VALUE, field.span, message).label("there is no column to read");
            Some(d.advise("a `table` that lists the pictures with these columns"))
        }
        (What::Picture, true) if source != "table" => {
            let message = format!("a second picture needs a table of picture files, not `source {source}`");
            let d =
                Diagnostic::error(codes::BAD_VALUE, field.span, message).label("there is no path to read");
            Some(d.advise("`source table`"))
        }
        (What::Picture | What::Numbers | What::Class(_) | What::Unread, true) => None,
    };
    section.fields.iter().filter_map(refused).collect()
}

/// The fields that a section has; none stands twice.
pub fn of(lines: &Lines<'_>, diagnostics: &mut Diagnostics) -> Vec<DataField> {
    let mut fields: Vec<DataField> = Vec::new();
    for line in lines.lines.iter().filter(|line| line.spec.name == crate::data::settings::FIELD.spec.name) {
        let span = line.statement.head();
        let Some(args) = line.found.as_ref().map(|found| &found.args) else {
            // Refused already; the model may take it all the same.
            if let Some(Argument::Value(Value { kind: ValueKind::Word(name), .. })) =
                line.statement.arguments.first()
            {
                let (name, what, end) = (name.clone(), What::Unread, End::Input(0));
                fields.push(DataField { name, columns: Vec::new(), what, end, span, held: Held::Nothing });
            }
            continue;
        };
        let Ok(name) = args.word("name") else { continue };
        let (columns, what) = match kind(name, args, span) {
            Ok(found) => found,
            Err(d) => {
                diagnostics.push(*d);
                (Vec::new(), What::Unread)
            }
        };
        if let Some(first) = fields.iter().find(|field| field.name == name) {
            let d = Diagnostic::error(
                codes::REPEATED_SECTION,
                span,
                format!("the field `{name}` is given twice"),
            );
            diagnostics.push(d.label("given again here").related(first.span, "first given here"));
            continue;
        }
        if fields.len() == MAX_FIELDS {
            let message = format!("`data` has at most {MAX_FIELDS} fields");
            diagnostics
                .push(Diagnostic::error(codes::TOO_MANY_ARGUMENTS, span, message).label("one too many"));
            break;
        }
        let end = End::Input(fields.len());
        fields.push(DataField { name: name.to_owned(), columns, what, end, span, held: Held::Nothing });
    }
    fields
}

/// The columns of a field, and what they hold.
fn kind(name: &str, args: &Args, span: Span) -> Result<(Vec<String>, What), Box<Diagnostic>> {
    let refused = |at: Span, message: String, label: &str| {
        Box::new(Diagnostic::error(codes::BAD_VALUE, at, message).label(label))
    };
    let stated = args.span("classes").zip(args.whole("classes").ok());
    let found = match (args.texts("columns"), args.word("image"), args.word("label")) {
        (Ok(columns), Err(_), Err(_)) => (columns.to_vec(), What::Numbers),
        (Err(_), Ok(column), Err(_)) => (vec![column.to_owned()], What::Picture),
        (Err(_), Err(_), Ok(column)) => {
            let Some((_, classes)) = stated else {
                let message = format!("the field `{name}` does not say how many classes it has");
                let d = refused(span, message, "`classes` is missing");
                return Err(Box::new(d.advise(format!("`field {name} label={column} classes=N`"))));
            };
            return Ok((vec![column.to_owned()], What::Class(classes)));
        }
        (_, _, _) => {
            let message = format!("the field `{name}` is columns of numbers, an `image` or a `label`");
            let d = refused(span, message, "give one of the three");
            let ways = ["[age, bmi]", "image=COLUMN", "label=COLUMN classes=N"];
            let way = |d: Diagnostic, way: &&str| d.advise(format!("`field {name} {way}`"));
            return Err(Box::new(ways.iter().fold(*d, way)));
        }
    };
    match stated {
        Some((at, _)) => {
            let d = refused(
                at,
                format!("`classes` goes with `label=`, which the field `{name}` does not have"),
                "only a `label` takes it",
            );
            Err(Box::new(d.advise("remove `classes`, or read the column with `label=`")))
        }
        None => Ok(found),
    }
}

/// What the table says in the columns of a field: column by column, a text for each sample.
pub type Cells = Vec<Vec<String>>;

/// The cells of each field of a section for the samples of its data set, whose images still have their names.
///
/// # Errors
/// A column that is not there, or an empty cell.
pub fn cells(section: &DataSection, base: &Path, dataset: &Dataset) -> Result<Vec<Cells>, Fault> {
    let cells = |field: &DataField| {
        let read = section.source.cells(&section.args, base, &field.columns, &dataset.samples);
        read.map_err(|mut fault| {
            // Columns may be read like that of `label=`, and the advice is then about `label=`.
            fault.message = format!("the field `{}`: {}", field.name, fault.message);
            fault.remedies.clear();
            let columns = field.columns.join("`, `");
            let advice = match fault.argument.take() {
                Some(_) => format!("`field {}` with columns that the data have", field.name),
                None => format!("a value in every row of `{columns}`, or other columns"),
            };
            fault.advise(advice)
        })
    };
    section.fields.iter().map(cells).collect()
}

/// Gives a section the values of its fields, once everything else of it is known.
///
/// # Errors
/// A cell that is no number, or a picture that is not there.
pub fn hold(section: &mut DataSection, base: &Path, cells: &[Cells]) -> Result<(), Fault> {
    for (at, cells) in cells.iter().enumerate() {
        let DataField { name, columns, what, .. } = section.fields[at].clone();
        section.fields[at].held = match (what, columns.as_slice(), cells.as_slice()) {
            (What::Picture, [column], [paths]) => {
                Held::Pictures(Arc::new(pictures(section, base, column, paths)?))
            }
            (What::Class(stated), [column], [labels]) => {
                Held::Classes(Arc::new(classes(&name, column, labels, stated)?))
            }
            (_, _, _) => {
                let named = columns.iter().zip(cells);
                let read = |(column, cells): (&String, &Vec<String>)| numbers(&name, column, cells);
                let rows = named.map(read).collect::<Result<Vec<_>, _>>()?;
                let n = rows.first().map_or(0, Vec::len);
                let sample = |at: usize| rows.iter().map(move |column: &Vec<f32>| column[at]);
                Held::Numbers(Arc::new((0..n).flat_map(sample).collect()))
            }
        };
    }
    Ok(())
}

/// The second pictures of samples, each file read once as the first ones are, and a section that prepares them.
fn pictures(
    section: &DataSection,
    base: &Path,
    column: &str,
    cells: &[String],
) -> Result<(DataSection, Samples), Fault> {
    let root = base.join(section.args.word("path")?).parent().unwrap_or(Path::new("")).to_owned();
    let path = |cell: &String| {
        inside(cell).ok_or_else(|| {
            let message = format!("the column `{column}` has the path `{cell}`");
            Fault::new(codes::DATA_FILE, message).advise("pictures below the table's folder")
        })
    };
    let paths = cells.iter().map(path).collect::<Result<Vec<_>, _>>()?;
    let lengths = lengths(&root, &paths)?;
    let images = Images::Read(Arc::new(Files { root, paths, lengths, form: section.facts.form }));
    let targets = Targets::Classes { names: vec![column.to_owned()], values: vec![0; cells.len()] };
    let mut own = section.clone();
    own.fields.clear();
    // `on_error skip` leaves out samples by their first pictures alone.
    own.on_error = OnError::Stop;
    let samples = Samples { images, prepared: 0, targets };
    let mut dataset = Dataset { samples, parts: Parts::default() };
    intact::hold(&mut own, &mut dataset)?;
    Ok((own, dataset.samples))
}

/// The finite number in a cell.
pub fn finite(cell: &str) -> Option<f32> {
    cell.trim().parse::<f32>().ok().filter(|number| number.is_finite())
}

fn numbers(field: &str, column: &str, cells: &[String]) -> Result<Vec<f32>, Fault> {
    let number = |cell: &String| {
        finite(cell).ok_or_else(|| {
            let message =
                format!("the column `{column}` of the field `{field}` has `{cell}`, which is not a number");
            Fault::new(codes::DATA_FILE, message).advise("a number in every row, such as 0.5")
        })
    };
    cells.iter().map(number).collect()
}

/// The names of the classes of a column, and the place of each cell's.
fn classes(
    field: &str,
    column: &str,
    cells: &[String],
    stated: usize,
) -> Result<(Vec<String>, Vec<u32>), Fault> {
    let names = class_names(cells, stated);
    if names.len() != stated {
        let message = format!(
            "the column `{column}` of the field `{field}` has {} classes, but `classes` says {stated}",
            names.len()
        );
        let own = names.len();
        return Err(Fault::new(codes::CLASSES, message).advise(format!("`classes={own}`, or another column")));
    }
    let places: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let values = cells.iter().map(|cell| places.get(cell.as_str()).copied().unwrap_or(0)).collect();
    Ok((names, values))
}

impl DataField {
    /// The same for another part of the model.
    pub fn of(self, end: End) -> DataField {
        DataField { end, ..self }
    }

    /// The shape of a sample's value, where images reach the model in `image`.
    pub fn shape(&self, image: &Shape) -> Shape {
        match self.what {
            What::Numbers => Shape::from([self.columns.len()]),
            What::Picture => image.clone(),
            What::Class(_) | What::Unread => Shape::default(),
        }
    }

    /// What is to be learnt of it, where it is the target of an output.
    pub fn task(&self) -> Task {
        match self.what {
            What::Numbers | What::Unread => Task::Numbers,
            What::Picture => Task::Images,
            What::Class(_) => Task::Classes,
        }
    }

    /// How many numbers or classes an output of it has.
    pub fn outputs(&self) -> usize {
        match self.what {
            What::Numbers => self.columns.len(),
            What::Picture | What::Unread => 0,
            What::Class(classes) => classes,
        }
    }

    /// The input of a graph that holds it.
    pub fn port(&self) -> Result<&'static str, Fault> {
        let port = match self.end {
            End::Input(at) => INPUTS.get(at),
            End::Output(at) => TARGETS.get(at),
        };
        port.copied().ok_or_else(|| Fault::internal("one field too many"))
    }

    /// The names of its numbers, or once the data are open of its classes.
    pub fn names(&self) -> Vec<String> {
        match &self.held {
            Held::Classes(held) => held.0.clone(),
            Held::Nothing | Held::Numbers(_) | Held::Pictures(_) => match self.what {
                What::Class(classes) => (0..classes).map(|class| class.to_string()).collect(),
                What::Numbers | What::Picture | What::Unread => self.columns.clone(),
            },
        }
    }

    /// Writes what these samples should give, where it is numbers or classes.
    pub fn targets(&self, indices: &[u32], out: &mut Vec<f32>) -> Result<(), Fault> {
        self.fill(indices, 0, Mode::Eval, 0, out)
    }

    /// Writes its values for these samples.
    pub fn fill(
        &self,
        indices: &[u32],
        epoch: u32,
        mode: Mode,
        seed: u64,
        out: &mut Vec<f32>,
    ) -> Result<(), Fault> {
        match &self.held {
            Held::Nothing => Err(Fault::internal(format!("the field `{}` is not read", self.name))),
            Held::Numbers(values) => {
                out.clear();
                let n = self.columns.len();
                let row = |&index: &u32| values[index as usize * n..][..n].iter().copied();
                out.extend(indices.iter().flat_map(row));
                Ok(())
            }
            Held::Classes(held) => {
                out.clear();
                out.extend(indices.iter().map(|&index| held.1[index as usize] as f32));
                Ok(())
            }
            Held::Pictures(held) => {
                let loader = Loader::new(&held.0, &held.1)?;
                out.resize(indices.len() * loader.fields()[0].shape.elements(), 0.0);
                loader.fill(indices, epoch, mode, seed, out, &mut [Vec::new()])
            }
        }
    }

    /// Adds what tells its values from others.
    pub fn digest(&self, sum: &mut Crc) {
        sum.update(self.name.as_bytes());
        match &self.held {
            Held::Nothing => {}
            Held::Numbers(values) => values.iter().for_each(|number| sum.update(&number.to_le_bytes())),
            Held::Classes(held) => {
                held.0.iter().for_each(|name| sum.update(format!("{name}\n").as_bytes()));
                held.1.iter().for_each(|class| sum.update(&class.to_le_bytes()));
            }
            Held::Pictures(held) => held.1.digest(&(0..held.1.len() as u32).collect::<Vec<_>>(), sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::data::testing::section;
    use crate::data::{Wanted, open};

    #[test]
    fn another_number_or_second_picture_is_another_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: String| folder.path().join(name);
        let picture = |name: String, red: u8| RgbImage::from_pixel(2, 2, Rgb([red, 0, 0])).save(path(name));
        let mut rows = "left,right,age,kind\n".to_owned();
        for i in 0..8u8 {
            picture(format!("l{i}.bmp"), i).unwrap();
            picture(format!("r{i}.bmp"), i).unwrap();
            rows.push_str(&format!("l{i}.bmp,r{i}.bmp,{i}.5,{}\n", i % 2));
        }
        let table = path("t.csv".to_owned());
        std::fs::write(&table, &rows).unwrap();
        let fingerprint = |field: &str| {
            let source = format!("source table \"{}\" image=left label=kind", table.display());
            let mut section = section(&format!("{source}\nsplit test=25%\nresize 4x4\n{field}")).unwrap();
            let dataset = open(&mut section, Path::new(""), 1, Wanted::All)?;
            Ok::<_, Fault>(section.fingerprint(&dataset))
        };
        let [none, age, right] = ["", "field age [age]", "field right image=right"].map(fingerprint);
        let [none, age, right] = [none.unwrap(), age.unwrap(), right.unwrap()];
        assert!(age != none && right != none && age != right);
        assert_eq!(fingerprint("field right image=right").unwrap(), right);
        // As many bytes as before.
        picture("r3.bmp".to_owned(), 200).unwrap();
        assert_ne!(fingerprint("field right image=right").unwrap(), right);
        std::fs::write(&table, rows.replace("4.5", "4.6")).unwrap();
        assert_ne!(fingerprint("field age [age]").unwrap(), age);
        assert_eq!(fingerprint("").unwrap(), none);
        let fault = fingerprint("field age [aeg]").unwrap_err();
        assert!(fault.message.starts_with("the field `age`: ") && fault.argument.is_none(), "{fault}");
    }
}
