//! A Parquet file's footer → its columns, row groups and descriptions, and a column's numbers or texts, whole.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::data::sources::idx::fault;
use crate::data::sources::parquet::pages::{self, Chunk, Codec, Physical, Value};
use crate::data::sources::parquet::thrift::{self, Item};
use crate::diag::Fault;

/// The largest footer, in bytes.
const MAX_FOOTER: u64 = 1 << 25;
/// More rows than this in one file are not what anybody means.
const MAX_ROWS: u64 = 10_000_000;
const MAGIC: &[u8; 4] = b"PAR1";

/// A file whose footer was read.
pub struct Table {
    pub path: PathBuf,
    pub file: File,
    columns: Vec<Column>,
    /// Of each row group its rows, and its columns in the order of `columns`.
    groups: Vec<(u64, Vec<Item>)>,
    descriptions: Vec<(String, String)>,
    length: u64,
}

/// A column that holds values.
struct Column {
    /// The names on the way to it: `image.bytes`.
    name: String,
    level: u32,
    is_repeated: bool,
}

impl Table {
    pub fn open(path: &Path) -> Result<Table, Fault> {
        let told = |what: String| fault(path, &what).advise("copy or write it again");
        let unreadable = |e: std::io::Error| told(format!("cannot be read: {e}"));
        let no_parquet = || told("is not a whole Parquet file".to_owned());
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut end = [0; 8];
        if length < 12 {
            return Err(no_parquet());
        }
        file.seek(SeekFrom::Start(length - 8)).and_then(|_| file.read_exact(&mut end)).map_err(unreadable)?;
        let [a, b, c, d, magic @ ..] = end;
        let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
        if &magic == b"PARE" {
            return Err(fault(path, "is encrypted").advise("a file that is not"));
        }
        if magic != *MAGIC || footer + 12 > length {
            return Err(no_parquet());
        }
        if footer > MAX_FOOTER {
            return Err(told(format!("claims a footer of {footer} bytes; at most {MAX_FOOTER} are read")));
        }
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(length - 8 - footer));
        read.and_then(|_| (&mut file).take(footer).read_to_end(&mut bytes)).map_err(unreadable)?;
        let (item, _) = thrift::structure(&bytes).map_err(|_| told("has a damaged footer".to_owned()))?;
        let Some(n_rows) = item.size(3).filter(|rows| *rows <= MAX_ROWS) else {
            return Err(told(format!("claims more than {MAX_ROWS} rows")));
        };
        let columns = columns(item.list(2)).ok_or_else(|| told("has a damaged schema".to_owned()))?;
        let group = |group: &Item| Some((group.size(3)?, group.list(1).to_vec()));
        let groups: Option<Vec<(u64, Vec<Item>)>> = item.list(4).iter().map(group).collect();
        let groups = groups.filter(|groups| {
            let all = groups.iter().try_fold(0u64, |n, (rows, _)| n.checked_add(*rows));
            all == Some(n_rows) && groups.iter().all(|(_, own)| own.len() == columns.len())
        });
        let groups = groups.ok_or_else(|| told("has a damaged footer".to_owned()))?;
        let pair = |pair: &Item| Some((pair.text(1)?, pair.text(2)?));
        let descriptions = item.list(5).iter().filter_map(pair).collect();
        Ok(Table { path: path.to_owned(), file, columns, groups, descriptions, length })
    }

    pub fn n_groups(&self) -> usize {
        self.groups.len()
    }

    /// The rows of a row group.
    pub fn n_rows(&self, group: usize) -> usize {
        self.groups[group].0 as usize
    }

    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// The place of a column.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// A text that describes the file.
    pub fn description(&self, key: &str) -> Option<&str> {
        self.descriptions.iter().find(|(own, _)| own == key).map(|(_, text)| text.as_str())
    }

    pub fn told(&self, what: String) -> Fault {
        fault(&self.path, &what).advise("copy it again, or rewrite it, as `pyarrow.parquet.write_table` does")
    }

    /// A column of a row group.
    pub fn chunk(&self, group: usize, column: usize) -> Result<Chunk, Fault> {
        let own = &self.columns[column];
        if own.is_repeated {
            return Err(self.told(format!("has lists in the column `{}`", own.name)));
        }
        let damaged = || self.told("has a damaged footer".to_owned());
        let about = self.groups[group].1[column].get(3).ok_or_else(damaged)?;
        let physical = match about.whole(1).ok_or_else(damaged)? {
            0 => Physical::Bool,
            1 => Physical::Int32,
            2 => Physical::Int64,
            4 => Physical::Float,
            5 => Physical::Double,
            6 => Physical::Bytes,
            _ => {
                let what = format!("has neither numbers nor texts nor bytes in the column `{}`", own.name);
                return Err(self.told(what));
            }
        };
        let codec = match about.whole(4).ok_or_else(damaged)? {
            0 => Codec::None,
            1 => Codec::Snappy,
            2 => Codec::Gzip,
            6 => Codec::Zstd,
            other => {
                let packing = match other {
                    3 => "LZO",
                    4 => "Brotli",
                    5 | 7 => "LZ4",
                    _ => "an unknown method",
                };
                return Err(fault(&self.path, &format!("is compressed with {packing}, which is not read"))
                    .advise("write it with `compression=\"snappy\"`, `\"zstd\"`, `\"gzip\"` or `\"none\"`"));
            }
        };
        let data = about.size(9).ok_or_else(damaged)?;
        let start = about.size(11).filter(|start| *start > 0).map_or(data, |start| start.min(data));
        let length = about.size(7).ok_or_else(damaged)?;
        let n_values = about.size(5).filter(|n| *n == self.groups[group].0).ok_or_else(damaged)?;
        if start.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(self.told("is cut short, or claims columns that are not there".to_owned()));
        }
        let (level, is_optional) = (own.level, own.level > 0);
        let level_bits = u32::BITS - level.leading_zeros();
        Ok(Chunk { physical, codec, is_optional, level_bits, level, start, length, n_values })
    }

    /// The values of a column in a row group, each as a text; `None` where one is missing.
    pub fn texts(&mut self, group: usize, column: usize) -> Result<Vec<Option<String>>, Fault> {
        let chunk = self.chunk(group, column)?;
        let mut read = || {
            let (dictionary, pages) = pages::pages(&mut self.file, &chunk)?;
            let known: Vec<Option<String>> = match dictionary {
                None => Vec::new(),
                Some(page) => {
                    let bytes = pages::unpacked(&mut self.file, &chunk, &page)?;
                    let values = pages::values(&Chunk { is_optional: false, ..chunk }, &page, &bytes)?;
                    values.into_iter().map(|value| text(value, &bytes, &[])).collect::<Result<_, String>>()?
                }
            };
            let mut texts = Vec::new();
            for page in pages {
                let bytes = pages::unpacked(&mut self.file, &chunk, &page)?;
                for value in pages::values(&chunk, &page, &bytes)? {
                    texts.push(text(value, &bytes, &known)?);
                }
            }
            Ok::<_, String>(texts)
        };
        read().map_err(|what| self.told(what))
    }
}

/// The longest text, in bytes.
const MAX_TEXT: usize = 1 << 12;

fn text(value: Value, bytes: &[u8], known: &[Option<String>]) -> Result<Option<String>, String> {
    Ok(match value {
        Value::Missing => None,
        Value::Truth(holds) => Some(holds.to_string()),
        Value::Whole(number) => Some(number.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Here(range) if range.len() > MAX_TEXT => {
            return Err(format!("has a text of {} bytes; at most {MAX_TEXT} are read", range.len()));
        }
        Value::Here(range) => Some(String::from_utf8_lossy(&bytes[range]).into_owned()),
        Value::InDictionary(place) => {
            known.get(place).ok_or("is damaged: a value is in no dictionary")?.clone()
        }
    })
}

/// The columns of a schema, whose tree is written down node by node (parquet.thrift, SchemaElement).
fn columns(nodes: &[Item]) -> Option<Vec<Column>> {
    let (root, nodes) = nodes.split_first()?;
    let (mut columns, mut rest) = (Vec::new(), nodes);
    for _ in 0..root.size(5).unwrap_or(0) {
        rest = node(rest, "", (0, false), 0, &mut columns)?;
    }
    rest.is_empty().then_some(columns)
}

fn node<'a>(
    nodes: &'a [Item],
    above: &str,
    (level, is_repeated): (u32, bool),
    depth: u32,
    columns: &mut Vec<Column>,
) -> Option<&'a [Item]> {
    let (first, mut rest) = nodes.split_first()?;
    let name = first.text(4)?;
    let name = if above.is_empty() { name } else { format!("{above}.{name}") };
    let kind = first.whole(3).unwrap_or(0);
    let (level, is_repeated) = (level + u32::from(kind != 0), is_repeated || kind == 2);
    match first.size(5) {
        Some(children) if children > 0 => {
            for _ in 0..children {
                rest =
                    (depth < 16).then(|| node(rest, &name, (level, is_repeated), depth + 1, columns))??;
            }
        }
        Some(_) | None => columns.push(Column { name, level, is_repeated }),
    }
    Some(rest)
}
