//! A table's file (CSV, TSV or JSONL, told by its ending) → rows of cells under named columns, one at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Take};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::data::sources::idx::fault;
use crate::diag::Fault;

/// The largest table, in bytes: 2 GiB.
const MAX_BYTES: u64 = 1 << 31;
/// The longest line of JSON, in bytes.
const MAX_LINE: u64 = 1 << 24;

/// The rows of a table that was opened.
pub struct Records {
    path: PathBuf,
    columns: Vec<String>,
    rows: Rows,
}

enum Rows {
    Separated(Box<csv::Reader<Take<BufReader<File>>>>),
    /// The lines, the number of the one that was read last, and the first row, which told the columns.
    Json(Take<BufReader<File>>, u64, Option<Vec<String>>),
}

impl Records {
    /// Opens a table and reads the names of its columns: the first line's cells, or in JSONL the first object's keys.
    pub fn open(path: &Path) -> Result<Records, Fault> {
        let metadata = std::fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => fault(path, "does not exist")
                .note("the path is relative to the experiment's file")
                .advise("a table of pictures and classes, such as labels.csv"),
            _ => broken(path, &e),
        })?;
        if !metadata.is_file() {
            return Err(fault(path, "is not a regular file").advise("a table, such as labels.csv"));
        }
        if metadata.len() > MAX_BYTES {
            return Err(fault(path, &format!("has {} bytes; at most {MAX_BYTES} are read", metadata.len()))
                .advise("a smaller table"));
        }
        let file = BufReader::new(File::open(path).map_err(|e| broken(path, &e))?).take(MAX_BYTES);
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let mut records = match ending.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Records::json(path, file)?,
            "tsv" => Records::separated(path, b'\t', file)?,
            _ => Records::separated(path, b',', file)?,
        };
        if let Some(first) = records.columns.first_mut() {
            *first = first.trim_start_matches('\u{feff}').to_owned();
        }
        Ok(records)
    }

    fn separated(path: &Path, delimiter: u8, file: Take<BufReader<File>>) -> Result<Records, Fault> {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(file);
        let head = reader.headers().map_err(|e| broken(path, &e))?;
        let columns = head.iter().map(str::to_owned).collect();
        Ok(Records { path: path.to_owned(), columns, rows: Rows::Separated(Box::new(reader)) })
    }

    fn json(path: &Path, mut lines: Take<BufReader<File>>) -> Result<Records, Fault> {
        let mut at = 0;
        let Some(first) = object(path, &mut lines, &mut at)? else {
            return Err(fault(path, "has no rows").advise("a line for each picture"));
        };
        let columns: Vec<String> = first.keys().cloned().collect();
        let cells = first.values().map(cell).collect();
        Ok(Records { path: path.to_owned(), columns, rows: Rows::Json(lines, at, Some(cells)) })
    }

    /// The place of the column that an argument names.
    pub fn column(&self, argument: &'static str, wanted: &str, is_written: bool) -> Result<usize, Fault> {
        self.columns.iter().position(|own| own == wanted).ok_or_else(|| {
            fault(&self.path, &format!("has no column `{wanted}`"))
                .at(if is_written { argument } else { "path" })
                .note(format!("its columns are: {}", self.columns.join(", ")))
                .advise(format!("`{argument}=COLUMN` with one of them"))
        })
    }

    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Reads the next row into `cells`, one for each column, and gives its line; `None` behind the last one.
    pub fn next(&mut self, cells: &mut Vec<String>) -> Result<Option<u64>, Fault> {
        match &mut self.rows {
            Rows::Separated(reader) => {
                let mut record = csv::StringRecord::new();
                if !reader.read_record(&mut record).map_err(|e| broken(&self.path, &e))? {
                    return Ok(None);
                }
                cells.clear();
                cells.extend(record.iter().map(str::to_owned));
                Ok(Some(record.position().map_or(0, csv::Position::line)))
            }
            Rows::Json(lines, at, first) => {
                if let Some(first) = first.take() {
                    *cells = first;
                    return Ok(Some(*at));
                }
                let Some(object) = object(&self.path, lines, at)? else { return Ok(None) };
                cells.clear();
                cells.extend(self.columns.iter().map(|name| object.get(name).map(cell).unwrap_or_default()));
                Ok(Some(*at))
            }
        }
    }
}

fn broken(path: &Path, e: &dyn std::fmt::Display) -> Fault {
    fault(path, &format!("cannot be read: {e}")).advise("save it again in UTF-8")
}

/// The object in the next line that is not empty.
fn object(
    path: &Path,
    lines: &mut Take<BufReader<File>>,
    at: &mut u64,
) -> Result<Option<serde_json::Map<String, Value>>, Fault> {
    loop {
        *at += 1;
        let mut line = Vec::new();
        let read = lines.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line);
        if read.map_err(|e| broken(path, &e))? == 0 {
            return Ok(None);
        }
        if line.len() as u64 > MAX_LINE {
            return Err(fault(path, &format!("has a line {at} of more than {MAX_LINE} bytes"))
                .advise("a line for each picture"));
        }
        let text = line.trim_ascii();
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        return match serde_json::from_slice::<Value>(text) {
            Ok(Value::Object(object)) => Ok(Some(object)),
            Ok(_) => Err(fault(path, &format!("has no object in line {at}"))
                .advise("a line such as {\"image\": \"a.jpg\", \"label\": \"cat\"}")),
            Err(e) => Err(fault(path, &format!("has a line {at} that is not JSON: {e}"))
                .advise("a line such as {\"image\": \"a.jpg\", \"label\": \"cat\"}")),
        };
    }
}

/// What stands in front of each text of a list in a cell: no text has it.
pub const LISTED: char = '\u{1f}';

/// A value as a cell; what is null is empty, and a list's texts stand behind [`LISTED`] each.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().replace(LISTED, " "),
        Value::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_object()) => {
            items.iter().map(|item| format!("{LISTED}{}", cell(item))).collect()
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns, and each row with its line.
    type Table = (Vec<String>, Vec<(u64, Vec<String>)>);

    fn rows(name: &str, text: &str) -> Result<Table, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let mut records = Records::open(&path)?;
        let (mut cells, mut all) = (Vec::new(), Vec::new());
        while let Some(line) = records.next(&mut cells)? {
            all.push((line, cells.clone()));
        }
        Ok((records.columns().to_vec(), all))
    }

    #[test]
    fn the_three_kinds_hold_the_same_rows() {
        let expected = (
            vec!["image".to_owned(), "label".to_owned()],
            vec![(2, vec!["a.png".to_owned(), "7".to_owned()]), (3, vec!["b.png".to_owned(), String::new()])],
        );
        assert_eq!(rows("t.csv", "\u{feff}image,label\na.png, 7\n\"b.png\",\n").unwrap(), expected);
        assert_eq!(rows("t.tsv", "image\tlabel\na.png\t7\nb.png\t\n").unwrap(), expected);
        let json = "\n{\"image\": \"a.png\", \"label\": 7}\n{\"label\": null, \"more\": [1], \"image\": \"b.png\"}\n";
        assert_eq!(rows("t.jsonl", json).unwrap(), expected);
    }

    #[test]
    fn lines_that_are_no_objects_are_named() {
        let message = |text: &str| rows("t.jsonl", text).unwrap_err().message;
        assert!(message("{\"a\": 1}\n[2]\n").ends_with("has no object in line 2"));
        assert!(message("{\"a\": 1}\n\n{\"a\"\n").contains("has a line 3 that is not JSON"));
        assert!(message("\n \n").ends_with("has no rows"));
    }
}
