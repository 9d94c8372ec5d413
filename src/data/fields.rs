//! `field NAME [columns]`: what else a table says of each sample, numbers or a second picture → the values of a batch beside
//! images and targets.

use std::path::Path;
use std::sync::Arc;

use flate2::Crc;

use crate::data::intact;
use crate::data::loader::{Loader, Mode};
use crate::data::parts::{Dataset, Parts};
use crate::data::samples::{Images, Samples, Targets};
use crate::data::section::{DataSection, OnError};
use crate::data::sources::files::{Files, lengths};
use crate::data::sources::table::inside;
use crate::diag::{Diagnostic, Diagnostics, Fault, codes};
use crate::layers::given::INPUTS;
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::section::Lines;

/// A field of the samples beside their images and targets.
#[derive(Clone)]
pub struct DataField {
    pub name: String,
    pub columns: Vec<String>,
    pub what: What,
    pub span: Span,
    held: Held,
}

/// What a field has of each sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A number of each of its columns.
    Numbers,
    /// A picture, which its one column names.
    Picture,
}

/// What is known of it once the data are open.
#[derive(Clone)]
enum Held {
    Nothing,
    /// Sample by sample.
    Numbers(Arc<Vec<f32>>),
    /// With the section that prepares them as the first pictures are.
    Pictures(Arc<(DataSection, Samples)>),
}

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
        (What::Picture | What::Numbers, true) => None,
    };
    section.fields.iter().filter_map(refused).collect()
}

/// The fields that a section has; none stands twice.
pub fn of(lines: &Lines<'_>, diagnostics: &mut Diagnostics) -> Vec<DataField> {
    let mut fields: Vec<DataField> = Vec::new();
    for line in lines.lines.iter().filter(|line| line.spec.name == crate::data::settings::FIELD.spec.name) {
        let Some(args) = line.found.as_ref().map(|found| &found.args) else { continue };
        let Ok(name) = args.word("name") else { continue };
        let span = line.statement.head();
        let (columns, what) = match (args.texts("columns"), args.word("image")) {
            (Ok(columns), Err(_)) => (columns.to_vec(), What::Numbers),
            (Err(_), Ok(column)) => (vec![column.to_owned()], What::Picture),
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => {
                let message = format!("the field `{name}` is columns of numbers, or an `image`");
                let d = Diagnostic::error(codes::BAD_VALUE, span, message).label("give one of the two");
                let ways = [format!("`field {name} [age, bmi]`"), format!("`field {name} image=COLUMN`")];
                diagnostics.push(ways.into_iter().fold(d, Diagnostic::advise));
                continue;
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
        if fields.len() == INPUTS.len() {
            let message = format!("`data` has at most {} fields", INPUTS.len());
            diagnostics
                .push(Diagnostic::error(codes::TOO_MANY_ARGUMENTS, span, message).label("one too many"));
            break;
        }
        fields.push(DataField { name: name.to_owned(), columns, what, span, held: Held::Nothing });
    }
    fields
}

/// What the table says in the columns of a field: column by column, a text for each sample.
pub type Cells = Vec<Vec<String>>;

/// The cells of each field of a section for the samples of its data set, whose images still have their names.
///
/// # Errors
/// A column that is not there, or an empty cell.
pub fn cells(section: &DataSection, base: &Path, dataset: &Dataset) -> Result<Vec<Cells>, Fault> {
    let column = |field: &DataField, name: &String| {
        section.source.groups(&section.args, base, name, &dataset.samples).map_err(|mut fault| {
            // The column is read like that of `label=`, so the advice is about `label=`.
            fault.message = format!("the field `{}`: {}", field.name, fault.message);
            (fault.argument, fault.remedies) = (None, Vec::new());
            fault.advise(format!("a value in every row of the column `{name}`, or another column"))
        })
    };
    let cells = |field: &DataField| -> Result<Cells, Fault> {
        field.columns.iter().map(|name| column(field, name)).collect()
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

fn numbers(field: &str, column: &str, cells: &[String]) -> Result<Vec<f32>, Fault> {
    let number = |cell: &String| {
        cell.trim().parse::<f32>().ok().filter(|number| number.is_finite()).ok_or_else(|| {
            let message =
                format!("the column `{column}` of the field `{field}` has `{cell}`, which is not a number");
            Fault::new(codes::DATA_FILE, message).advise("a number in every row, such as 0.5")
        })
    };
    cells.iter().map(number).collect()
}

impl DataField {
    /// The shape of a sample's value, where images reach the model in `image`.
    pub fn shape(&self, image: &Shape) -> Shape {
        match self.what {
            What::Numbers => Shape::from([self.columns.len()]),
            What::Picture => image.clone(),
        }
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
