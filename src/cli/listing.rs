//! Tables among the files to predict → a picture for each row, and what the row gives the model with it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::Stop;
use crate::data::fields;
use crate::data::sources::Blanks;
use crate::data::sources::files;
use crate::data::sources::table::read_columns;
use crate::data::sources::usual::TABLES;
use crate::diag::{Fault, codes};
use crate::predict::{Given, Predictor, Wanted};

/// A picture, or an array of signals, and what else the model takes with it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Row {
    pub path: PathBuf,
    /// In the model's order.
    pub given: Vec<Cell>,
}

/// What a row gives for an input of the model.
#[derive(Debug, Deserialize, Serialize)]
pub enum Cell {
    Numbers(Vec<f32>),
    Picture(PathBuf),
}

impl Cell {
    /// The bytes of a picture, or the numbers.
    pub fn read(&self) -> Result<Given, Fault> {
        Ok(match self {
            Cell::Numbers(numbers) => Given::Numbers(numbers.clone()),
            Cell::Picture(path) => Given::Picture(files::read(path)?),
        })
    }
}

/// The pictures of these files, where those of a table are its rows', each with what else the model takes.
pub fn rows(predictor: &Predictor, files: Vec<PathBuf>) -> Result<Vec<Row>, Stop> {
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        let ending = file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.is_some_and(|ending| TABLES.contains(&ending.as_str())) {
            true => all.extend(of_table(predictor, &file)?),
            false => all.push(Row { path: file, given: Vec::new() }),
        }
    }
    Ok(all)
}

fn of_table(predictor: &Predictor, table: &Path) -> Result<Vec<Row>, Fault> {
    let wanted = predictor.given();
    let columns: Vec<String> = wanted.iter().flat_map(Wanted::columns).cloned().collect();
    let folder = table.parent().unwrap_or(Path::new(""));
    let rows =
        read_columns(table, predictor.picture_column(), &columns, Blanks::Refused).map_err(|mut fault| {
            if !table.exists() {
                let message = format!("{} does not exist", table.display());
                return Fault::new(codes::DATA_FILE, message)
                    .advise("a table of pictures, such as cases.csv");
            }
            // Only a missing column is at an argument, and no file has it here.
            if fault.argument.take().is_none() {
                return fault;
            }
            fault.remedies.clear();
            let names: Vec<&str> = std::iter::once(predictor.picture_column())
                .chain(columns.iter().map(String::as_str))
                .collect();
            fault.advise(format!(
                "a table with the columns that the model was trained with: {}",
                names.join(", ")
            ))
        })?;
    let row = |(picture, cells): (Box<Path>, Vec<String>)| {
        let mut cells = cells.into_iter();
        let given = wanted.iter().map(|wanted| match wanted {
            Wanted::Picture { .. } => Ok(Cell::Picture(folder.join(cells.next().unwrap_or_default()))),
            Wanted::Numbers { columns, .. } => {
                let own = columns.iter().zip(cells.by_ref());
                Ok(Cell::Numbers(
                    own.map(|(column, cell)| number(table, column, &cell)).collect::<Result<_, Fault>>()?,
                ))
            }
        });
        Ok(Row { path: folder.join(picture), given: given.collect::<Result<_, Fault>>()? })
    };
    if rows.is_empty() {
        let message = format!("{} has no rows", table.display());
        return Err(Fault::new(codes::DATA_FILE, message).advise("a row for each picture"));
    }
    rows.into_iter().map(row).collect()
}

fn number(table: &Path, column: &str, cell: &str) -> Result<f32, Fault> {
    fields::finite(cell).ok_or_else(|| {
        let message = format!("{} has `{cell}` in `{column}`, which is not a number", table.display());
        Fault::new(codes::DATA_FILE, message).advise("a number in every row, such as 0.5")
    })
}
