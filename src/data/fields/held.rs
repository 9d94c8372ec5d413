//! Fields once the data are open: the cells of their columns → numbers, labels, classes and second pictures for each sample, and the
//! masks and pictures that are learnt among the samples.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::data::fields::{DataField, Held, What};
use crate::data::intact;
use crate::data::parts::{Dataset, Parts};
use crate::data::sample::Form;
use crate::data::samples::{Images, Pictures, Samples, Targets};
use crate::data::section::{DataSection, OnError};
use crate::data::sources::Blanks;
use crate::data::sources::cells::{Cell, Columns};
use crate::data::sources::files::{Files, lengths};
use crate::data::sources::listed::class_names;
use crate::data::sources::masks::{MaskPictures, not_black_and_white};
use crate::data::sources::table::inside;
use crate::diag::{Fault, codes};

/// What the table says in the columns of a field: column by column, a text for each sample.
pub type Cells = Vec<Vec<String>>;

/// The cells of each field of a section for the samples of its data set, whose images still have their names.
///
/// # Errors
/// A column that is not there, or an empty cell.
pub fn cells(section: &DataSection, base: &Path, dataset: &Dataset) -> Result<Vec<Cells>, Fault> {
    let cells = |field: &DataField| {
        // An image may be without a label.
        let blanks = if matches!(field.what, What::Labels(_)) { Blanks::Kept } else { Blanks::Refused };
        let read = section.source.cells(&section.args, base, &field.columns, blanks, &dataset.samples);
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

/// Gives the samples the masks and pictures that outputs learn. Their images are not prepared yet.
///
/// # Errors
/// A mask or picture that is not there or is damaged.
pub fn join(section: &DataSection, base: &Path, cells: &[Cells], dataset: &mut Dataset) -> Result<(), Fault> {
    for (field, cells) in section.fields.iter().zip(cells).filter(|(field, _)| field.turns()) {
        let ([column], [paths]) = (field.columns.as_slice(), cells.as_slice()) else {
            return Err(Fault::internal(format!("the field `{}` of several columns", field.name)));
        };
        let form = section.facts.form;
        let targets = match &field.what {
            What::Mask(legend) => {
                let files = files(section, base, column, paths, Form { channels: Some(1), ..form })?;
                if !legend.is_explained {
                    let named = files.paths.iter().map(|path| &**path);
                    not_black_and_white(&files.root, named).map_err(|fault| Fault {
                        message: format!("the field `{}`: {}", field.name, fault.message),
                        argument: None,
                        ..fault
                    })?;
                }
                let meaning = legend.meaning.clone();
                let pictures = MaskPictures { pictures: Arc::new(files), meaning, size: form.size };
                let masks = intact(section, Arc::new(pictures))?;
                Targets::Masks { names: legend.names.clone(), masks }
            }
            What::Picture(channels) => {
                let own = Form { channels: channels.or(form.channels), ..form };
                Targets::Images(intact(section, Arc::new(files(section, base, column, paths, own)?))?)
            }
            What::Numbers | What::Class(_) | What::Labels(_) | What::Unread => continue,
        };
        dataset.samples.further.push(targets);
    }
    Ok(())
}

/// Gives a section the values of its fields, once everything else of it is known.
///
/// # Errors
/// A cell that is no number, or a picture that is not there.
pub fn hold(section: &mut DataSection, base: &Path, cells: &[Cells]) -> Result<(), Fault> {
    for (at, cells) in cells.iter().enumerate() {
        let field = section.fields[at].clone();
        let (name, columns) = (&field.name, &field.columns);
        section.fields[at].held = match (&field.what, columns.as_slice(), cells.as_slice()) {
            _ if field.turns() => Held::Samples,
            (What::Picture(_), [column], [paths]) => {
                Held::Pictures(Arc::new(pictures(section, base, column, paths)?))
            }
            (What::Class(stated), [column], [labels]) => {
                Held::Classes(Arc::new(classes(name, column, labels, *stated)?))
            }
            (What::Labels(names), _, _) => Held::Numbers(Arc::new(labels(name, columns, names, cells)?)),
            (_, _, _) => {
                let named = columns.iter().zip(cells);
                let read = |(column, cells): (&String, &Vec<String>)| numbers(name, column, cells);
                let rows = named.map(read).collect::<Result<Vec<_>, _>>()?;
                let n = rows.first().map_or(0, Vec::len);
                let sample = |at: usize| rows.iter().map(move |column: &Vec<f32>| column[at]);
                Held::Numbers(Arc::new((0..n).flat_map(sample).collect()))
            }
        };
    }
    Ok(())
}

/// The files that a column names.
fn files(
    section: &DataSection,
    base: &Path,
    column: &str,
    cells: &[String],
    form: Form,
) -> Result<Files, Fault> {
    let root = base.join(section.args.word("path")?).parent().unwrap_or(Path::new("")).to_owned();
    let path = |cell: &String| {
        inside(cell).ok_or_else(|| {
            let message = format!("the column `{column}` has the path `{cell}`");
            Fault::new(codes::DATA_FILE, message).advise("pictures below the table's folder")
        })
    };
    let paths = cells.iter().map(path).collect::<Result<Vec<_>, _>>()?;
    let lengths = lengths(&root, &paths)?;
    Ok(Files { root, paths, lengths, form })
}

/// Pictures beside the first ones, each file read once as those are.
fn intact(section: &DataSection, pictures: Arc<dyn Pictures>) -> Result<Images, Fault> {
    let targets = Targets::Classes { names: vec![String::new()], values: vec![0; pictures.len()] };
    let samples = Samples::new(Images::Read(pictures), targets);
    let mut dataset = Dataset { samples, parts: Parts::default() };
    // `on_error skip` leaves out samples by their first pictures alone.
    let mut own = DataSection { on_error: OnError::Stop, ..section.clone() };
    intact::hold(&mut own, &mut dataset)?;
    Ok(dataset.samples.images)
}

/// The second pictures of samples, and a section that prepares them.
fn pictures(
    section: &DataSection,
    base: &Path,
    column: &str,
    cells: &[String],
) -> Result<(DataSection, Samples), Fault> {
    let files = files(section, base, column, cells, section.facts.form)?;
    let targets = Targets::Classes { names: vec![column.to_owned()], values: vec![0; cells.len()] };
    let samples = Samples::new(intact(section, Arc::new(files))?, targets);
    Ok((DataSection { fields: Vec::new(), on_error: OnError::Stop, ..section.clone() }, samples))
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

/// For each sample and each label 1 or 0.
fn labels(field: &str, columns: &[String], names: &[String], cells: &Cells) -> Result<Vec<f32>, Fault> {
    let own = match columns {
        [one] => Columns::Tags(one.clone(), None),
        several => Columns::Flags(several.to_vec()),
    };
    let fault = |message: String, advice: String| {
        Fault::new(codes::DATA_FILE, format!("the field `{field}`: {message}")).advise(advice)
    };
    let n = cells.first().map_or(0, Vec::len);
    let read = |at: usize| {
        let row: Vec<&str> = cells.iter().map(|column| column[at].as_str()).collect();
        let cell = own.read(&row, &mut None).map_err(|[what, way]| fault(format!("a row {what}"), way))?;
        if let Cell::Tags(tags) = &cell
            && let Some(stranger) = tags.iter().find(|tag| !names.contains(tag))
        {
            let message = format!("a row has the label `{stranger}`, which is none of its {}", names.len());
            return Err(fault(message, format!("`names=[…]` with `{stranger}`, or another column")));
        }
        Ok(cell)
    };
    let rows = (0..n).map(read).collect::<Result<Vec<Cell>, Fault>>()?;
    match own.targets(names.to_vec(), rows) {
        Some(Targets::Labels { values, .. }) => Ok(values),
        _ => Err(Fault::internal("labels that are none")),
    }
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
