//! A Parquet file's footer → its columns, row groups and descriptions, and a column's numbers or texts, whole.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::data::sources::idx::fault;
use crate::data::sources::parquet::pages::{self, Begins, Chunk, Codec, Physical, Value};
use crate::data::sources::parquet::thrift::{self, Item};
use crate::data::sources::records::LISTED;
use crate::diag::Fault;

/// The largest footer, in bytes.
const MAX_FOOTER: u64 = 1 << 25;
/// More rows than this in one file are not what anybody means.
const MAX_ROWS: u64 = 10_000_000;
/// The most values of a column in a row group, where it holds lists.
const MAX_VALUES: u64 = 10_000_000;
/// The most bytes of all labels and other texts of a file, unpacked: 1 GiB.
const MAX_TEXTS: usize = 1 << 30;
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
    /// Bytes of texts that may still be read.
    left: usize,
}

/// A column that holds values.
struct Column {
    /// The names on the way to it: `image.bytes`.
    name: String,
    /// The definition level of a value that is there.
    level: u32,
    /// The same of each value of a list, whether it is missing or not, for every list that it lies in.
    lists: Vec<u32>,
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
        let path = path.to_owned();
        Ok(Table { path, file, columns, groups, descriptions, length, left: MAX_TEXTS })
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
        let listed = match own.lists.as_slice() {
            [] => None,
            [one] => Some(*one),
            [..] => return Err(self.told(format!("has lists of lists in the column `{}`", own.name))),
        };
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
        let n_rows = self.groups[group].0;
        let n_values = about.size(5).filter(|n| *n == n_rows || listed.is_some()).ok_or_else(damaged)?;
        if n_values > MAX_VALUES {
            let what = format!("claims {n_values} values in `{}`; at most {MAX_VALUES} are read", own.name);
            return Err(self.told(what));
        }
        if start.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(self.told("is cut short, or claims columns that are not there".to_owned()));
        }
        let (level, is_optional) = (own.level, own.level > 0);
        let level_bits = u32::BITS - level.leading_zeros();
        Ok(Chunk { physical, codec, is_optional, level_bits, level, listed, start, length, n_values })
    }

    /// The values of a column in a row group, each as a text; `None` where one is missing. Of a list, each value stands behind
    /// [`LISTED`].
    pub fn texts(&mut self, group: usize, column: usize) -> Result<Vec<Option<String>>, Fault> {
        let chunk = self.chunk(group, column)?;
        let n_rows = self.n_rows(group);
        let mut left = self.left;
        let mut read = || {
            let (dictionary, pages) = pages::pages(&mut self.file, &chunk)?;
            let known: Vec<Option<String>> = match dictionary {
                None => Vec::new(),
                Some(page) => {
                    let bytes = pages::unpacked(&mut self.file, &chunk, &page)?;
                    let values = pages::values(&chunk.of_dictionary(), &page, &bytes)?;
                    let texts = values.into_iter().map(|(_, value)| text(value, &bytes, &[]));
                    texts.collect::<Result<_, String>>()?
                }
            };
            let mut texts: Vec<Option<String>> = Vec::new();
            for page in pages {
                let bytes = pages::unpacked(&mut self.file, &chunk, &page)?;
                for (begins, value) in pages::values(&chunk, &page, &bytes)? {
                    let is_none = value == Value::Nothing;
                    let own = text(value, &bytes, &known)?;
                    left = left
                        .checked_sub(own.as_ref().map_or(0, String::len) + 1)
                        .ok_or_else(|| format!("has more than {MAX_TEXTS} bytes of labels and names"))?;
                    match (begins, texts.last_mut()) {
                        _ if chunk.listed.is_none() => texts.push(own),
                        (Begins::Row, _) if is_none => texts.push(None),
                        (Begins::Row, _) => texts.push(Some(listed(own))),
                        (Begins::Nothing, Some(Some(row))) if !is_none => row.push_str(&listed(own)),
                        (Begins::Nothing, _) => return Err(pages::damaged()),
                    }
                }
            }
            if texts.len() == n_rows { Ok((texts, left)) } else { Err(pages::damaged()) }
        };
        let (texts, left) = read().map_err(|what| self.told(what))?;
        self.left = left;
        Ok(texts)
    }
}

/// A value of a list as it stands in the text of its row.
fn listed(own: Option<String>) -> String {
    format!("{LISTED}{}", own.unwrap_or_default().replace(LISTED, " "))
}

/// The longest text, in bytes.
const MAX_TEXT: usize = 1 << 12;

fn text(value: Value, bytes: &[u8], known: &[Option<String>]) -> Result<Option<String>, String> {
    Ok(match value {
        Value::Missing | Value::Nothing => None,
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
        rest = node(rest, &Above::default(), &mut columns)?;
    }
    rest.is_empty().then_some(columns)
}

/// What stands above a node.
#[derive(Clone, Default)]
struct Above {
    name: String,
    level: u32,
    lists: Vec<u32>,
    depth: u32,
    /// Whether the node is the only one in what is repeated: a list's element, which has no name of its own.
    is_element: bool,
}

fn node<'a>(nodes: &'a [Item], above: &Above, columns: &mut Vec<Column>) -> Option<&'a [Item]> {
    let (first, mut rest) = nodes.split_first()?;
    let name = first.text(4)?;
    let kind = first.whole(3).unwrap_or(0);
    let n_below = first.size(5).unwrap_or(0);
    // `tags.list.element` is called `tags` (LogicalTypes.md, "Lists").
    let is_list = kind == REPEATED && n_below > 0;
    let name = match above.name.as_str() {
        "" => name,
        own if is_list || above.is_element => own.to_owned(),
        own => format!("{own}.{name}"),
    };
    let mut own = above.clone();
    own.level += u32::from(kind != 0);
    if kind == REPEATED {
        own.lists.push(own.level);
    }
    if n_below == 0 {
        columns.push(Column { name, level: own.level, lists: own.lists });
        return Some(rest);
    }
    own = Above { name, depth: above.depth + 1, is_element: is_list && n_below == 1, ..own };
    for _ in 0..n_below {
        rest = (own.depth <= 16).then(|| node(rest, &own, columns))??;
    }
    Some(rest)
}

/// Of a node: it comes any number of times.
const REPEATED: i64 = 2;
