//! Parquet files of pictures and their classes, as Hugging Face's `datasets` writes them → samples: a picture is read out of its
//! page when it is asked for.
//!
//! An image is a structure of `bytes` and `path`; the names of classes stand in the file's description `huggingface`
//! (huggingface/datasets, features/image.py and features/features.py). The reader is dslc's own: it goes straight to the page of
//! one picture, and takes no memory on the word of a damaged file.

mod file;
mod pages;
mod thrift;

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Crc;
use serde_json::Value as Json;

use crate::data::parts::Dataset;
use crate::data::sample::{Form, Image};
use crate::data::samples::{Pictures, Samples};
use crate::data::sources::cells::{Cell, Columns, short};
use crate::data::sources::files;
use crate::data::sources::folder::part_called;
use crate::data::sources::idx::fault;
use crate::data::sources::learnt::{self, Found, Learnt, Said, Which};
use crate::data::sources::listed::Listed;
use crate::data::sources::parquet::file::Table;
use crate::data::sources::parquet::pages::{Chunk, Page, Value, pages, unpacked, values};
use crate::data::sources::table::inside;
use crate::data::sources::{Facts, Source, Wanted, shards, usual};
use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, joined, keyword, positional};

pub struct Parquet;

static SPEC: Spec = Spec {
    name: "parquet",
    summary: "Parquet files of pictures with their classes, in Hugging Face's layout",
    docs: "The path is a file, a folder of them, or a pattern such as `data/*.parquet`. `image` is a column of Hugging Face \
           images (`bytes` and `path`) or of the bytes of picture files. `label` is a column of strings or whole numbers. Hugging \
           Face's class names are used, in their order; other classes are sorted as for `folder`; if the labels are whole numbers \
           and `classes` is given, the classes are all numbers below it. A file whose name contains the word train, val or test \
           (in any spelling that `folder` accepts) belongs to that part, as in `test-00000-of-00001.parquet`, or `part` names a \
           column; otherwise `split` sets a part aside. Pages may be compressed with Snappy, Zstandard or gzip.\n\n\
           `labels`, `target`, `mask` and `output` name columns of other targets, as for `table`, `masks` and `pairs`: masks and \
           outputs are columns of images, as `image` is. A column may hold lists: `labels=tags` reads lists of texts or of whole \
           numbers, `target=corners` lists of numbers, of which every row has the same count (`classes=4` states it, to check the \
           file without its data).",
    params: &joined::<4, 12, 16>(
        [
            positional("path", Kind::Text, Preset::Required, "the files, relative to the experiment's file"),
            keyword("image", Kind::Name, Preset::Word("image"), "the column of the pictures"),
            keyword("label", Kind::Name, Preset::Word("label"), "the column of the classes"),
            keyword("part", Kind::Name, Preset::Absent, "the column of the parts"),
        ],
        learnt::PARAMS,
    ),
    example: "source parquet \"data/*.parquet\"",
    elsewhere: &["load_dataset", "huggingface", "datasets", "imagefolder_parquet"],
};

/// Unpacked pages that are kept, in bytes.
const KEPT: usize = 1 << 25;

/// The names of the columns of pictures and of classes in the first file of a path, as far as its description or the usual names
/// tell.
pub fn columns(path: &Path) -> Result<(Option<String>, Option<String>), Fault> {
    let files = shards::some_files(path, "parquet")?;
    let table = Table::open(&files[0])?;
    let image = table.names().iter().find_map(|name| name.strip_suffix(".bytes").map(str::to_owned));
    let about: Option<Json> =
        table.description("huggingface").and_then(|text| serde_json::from_str(text).ok());
    let features = about.as_ref().and_then(|about| about.pointer("/info/features")?.as_object());
    let is_class = |about: &Json| about.get("_type").and_then(Json::as_str) == Some("ClassLabel");
    let label =
        features.and_then(|all| all.iter().find(|(_, about)| is_class(about)).map(|(name, _)| name.clone()));
    let there =
        |usual: &[&str]| usual.iter().find(|name| table.find(name).is_some()).map(|name| (*name).to_owned());
    Ok((image.or_else(|| there(usual::IMAGE)), label.or_else(|| there(usual::LABEL))))
}

/// A picture's file and row.
type Place = (u32, u32);

impl Source for Parquet {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        Learnt::of(args)?.facts(args)
    }

    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        let path = base.join(args.word("path")?);
        if shards::files(&path, "parquet")?.is_empty() {
            return Ok(None);
        }
        let learnt = Learnt::of(args)?;
        learnt.look(&list(&path, args, &learnt)?.1, args).map(Some)
    }

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        let learnt = Learnt::of(args)?;
        let (files, listed) = list(&base.join(args.word("path")?), args, &learnt)?;
        let image = args.word("image")?;
        learnt.dataset(listed, args, wanted, |which, names, places, form| {
            let column = match which {
                Which::Input => ("image", image),
                Which::Target => (learnt.argument(), learnt.picture().unwrap_or(image)),
            };
            Ok(Arc::new(Rows::new(files.clone(), names, places, form, column)?))
        })
    }

    fn columns(&self, args: &Args, base: &Path) -> Vec<String> {
        let files = args.word("path").and_then(|path| shards::some_files(&base.join(path), "parquet"));
        let table = files.and_then(|files| Table::open(&files[0]));
        let names = table.map(|table| table.names().iter().map(|name| (*name).to_owned()).collect());
        let mut names: Vec<String> = names.unwrap_or_default();
        // An image is called by what its bytes and its path have in common.
        names.retain(|name| !name.ends_with(".path"));
        names.iter_mut().for_each(|name| {
            if let Some(image) = name.strip_suffix(".bytes") {
                *name = image.to_owned();
            }
        });
        names
    }

    fn groups(&self, args: &Args, base: &Path, by: &str, samples: &Samples) -> Result<Vec<String>, Fault> {
        let (path, args) = (base.join(args.word("path")?), learnt::by(args, by));
        list(&path, &args, &Learnt::of(&args)?)?.1.classes_of(samples)
    }
}

/// The rows of all files.
fn list(path: &Path, args: &Args, learnt: &Learnt) -> Result<(Vec<PathBuf>, Listed<Found<Place>>), Fault> {
    let files = shards::some_files(path, "parquet")?;
    let (mut listed, mut width): (Option<Listed<Found<Place>>>, _) = (None, None);
    for (number, file) in files.iter().enumerate() {
        let mut table = Table::open(file)?;
        let (_, paths) = image(&table, "image", args.word("image")?)?;
        if let Some(name) = learnt.picture() {
            image(&table, learnt.argument(), name)?;
        }
        let columns = match learnt {
            Learnt::Columns(columns) => Some(columns),
            Learnt::Mask(_) | Learnt::Output(_) => None,
        };
        let places = columns.map_or(&[][..], |columns| columns.names()).iter();
        let places =
            places.map(|name| column(&table, learnt.argument(), name)).collect::<Result<Vec<_>, _>>()?;
        let part = if args.has("part") { Some(column(&table, "part", args.word("part")?)?) } else { None };
        let names = match columns {
            Some(Columns::Class(own) | Columns::Tags(own, _)) => names(&table, own),
            Some(Columns::Flags(_) | Columns::Numbers(_)) | None => None,
        };
        let listed = listed.get_or_insert_with(|| match (columns, &names) {
            (Some(Columns::Class(_)), Some(names)) => Listed::of_classes(names.clone()),
            (_, names) => Listed::of_labels(names.clone()),
        });
        let own_part = shards::part(file);
        let mut row = 0u32;
        for group in 0..table.n_groups() {
            let cells =
                places.iter().map(|&column| table.texts(group, column)).collect::<Result<Vec<_>, _>>()?;
            let paths = paths.map(|column| table.texts(group, column)).transpose()?;
            let parts = part.map(|column| table.texts(group, column)).transpose()?;
            for at in 0..table.n_rows(group) {
                let wrong = |what: String| fault(file, &format!("{what} in row {row}"));
                let cell = |cells: &Option<Vec<Option<String>>>| cells.as_ref()?.get(at).cloned().flatten();
                let own = cell(&paths).filter(|path| !path.is_empty());
                let name = match own {
                    None => PathBuf::from(format!("{}-{row}", stem(file))).into_boxed_path(),
                    // A name, which nothing is read by.
                    Some(own) => inside(&own).unwrap_or_else(|| PathBuf::from(short(&own)).into_boxed_path()),
                };
                let part = match (part, cell(&parts)) {
                    (None, _) => own_part,
                    (Some(_), word) => word.as_deref().and_then(part_called).ok_or_else(|| {
                        let word = word.unwrap_or_default();
                        wrong(format!("has the part `{}`", short(&word))).advise("train, val or test")
                    })?,
                };
                let own: Vec<&str> = cells
                    .iter()
                    .map(|column| column.get(at).and_then(Option::as_deref).unwrap_or_default())
                    .collect();
                let at = (number as u32, row);
                let Some(columns) = columns else {
                    let said = Said::Picture(name.clone(), at);
                    let _ = listed.push(part, "", name, Found { at, said });
                    row += 1;
                    continue;
                };
                let said = columns.read(&own, &mut width).map_err(|[what, way]| wrong(what).advise(way))?;
                let said = called(said, names.as_deref()).map_err(|label| {
                    let n = names.as_ref().map_or(0, Vec::len);
                    wrong(format!("has the label `{}`", short(&label)))
                        .note(format!("the file names {n} classes, counted from 0"))
                        .advise("a class for every picture, or leave the row out")
                })?;
                // The classes are those that the first file names, or else those that come.
                let other = match said {
                    Cell::Class(class) => {
                        let found = Found { at, said: Said::Class };
                        (!listed.push(part, &class, name, found)).then_some(class)
                    }
                    said => {
                        let other = listed.other(&said);
                        let _ = listed.push(part, "", name, Found { at, said: Said::Cell(said) });
                        other
                    }
                };
                if let Some(other) = other {
                    return Err(wrong(format!("has the label `{}`", short(&other)))
                        .note(format!("{} does not name it", files[0].display()))
                        .advise("files that name the same classes"));
                }
                row += 1;
            }
        }
    }
    match listed.filter(|listed| !listed.is_empty()) {
        Some(listed) => Ok((files, listed)),
        None => Err(fault(path, "has no rows").advise("a row for each picture")),
    }
}

/// Classes and labels that are places among names, by their names; or the one that is none.
fn called(said: Cell, names: Option<&[String]>) -> Result<Cell, String> {
    let Some(names) = names else { return Ok(said) };
    let name = |label: String| match label.parse().ok().and_then(|at: usize| names.get(at)) {
        Some(name) => Ok(name.clone()),
        None => Err(label),
    };
    Ok(match said {
        Cell::Class(label) => Cell::Class(name(label)?),
        Cell::Tags(labels) => Cell::Tags(labels.into_iter().map(name).collect::<Result<_, _>>()?),
        Cell::Flags(_) | Cell::Numbers(_) => said,
    })
}

fn stem(file: &Path) -> String {
    file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

fn lacks(table: &Table, argument: &'static str, name: &str) -> Fault {
    fault(&table.path, &format!("has no column `{name}`"))
        .at(argument)
        .note(format!("its columns are: {}", table.names().join(", ")))
        .advise(format!("`{argument}=COLUMN` with one of them"))
}

fn column(table: &Table, argument: &'static str, name: &str) -> Result<usize, Fault> {
    table.find(name).ok_or_else(|| lacks(table, argument, name))
}

/// The columns of the pictures' bytes and of their names.
fn image(table: &Table, argument: &'static str, name: &str) -> Result<(usize, Option<usize>), Fault> {
    let bytes = table.find(&format!("{name}.bytes")).or_else(|| table.find(name));
    Ok((bytes.ok_or_else(|| lacks(table, argument, name))?, table.find(&format!("{name}.path"))))
}

/// The names of the classes of a column, or of lists of them, as Hugging Face's description has them.
fn names(table: &Table, label: &str) -> Option<Vec<String>> {
    let about: Json = serde_json::from_str(table.description("huggingface")?).ok()?;
    let about = about.pointer("/info/features")?.get(label)?;
    // `List(ClassLabel)`, `Sequence(ClassLabel)`, and the older `[ClassLabel]`.
    let about = about.get("feature").or_else(|| about.get(0)).unwrap_or(about);
    let names = about.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Pictures in pages of Parquet files.
struct Rows {
    files: Vec<PathBuf>,
    names: Vec<Box<Path>>,
    /// The page of each picture, and its place in it.
    places: Vec<(u32, u32)>,
    pages: Vec<At>,
    form: Form,
    /// Pages that were unpacked last, the newest last.
    kept: Mutex<VecDeque<(u32, Arc<Unpacked>)>>,
}

/// A page with what is needed to read it.
struct At {
    file: u32,
    chunk: Chunk,
    dictionary: Option<Page>,
    page: Page,
}

/// A page's bytes with its dictionary's behind them, and where its values lie.
struct Unpacked {
    bytes: Vec<u8>,
    values: Vec<Option<std::ops::Range<usize>>>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pictures of {:?}", self.names.len(), self.files)
    }
}

impl Rows {
    fn new(
        files: Vec<PathBuf>,
        names: Vec<Box<Path>>,
        rows: Vec<Place>,
        form: Form,
        (argument, image_name): (&'static str, &str),
    ) -> Result<Rows, Fault> {
        let mut all = Vec::new();
        // Of each file the first row of each of its pages, and the page.
        let mut firsts: Vec<Vec<(u32, u32)>> = Vec::new();
        for (number, path) in files.iter().enumerate() {
            let mut table = Table::open(path)?;
            let (column, _) = image(&table, argument, image_name)?;
            let (mut own, mut row) = (Vec::new(), 0u32);
            for group in 0..table.n_groups() {
                let chunk = table.chunk(group, column)?;
                if chunk.listed.is_some() {
                    return Err(table.told(format!("has lists in the column `{image_name}`")).at(argument));
                }
                let found = pages(&mut table.file, &chunk);
                let (dictionary, found) = found.map_err(|what| table.told(what))?;
                for page in found {
                    own.push((row, all.len() as u32));
                    row = row.saturating_add(page.n_values);
                    all.push(At { file: number as u32, chunk, dictionary, page });
                }
            }
            firsts.push(own);
        }
        let place = |(file, row): Place| {
            let own = &firsts[file as usize];
            let at = own.partition_point(|(first, _)| *first <= row).checked_sub(1)?;
            Some((own[at].1, row - own[at].0))
        };
        let places: Option<Vec<(u32, u32)>> = rows.into_iter().map(place).collect();
        let places = places.ok_or_else(|| Fault::internal("a row without a page"))?;
        Ok(Rows { files, names, places, pages: all, form, kept: Mutex::new(VecDeque::new()) })
    }

    /// Lets `read` have the bytes of a picture, and what it is called in messages.
    fn picture<R>(
        &self,
        index: usize,
        read: impl FnOnce(&[u8], &Path) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let (page, at) = self.places[index];
        let own = self.page(page)?;
        let path = self.path(index);
        match own.values.get(at as usize).cloned().flatten() {
            Some(range) => read(&own.bytes[range], &path),
            None => Err(fault(&path, "has no bytes: the row has no picture").advise("leave the row out")),
        }
    }

    /// A page, unpacked now or a short while ago.
    fn page(&self, number: u32) -> Result<Arc<Unpacked>, Fault> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = kept().iter().find(|(own, _)| *own == number) {
            return Ok(found.clone());
        }
        let at = &self.pages[number as usize];
        let path = &self.files[at.file as usize];
        let told = |what: String| fault(path, &what).advise("copy it again, or rewrite it");
        let mut file = File::open(path).map_err(|e| told(format!("cannot be read: {e}")))?;
        let read = Arc::new(at.read(&mut file).map_err(told)?);
        let mut kept = kept();
        kept.push_back((number, read.clone()));
        let mut total: usize = kept.iter().map(|(_, own)| own.bytes.len()).sum();
        while total > KEPT && kept.len() > 1 {
            total -= kept.pop_front().map_or(0, |(_, own)| own.bytes.len());
        }
        Ok(read)
    }
}

impl At {
    fn read(&self, file: &mut File) -> Result<Unpacked, String> {
        let mut bytes = unpacked(file, &self.chunk, &self.page)?;
        let found = values(&self.chunk, &self.page, &bytes)?;
        let mut known = Vec::new();
        if let Some(page) =
            self.dictionary.filter(|_| found.iter().any(|own| matches!(own, (_, Value::InDictionary(_)))))
        {
            let own = unpacked(file, &self.chunk, &page)?;
            known = values(&self.chunk.of_dictionary(), &page, &own)?;
            let behind = bytes.len();
            known.iter_mut().for_each(|(_, value)| {
                if let Value::Here(range) = value {
                    *range = range.start + behind..range.end + behind;
                }
            });
            bytes.extend(own);
        }
        let place = |(_, value): (_, Value)| match value {
            Value::Here(range) => Some(range),
            Value::InDictionary(at) => match known.get(at) {
                Some((_, Value::Here(range))) => Some(range.clone()),
                Some(_) | None => None,
            },
            Value::Missing | Value::Nothing | Value::Truth(_) | Value::Whole(_) | Value::Number(_) => None,
        };
        Ok(Unpacked { values: found.into_iter().map(place).collect(), bytes })
    }
}

impl Pictures for Rows {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn form(&self) -> Form {
        self.form
    }

    fn read(&self, index: usize) -> Result<Image, Fault> {
        self.picture(index, |bytes, path| files::image(bytes, path, self.form))
    }

    fn path(&self, index: usize) -> PathBuf {
        let page = self.places[index].0 as usize;
        self.files[self.pages[page].file as usize].join(&self.names[index])
    }

    fn bytes(&self, index: usize) -> Result<Option<Vec<u8>>, Fault> {
        self.picture(index, |bytes, _| Ok(Some(bytes.to_vec())))
    }

    fn n_bytes(&self) -> u64 {
        self.pages.iter().map(|at| at.page.unpacked).sum()
    }

    fn name(&self, index: usize) -> String {
        self.names[index].to_string_lossy().into_owned()
    }

    fn digest(&self, index: usize, sum: &mut Crc) {
        sum.update(self.name(index).as_bytes());
        let (page, at) = self.places[index];
        let at = [page, at, self.pages[page as usize].page.n_values];
        at.iter().for_each(|number| sum.update(&number.to_le_bytes()));
    }

    fn stamp(&self, index: usize) -> u64 {
        let (page, at) = self.places[index];
        let file = &self.files[self.pages[page as usize].file as usize];
        files::stamp(file, &(&self.names[index], page, at))
    }
}
