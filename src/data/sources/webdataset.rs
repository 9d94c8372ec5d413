//! Tar files of pictures and their classes, as WebDataset has them → samples: each picture is read at its offset, nothing is
//! unpacked.
//!
//! A sample is what lies side by side under one key, the path up to the first dot of its last name; what follows the dot is a
//! field: `brick/7.jpg`, `brick/7.cls` (webdataset/webdataset, tariterators.py).

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tar::EntryType;

use crate::data::decode::MAX_FILE;
use crate::data::parts::Dataset;
use crate::data::sample::Task;
use crate::data::samples::Samples;
use crate::data::sources::cells::{Cell, short};
use crate::data::sources::files::is_picture;
use crate::data::sources::idx::fault;
use crate::data::sources::learnt::{self, Found, Learnt, Said};
use crate::data::sources::listed::Listed;
use crate::data::sources::records::cell;
use crate::data::sources::shards::{self, Pieces, Place};
use crate::data::sources::table::inside;
use crate::data::sources::{Facts, Source, Wanted};
use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, joined, keyword, positional};

pub struct WebDataset;

static SPEC: Spec = Spec {
    name: "webdataset",
    summary: "Tar files of pictures with their classes, in WebDataset's layout",
    docs: "The path is a tar file, a folder of them, or a pattern such as `shards/*.tar` or `shards/{000..012}.tar`. Adjacent \
           members whose names agree up to the first dot form a sample: `a/7.jpg` and `a/7.cls`. The class is the text of the \
           member with the extension `label`, or the value of that key in the sample's `.json`. The picture is the member with \
           the extension `image`, by default the first picture. A tar file whose name contains the word train, val or test (in \
           any spelling that `folder` accepts) belongs to that part; otherwise `split` sets a part aside. Classes are sorted as \
           for `folder`; if `.cls` holds numbers and `classes` is given, the classes are all numbers below it. Pictures are read \
           in place from the tar files, which must not be compressed (.tar.gz).\n\n\
           `labels`, `target`, `mask` and `output` are for other targets, as for `table`, `masks` and `pairs`: extensions of \
           members (`mask=\"seg.png\"` for `a/7.seg.png`), and for labels and numbers also keys of the `.json`. A list in the \
           `.json` is several labels, or with `target` several numbers.",
    params: &joined::<3, 12, 15>(
        [
            positional(
                "path",
                Kind::Text,
                Preset::Required,
                "the tar files, relative to the experiment's file",
            ),
            keyword("image", Kind::Name, Preset::Absent, "the extension of the pictures, such as jpg"),
            keyword(
                "label",
                Kind::Name,
                Preset::Word("cls"),
                "the extension of the classes, or their key in the .json",
            ),
        ],
        learnt::PARAMS,
    ),
    example: "source webdataset \"shards/*.tar\"",
    elsewhere: &["WebDataset", "wds", "tar", "tfds_webdataset"],
};

/// The longest class, and description of a sample, in bytes.
const MAX_CLASS: u64 = 1 << 12;
const MAX_JSON: u64 = 1 << 20;
/// More fields than this are not offered.
const MOST_FIELDS: usize = 1 << 10;
/// The longest name of a member that a member in front of it may give.
const MAX_NAME: u64 = 1 << 16;

impl Source for WebDataset {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        Learnt::of(args)?.facts(args)
    }

    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        let path = base.join(args.word("path")?);
        if shards::files(&path, "tar")?.is_empty() {
            return Ok(None);
        }
        let learnt = Learnt::of(args)?;
        learnt.look(&list(&path, args, &learnt)?.1, args).map(Some)
    }

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        let learnt = Learnt::of(args)?;
        let (files, listed) = list(&base.join(args.word("path")?), args, &learnt)?;
        learnt.dataset(listed, args, wanted, |_, names, places, form| {
            Ok(Arc::new(Pieces { files: files.clone(), names, places, form }))
        })
    }

    /// The extensions of the first sample's members, and the keys of its description.
    fn columns(&self, args: &Args, base: &Path) -> Vec<String> {
        let files = args.word("path").and_then(|path| shards::some_files(&base.join(path), "tar"));
        files.ok().and_then(|files| first_fields(&files[0])).unwrap_or_default()
    }

    fn groups(&self, args: &Args, base: &Path, by: &str, samples: &Samples) -> Result<Vec<String>, Fault> {
        let (path, args) = (base.join(args.word("path")?), learnt::by(args, by));
        list(&path, &args, &Learnt::of(&args)?)?.1.classes_of(samples)
    }
}

/// The fields of the first sample of a file, as far as it can be read.
fn first_fields(path: &Path) -> Option<Vec<String>> {
    let mut archive = tar::Archive::new(File::open(path).ok()?);
    let (mut first, mut fields) = (None, Vec::new());
    for entry in archive.entries_with_seek().ok()? {
        let mut entry = entry.ok()?;
        let path = entry.path().ok()?.into_owned();
        let name = path.file_name()?.to_string_lossy().into_owned();
        let Some((stem, field)) = name.split_once('.').filter(|(stem, _)| !stem.is_empty()) else { continue };
        let key = path.with_file_name(stem);
        if *first.get_or_insert_with(|| key.clone()) != key || fields.len() > MOST_FIELDS {
            break;
        }
        let size = entry.size();
        if let Ok(Value::Object(about)) = match field {
            "json" => serde_json::from_str(&text(&mut entry, size, MAX_JSON).ok()?),
            _ => Ok(Value::Null),
        } {
            fields.extend(about.into_iter().map(|(key, _)| key));
        }
        fields.push(field.to_lowercase());
    }
    Some(fields)
}

/// The samples of all files.
fn list(path: &Path, args: &Args, learnt: &Learnt) -> Result<(Vec<PathBuf>, Listed<Found<Place>>), Fault> {
    let files = shards::some_files(path, "tar")?;
    let mut listed = Listed::default();
    let image = args.get("image").map(|_| args.word("image")).transpose()?;
    let fields = Fields { image, learnt };
    let mut width = None;
    for (number, file) in files.iter().enumerate() {
        read(file, number as u32, &fields, &mut listed, &mut width)?;
    }
    if listed.is_empty() {
        return Err(
            fault(path, "has no pictures").advise("members such as a/7.jpg and a/7.cls, side by side")
        );
    }
    if let Some((name, first, second)) = listed.twice() {
        let [first, second] =
            [first, second].map(|found| files[found.at.file as usize].display().to_string());
        return Err(fault(path, &format!("has `{}` twice: in {first} and in {second}", name.display()))
            .advise("one name for each sample"));
    }
    Ok((files, listed))
}

/// Which fields of a sample are the picture and what is to be learnt of it.
struct Fields<'a> {
    image: Option<&'a str>,
    learnt: &'a Learnt,
}

impl Fields<'_> {
    /// The names of texts and numbers.
    fn columns(&self) -> &[String] {
        match self.learnt {
            Learnt::Columns(columns) => columns.names(),
            Learnt::Mask(_) | Learnt::Output(_) => &[],
        }
    }
}

/// A sample of which not all members came yet.
#[derive(Default)]
struct Open {
    key: String,
    fields: Vec<String>,
    picture: Option<(Box<Path>, Place)>,
    /// A mask or another picture to learn.
    target: Option<(Box<Path>, Place)>,
    /// For each column its text, and that of the same name in the description.
    cells: HashMap<String, String>,
    described: HashMap<String, String>,
}

/// Adds the samples of one file.
fn read(
    path: &Path,
    number: u32,
    fields: &Fields<'_>,
    listed: &mut Listed<Found<Place>>,
    width: &mut Option<usize>,
) -> Result<(), Fault> {
    let broken = |e: std::io::Error| {
        fault(path, &format!("is not a whole tar file: {e}")).advise("copy or pack it again, without gzip")
    };
    let mut file = File::open(path).map_err(broken)?;
    let length = file.metadata().map_err(broken)?.len();
    let mut magic = [0; 2];
    if file.read(&mut magic).map_err(broken)? == 2 && magic == [0x1f, 0x8b] {
        return Err(
            fault(path, "is compressed, so its pictures cannot be read in place").advise("`gunzip` it")
        );
    }
    std::io::Seek::rewind(&mut file).map_err(broken)?;
    let part = shards::part(path);
    let mut archive = tar::Archive::new(file);
    let mut open = Open::default();
    // A member in front of another one may give it its name.
    let mut given: Option<String> = None;
    for entry in archive.entries_with_seek().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let (size, offset) = (entry.size(), entry.raw_file_position());
        if offset.checked_add(size).is_none_or(|end| end > length) {
            return Err(fault(path, "is cut short inside a member").advise("copy it again"));
        }
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::GNULongName | EntryType::XHeader) {
            let text = text(&mut entry, size, MAX_NAME).map_err(|what| named(path, "a name", what))?;
            given = if kind == EntryType::GNULongName {
                Some(text.trim_end_matches('\0').to_owned())
            } else {
                extended(path, &text)?.or(given)
            };
            continue;
        }
        let name = given.take().unwrap_or_else(|| String::from_utf8_lossy(&entry.path_bytes()).into_owned());
        if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
            continue;
        }
        let Some(inner) = inside(&name) else {
            return Err(fault(path, &format!("has a member with the path `{}`", short(&name)))
                .note("the paths of members stay below their folder")
                .advise("pack it again from inside its folder"));
        };
        let last = inner.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if last.starts_with('.') || (last.starts_with("__") && last.ends_with("__")) {
            continue;
        }
        let Some((stem, field)) = last.split_once('.') else { continue };
        let (key, field) = (inner.with_file_name(stem).to_string_lossy().into_owned(), field.to_lowercase());
        if key != open.key {
            finish(path, part, std::mem::take(&mut open), fields, listed, width)?;
            open.key = key;
        }
        if open.fields.contains(&field) {
            return Err(fault(path, &format!("has two members `{}`", short(&name)))
                .advise("one member of each ending for a sample"));
        }
        let is_target = fields.learnt.picture().is_some_and(|wanted| field == wanted.to_lowercase());
        let is_wanted = match fields.image {
            _ if is_target => false,
            Some(wanted) => field == wanted.to_lowercase(),
            None => !field.contains('.') && is_picture(&inner) && open.picture.is_none(),
        };
        if is_wanted || is_target {
            if size > MAX_FILE {
                return Err(fault(path, &format!("has a picture `{}` of {size} bytes", short(&name)))
                    .advise("a smaller picture"));
            }
            let place = Some((inner, Place { file: number, length: size as u32, offset }));
            if is_target { open.target = place } else { open.picture = place }
        } else if let Some(column) = fields.columns().iter().find(|column| field == **column) {
            let text = text(&mut entry, size, MAX_CLASS).map_err(|what| named(path, &name, what))?;
            open.cells.insert(column.clone(), text.trim().to_owned());
        } else if field == "json" {
            let text = text(&mut entry, size, MAX_JSON).map_err(|what| named(path, &name, what))?;
            let value: Value =
                serde_json::from_str(&text).map_err(|e| named(path, &name, format!("is not JSON: {e}")))?;
            for column in fields.columns() {
                if let Some(own) = value.get(column) {
                    open.described.insert(column.clone(), cell(own));
                }
            }
        }
        open.fields.push(field);
    }
    finish(path, part, open, fields, listed, width)
}

fn named(path: &Path, name: &str, what: String) -> Fault {
    fault(path, &format!("has the member `{}`, which {what}", short(name))).advise("pack it again")
}

/// Adds a sample all of whose members came; what has neither a picture nor anything to learn is none.
fn finish(
    path: &Path,
    part: usize,
    mut open: Open,
    fields: &Fields<'_>,
    listed: &mut Listed<Found<Place>>,
    width: &mut Option<usize>,
) -> Result<(), Fault> {
    for (name, text) in std::mem::take(&mut open.described) {
        open.cells.entry(name).or_insert(text);
    }
    let lacks = |what: &str| {
        fault(path, &format!("has the sample `{}` without {what}", short(&open.key)))
            .note(format!("its members end in {}", open.fields.join(", ")))
    };
    let Some((name, at)) = open.picture else {
        return match open.cells.is_empty() && open.target.is_none() {
            true => Ok(()),
            false => {
                Err(lacks("a picture").advise("`image=NAME` with the extension of the pictures, such as jpg"))
            }
        };
    };
    let columns = match (fields.learnt, open.target) {
        (Learnt::Columns(columns), _) => columns,
        (Learnt::Mask(_) | Learnt::Output(_), Some((own, place))) => {
            let _ = listed.push(part, "", name, Found { at, said: Said::Picture(own, place) });
            return Ok(());
        }
        (Learnt::Mask(field), None) => {
            return Err(lacks(&format!("a mask: it needs a member `.{field}`"))
                .advise("`mask=\"NAME\"` with the extension of the masks, such as \"seg.png\""));
        }
        (Learnt::Output(field), None) => {
            return Err(lacks(&format!("the picture to learn: it needs a member `.{field}`"))
                .advise("`output=\"NAME\"` with the extension of those pictures"));
        }
    };
    let mut cells = Vec::new();
    for field in columns.names() {
        let is_class = columns.task() == Task::Classes;
        match open.cells.get(field).filter(|cell| !is_class || !cell.is_empty()) {
            Some(cell) => cells.push(cell.as_str()),
            None if is_class => {
                return Err(lacks(&format!("a class: it needs a member `.{field}`"))
                    .advise("`label=NAME` with the extension of the classes, or their key in the .json"));
            }
            None => {
                return Err(lacks(&format!(
                    "`{field}`: it needs a member `.{field}`, or the key in its .json"
                ))
                .advise(format!(
                    "`{}=NAME` with the extension, or the key in the .json",
                    columns.argument()
                )));
            }
        }
    }
    let said = columns.read(&cells, width).map_err(|[what, way]| {
        fault(path, &format!("{what} of the sample `{}`", short(&open.key))).advise(way)
    })?;
    // The classes are those that come.
    let _ = match said {
        Cell::Class(class) => listed.push(part, &class, name, Found { at, said: Said::Class }),
        cell => listed.push(part, "", name, Found { at, said: Said::Cell(cell) }),
    };
    Ok(())
}

/// A short text, which must be whole.
fn text(reader: &mut impl Read, size: u64, most: u64) -> Result<String, String> {
    if size > most {
        return Err(format!("has {size} bytes; at most {most} are read"));
    }
    let mut bytes = Vec::new();
    reader.take(size).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

/// The path in an extended header (POSIX.1-2001, pax): records `LENGTH KEY=VALUE` and a line's end.
fn extended(path: &Path, text: &str) -> Result<Option<String>, Fault> {
    let mut found = None;
    let mut rest = text;
    while let Some((length, _)) = rest.split_once(' ') {
        let record = length.parse().ok().and_then(|length: usize| rest.split_at_checked(length));
        let Some((record, behind)) = record.filter(|(record, _)| record.len() > length.len()) else {
            return Err(fault(path, "has a damaged extended header").advise("pack it again"));
        };
        match record[length.len() + 1..].trim_end_matches('\n').split_once('=') {
            Some(("path", value)) => found = Some(value.to_owned()),
            Some(("size", _)) => {
                return Err(fault(path, "has a member of more than 8 GiB").advise("smaller members"));
            }
            Some(_) | None => {}
        }
        rest = behind;
    }
    Ok(found)
}
