//! What PyTorch saved → tensors by name: zip archives (since 1.6) and the pickles in a row of before. Nothing of Python is run.
//!
//! Layout: torch/serialization.py. Of a zip, the folder's `data.pkl` describes the objects and `data/KEY` holds each
//! storage's bytes, stored, not compressed. Of a legacy file, five pickles (a magic number, a version, a description of the machine, the
//! objects, the storages' keys) are followed by each storage's count and bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File as Disk;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use crate::diag::Fault;
use crate::pickle::{self, Id, Node, Pickle};
use crate::weights::elements::{Element, Order};
use crate::weights::names::{self, WRAPPERS};
use crate::weights::storages::{MAX_AXES, View};
use crate::weights::tensors::{Branches, File, MAX_TENSORS, Numbers, Sequence, Tensor, fault};

/// Bytes of one pickle at most: that of a network of a thousand layers with its optimizer has less than one megabyte.
const MAX_PICKLE: u64 = 1 << 24;
/// Containers in containers at most.
const MAX_DEPTH: usize = 32;
/// Looks at a value while tensors are searched, at most; a file may lead in circles.
const MAX_LOOKS: usize = 1_000_000;
/// Bytes of a name at most; a file says one as often as it likes.
const MAX_NAME: usize = 1 << 12;
/// What a legacy file begins with: a pickle of this number.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

const STATE_DICT: &str = "in Python: `torch.save(model.state_dict(), \"weights.pth\")`";
const AGAIN: &str = "copy or download the file again";

/// Reads what a zip archive of PyTorch declares. `key` names the dictionary that is meant, where there are several.
pub fn zipped(path: &Path, disk: Disk, key: Option<&str>) -> Result<File, Fault> {
    let broken =
        |e: &dyn std::fmt::Display| fault(path, format!("is not a complete PyTorch file: {e}")).advise(AGAIN);
    let mut archive = ZipArchive::new(BufReader::new(disk)).map_err(|e| broken(&e))?;
    let names: Vec<String> = archive.file_names().filter_map(|name| name.ok().map(Cow::into_owned)).collect();
    let ends = |end: &str| {
        let is_it = |name: &&String| {
            name.strip_suffix(end).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
        };
        names.iter().filter(is_it).collect::<Vec<_>>()
    };
    if !ends("constants.pkl").is_empty() {
        let message = "is a TorchScript program, not a file of weights";
        return Err(fault(path, message).advise(format!("{STATE_DICT}, of `model = torch.jit.load(…)`")));
    }
    let folder = match ends("data.pkl").as_slice() {
        [one] => one.strip_suffix("data.pkl").unwrap_or_default().to_owned(),
        [] => return Err(fault(path, "is a zip archive without `data.pkl`").advise(STATE_DICT)),
        _ => return Err(fault(path, "has `data.pkl` more than once").advise(AGAIN)),
    };
    let order = match entry(&mut archive, &format!("{folder}byteorder"), 64) {
        Ok(bytes) if bytes == b"big" => Order::Big,
        Ok(_) | Err(_) => Order::Little,
    };
    let description = entry(&mut archive, &format!("{folder}data.pkl"), MAX_PICKLE)
        .map_err(|what| fault(path, format!("has a `data.pkl` that {what}")).advise(AGAIN))?;
    let pickle = pickle::read(&mut description.as_slice(), MAX_PICKLE)
        .map_err(|what| fault(path, format!("has a `data.pkl` that {what}")).advise(AGAIN))?;
    let found = found(path, &pickle, key)?;
    let source = Source::Zip { archive: Box::new(archive), folder };
    Ok(file(path, found, source, order))
}

/// Reads what a legacy file declares.
pub fn legacy(path: &Path, disk: Disk, key: Option<&str>) -> Result<File, Fault> {
    let unreadable = |e: std::io::Error| fault(path, format!("cannot be read: {e}"));
    let length = disk.metadata().map_err(unreadable)?.len();
    let mut reader = BufReader::new(disk);
    let next = |reader: &mut BufReader<Disk>| {
        pickle::read(reader, MAX_PICKLE).map_err(|what| fault(path, what).advise(STATE_DICT).advise(AGAIN))
    };
    let magic = next(&mut reader)?;
    if !matches!(magic.node(magic.root), Node::Long(bytes) if *bytes == MAGIC) {
        let message = "is a pickle, but not one that `torch.save` wrote";
        return Err(fault(path, message).advise(STATE_DICT));
    }
    next(&mut reader)?;
    next(&mut reader)?;
    let pickle = next(&mut reader)?;
    let keys = next(&mut reader)?;
    let found = found(path, &pickle, key)?;
    let cut = |key: &str| fault(path, format!("is cut short in its storage `{key}`")).advise(AGAIN);
    let sizes: HashMap<&str, u64> = found
        .tensors
        .iter()
        .filter_map(|(_, view)| view.as_ref().ok())
        .map(|v| (v.key.as_str(), v.bytes))
        .collect();
    // What is in the file beside the tensors that were found has sizes, too.
    let others = storages(&pickle);
    let mut places = HashMap::new();
    for &id in keys.members(keys.root).unwrap_or_default() {
        let key =
            keys.text(id).ok_or_else(|| fault(path, "calls a storage by what is no text").advise(AGAIN))?;
        let mut count = [0; 8];
        reader.read_exact(&mut count).map_err(|_| cut(key))?;
        let start = reader.stream_position().map_err(unreadable)?;
        let claimed = others.get(key).copied().or(sizes.get(key).map(|&bytes| (bytes, 1)));
        let Some((_, size)) = claimed else {
            return Err(fault(path, format!("has a storage `{key}` of no known kind")).advise(AGAIN));
        };
        let bytes = u64::from_le_bytes(count).checked_mul(size as u64);
        let end = bytes.and_then(|bytes| start.checked_add(bytes)).filter(|&end| end <= length);
        let Some(end) = end else { return Err(cut(key)) };
        places.insert(key.to_owned(), (start, end - start));
        reader.seek(SeekFrom::Start(end)).map_err(unreadable)?;
    }
    Ok(file(path, found, Source::Legacy { reader, places }, Order::Little))
}

/// Bytes and size of an element of every storage in a pickle, by its key.
fn storages(pickle: &Pickle) -> HashMap<&str, (u64, usize)> {
    let own = pickle.ids().filter_map(|id| {
        let Node::Persistent(name) = pickle.node(id) else { return None };
        let storage = Storage::of(pickle, *name).ok()?;
        Some((storage.key, (storage.bytes, storage.element.size())))
    });
    own.collect()
}

fn file(path: &Path, found: Found, source: Source, order: Order) -> File {
    let mut views = Vec::new();
    let tensors = found.tensors.into_iter().map(|(name, view)| {
        let (shape, element, trouble) = match &view {
            Ok(view) => (view.shape.clone(), view.element, view.check().err()),
            Err(trouble) => (Vec::new(), Element::F32, Some(trouble.clone())),
        };
        views.push(view.ok());
        Tensor { name, shape, element, trouble }
    });
    let tensors = tensors.collect();
    let numbers = Stored { path: path.to_owned(), views, source, order, last: None };
    File {
        path: path.to_owned(),
        kind: "PyTorch",
        tensors,
        sequence: Sequence::Kept,
        branches: Branches::Apart,
        card: None,
        within: found.within,
        numbers: Box::new(numbers),
    }
}

/// The bytes of a stored entry of at most `most` bytes.
fn entry(archive: &mut ZipArchive<BufReader<Disk>>, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let mut entry = archive.by_name(name).map_err(|e| format!("cannot be read: {e}"))?;
    if entry.compression() != CompressionMethod::Stored {
        return Err("is compressed, which PyTorch never does".to_owned());
    }
    if entry.size() > most {
        return Err(format!("claims {} bytes, which are too many", entry.size()));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|e| format!("is damaged: {e}"))?;
    Ok(bytes)
}

enum Source {
    Zip {
        archive: Box<ZipArchive<BufReader<Disk>>>,
        folder: String,
    },
    /// Where each storage begins, and how many bytes it has.
    Legacy {
        reader: BufReader<Disk>,
        places: HashMap<String, (u64, u64)>,
    },
}

/// Storages are read whole, one after another; the last one stays, since tensors that share one follow each other.
struct Stored {
    path: PathBuf,
    views: Vec<Option<View>>,
    source: Source,
    order: Order,
    last: Option<(String, Vec<u8>)>,
}

impl Numbers for Stored {
    fn read(&mut self, at: usize) -> Result<Vec<f32>, Fault> {
        let Some(Some(view)) = self.views.get(at) else {
            return Err(Fault::internal("a tensor without its storage is read"));
        };
        if self.last.as_ref().is_none_or(|(key, _)| *key != view.key) {
            let wrong = |what: String| {
                fault(&self.path, format!("has a storage `{}` that {what}", view.key)).advise(AGAIN)
            };
            let bytes = match &mut self.source {
                Source::Zip { archive, folder } => {
                    entry(archive, &format!("{folder}data/{}", view.key), view.bytes).map_err(wrong)?
                }
                Source::Legacy { reader, places } => {
                    let &(start, length) =
                        places.get(&view.key).ok_or_else(|| wrong("is not in it".to_owned()))?;
                    let mut bytes = Vec::new();
                    let read = reader.seek(SeekFrom::Start(start));
                    read.and_then(|_| reader.take(length).read_to_end(&mut bytes))
                        .map_err(|e| wrong(format!("cannot be read: {e}")))?;
                    bytes
                }
            };
            if (bytes.len() as u64) < view.bytes {
                return Err(wrong(format!("has {} bytes, not {}", bytes.len(), view.bytes)));
            }
            self.last = Some((view.key.clone(), bytes));
        }
        let bytes = self.last.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        Ok(view.numbers(bytes, self.order))
    }
}

/// Tensors of a pickle, in its order.
struct Found {
    /// Each with where its numbers lie, or why they cannot be read.
    tensors: Vec<(String, Result<View, String>)>,
    /// What was seen through.
    within: Option<String>,
}

/// The tensors of the object, or of the dictionary in it that holds the weights.
fn found(path: &Path, pickle: &Pickle, key: Option<&str>) -> Result<Found, Fault> {
    let mut look = Look { pickle, tensors: Vec::new(), looks: 0 };
    let mut root = pickle.root;
    let mut within = None;
    match key {
        Some(key) => {
            for part in key.split('.') {
                root = child(pickle, root, part).ok_or_else(|| {
                    fault(path, format!("has nothing called `{key}`")).note(format!(
                        "it has: {}",
                        names::listed(entries(pickle, pickle.root).iter().map(|(name, _)| name.as_ref()))
                    ))
                })?;
            }
            within = Some(key.to_owned());
        }
        // A checkpoint has its weights beside other things; in one of those may be another.
        None => {
            for _ in 0..3 {
                let Some((name, inner)) = wrapped(path, pickle, root)? else { break };
                within = Some(within.map_or(name.clone(), |outer| format!("{outer}.{name}")));
                root = inner;
            }
        }
    }
    look.at(root, String::new(), 0).map_err(|what| fault(path, what).advise(AGAIN))?;
    match look.tensors.is_empty() {
        false => Ok(Found { tensors: look.tensors, within }),
        true => Err(without_tensors(path, pickle, root)),
    }
}

fn without_tensors(path: &Path, pickle: &Pickle, root: Id) -> Fault {
    let whole = match pickle.node(root) {
        Node::Made { what, arguments, .. } => {
            // A call of a class by way of `copyreg._reconstructor` and the like names it first.
            let first = pickle.members(*arguments).and_then(|members| members.first());
            first.and_then(|&id| pickle.global(id)).or_else(|| pickle.global(*what))
        }
        _ => None,
    };
    match whole {
        Some(class) => {
            let message = format!("holds a Python object, `{class}`, which dslc does not run");
            fault(path, message).advise(STATE_DICT)
        }
        None => fault(path, "holds no tensors").advise(STATE_DICT),
    }
}

/// The dictionary inside a checkpoint that holds the weights; `None` where it is the object itself.
fn wrapped(path: &Path, pickle: &Pickle, root: Id) -> Result<Option<(String, Id)>, Fault> {
    let entries = entries(pickle, root);
    let holds = |id: Id| {
        let mut look = Look { pickle, tensors: Vec::new(), looks: 0 };
        look.at(id, String::new(), 0).is_ok() && !look.tensors.is_empty()
    };
    let is_tensor = |id: Id| matches!(pickle.node(id), Node::Made { .. }) && holds(id);
    if entries.iter().any(|(_, id)| is_tensor(*id)) {
        return Ok(None);
    }
    let wrappers: Vec<(&str, Id)> = WRAPPERS
        .into_iter()
        .filter_map(|name| Some((name, child(pickle, root, name)?)))
        .filter(|(_, id)| holds(*id))
        .collect();
    match wrappers.as_slice() {
        [] => Ok(None),
        &[(name, id)] => Ok(Some((name.to_owned(), id))),
        several => {
            let names = several.iter().map(|(name, _)| *name);
            let fault =
                fault(path, format!("holds weights more than once: {}", names::listed(names.clone())));
            Err(names.fold(fault, |fault, name| fault.advise(format!("`--key {name}`"))))
        }
    }
}

/// The entries of a dictionary whose keys are texts or numbers.
fn entries(pickle: &Pickle, id: Id) -> Vec<(Cow<'_, str>, Id)> {
    let Node::Dict(entries) = pickle.node(id) else { return Vec::new() };
    let name = |id: Id| match pickle.node(id) {
        Node::Text(text) => Some(Cow::Borrowed(text.as_str())),
        Node::Bytes(bytes) => Some(String::from_utf8_lossy(bytes)),
        Node::Int(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    };
    entries.iter().filter_map(|&(key, value)| Some((name(key)?, value))).collect()
}

fn child(pickle: &Pickle, id: Id, name: &str) -> Option<Id> {
    entries(pickle, id).into_iter().rev().find(|(own, _)| own == name).map(|(_, value)| value)
}

/// A search for tensors.
struct Look<'a> {
    pickle: &'a Pickle,
    tensors: Vec<(String, Result<View, String>)>,
    looks: usize,
}

impl Look<'_> {
    fn at(&mut self, id: Id, name: String, depth: usize) -> Result<(), String> {
        self.looks += 1;
        if self.looks > MAX_LOOKS || self.tensors.len() > MAX_TENSORS {
            return Err(format!("has more than {MAX_TENSORS} tensors, or contains itself"));
        }
        if depth > MAX_DEPTH {
            return Err(format!("has containers in containers, more than {MAX_DEPTH} deep"));
        }
        if name.len() > MAX_NAME {
            return Err(format!("calls something by more than {MAX_NAME} bytes"));
        }
        let inner = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
        match self.pickle.node(id) {
            Node::Dict(all) => {
                self.looks += all.len();
                for (part, value) in entries(self.pickle, id) {
                    if part.len() > MAX_NAME {
                        return Err(format!("calls something by more than {MAX_NAME} bytes"));
                    }
                    self.at(value, inner(&part), depth + 1)?;
                }
            }
            Node::List(members) | Node::Tuple(members) => {
                for (i, &member) in members.iter().enumerate() {
                    self.at(member, inner(&i.to_string()), depth + 1)?;
                }
            }
            Node::Made { .. } => {
                if let Some(view) = tensor(self.pickle, id, 0) {
                    self.tensors.push((name, view));
                }
            }
            Node::None
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Long(_)
            | Node::Float(_)
            | Node::Text(_)
            | Node::Bytes(_)
            | Node::Set
            | Node::Global(..)
            | Node::Persistent(_) => {}
        }
        Ok(())
    }
}

/// The view that a call would make in Python; `None` where it would make no tensor.
fn tensor(pickle: &Pickle, id: Id, depth: usize) -> Option<Result<View, String>> {
    let Node::Made { what, arguments, .. } = pickle.node(id) else { return None };
    let members = pickle.members(*arguments)?;
    let dtype = |at: usize| members.get(at).and_then(|&id| pickle.global(id));
    match pickle.global(*what)?.as_str() {
        "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => {
            Some(view(pickle, members, None))
        }
        "torch._utils._rebuild_tensor_v3" => Some(view(pickle, members, dtype(6))),
        "torch._utils._rebuild_parameter"
        | "torch._utils._rebuild_parameter_with_state"
        | "torch.nn.parameter.Parameter"
            if depth < MAX_DEPTH =>
        {
            tensor(pickle, *members.first()?, depth + 1)
        }
        "torch._tensor._rebuild_from_type_v2" if depth < MAX_DEPTH => {
            let own = pickle.members(*members.get(2)?)?;
            match pickle.global(*members.first()?)?.as_str() {
                "torch._utils._rebuild_tensor_v2" => Some(view(pickle, own, None)),
                "torch._utils._rebuild_parameter" => tensor(pickle, *own.first()?, depth + 1),
                other => Some(Err(format!("is made by `{other}`, which dslc does not know"))),
            }
        }
        other if other.starts_with("torch._utils._rebuild_") => {
            Some(Err(format!("is made by `{other}`, which is no plain tensor")))
        }
        _ => None,
    }
}

/// A storage as a pickle names it: `("storage", torch.FloatStorage, "0", "cpu", 9)`, in a legacy file with a view behind it.
struct Storage<'a> {
    key: &'a str,
    element: Element,
    /// Whether it is counted in bytes and holds whatever a tensor says.
    is_untyped: bool,
    bytes: u64,
    /// Where a view of another storage begins, in elements.
    offset: u64,
}

impl<'a> Storage<'a> {
    fn of(pickle: &'a Pickle, name: Id) -> Result<Storage<'a>, String> {
        let members = pickle.members(name).unwrap_or_default();
        let [_, kind, key, _, count, rest @ ..] = members else {
            return Err("has a storage that is not described as PyTorch does".to_owned());
        };
        let kind = pickle.global(*kind).unwrap_or_default();
        let (element, is_untyped) = match kind.as_str() {
            "torch.HalfStorage" => (Element::F16, false),
            "torch.BFloat16Storage" => (Element::Bf16, false),
            "torch.FloatStorage" => (Element::F32, false),
            "torch.DoubleStorage" => (Element::F64, false),
            "torch.CharStorage" => (Element::I8, false),
            "torch.ShortStorage" => (Element::I16, false),
            "torch.IntStorage" => (Element::I32, false),
            "torch.LongStorage" => (Element::I64, false),
            "torch.ByteStorage" => (Element::U8, false),
            "torch.BoolStorage" => (Element::Bool, false),
            "torch.storage.UntypedStorage" => (Element::U8, true),
            other => return Err(format!("has elements of the kind `{other}`, which dslc does not read")),
        };
        let count = pickle.int(*count).and_then(|count| u64::try_from(count).ok());
        let bytes = count.and_then(|count| count.checked_mul(element.size() as u64));
        let (Some(key), Some(bytes)) = (pickle.text(*key), bytes) else {
            return Err("has a storage that is not described as PyTorch does".to_owned());
        };
        // (the view's key, its offset, its count)
        let view = rest.first().and_then(|&id| pickle.members(id)).and_then(|view| view.get(1));
        let offset =
            view.and_then(|&id| pickle.int(id)).map_or(0, |offset| u64::try_from(offset).unwrap_or(u64::MAX));
        Ok(Storage { key, element, is_untyped, bytes, offset })
    }
}

/// Of the arguments: storage, offset, extents, strides.
fn view(pickle: &Pickle, members: &[Id], dtype: Option<String>) -> Result<View, String> {
    let strange = || "is not described as PyTorch does".to_owned();
    let [storage, offset, shape, strides, ..] = members else { return Err(strange()) };
    let Node::Persistent(name) = pickle.node(*storage) else { return Err(strange()) };
    let storage = Storage::of(pickle, *name)?;
    if storage.key.len() > MAX_NAME {
        return Err(strange());
    }
    let element = match (storage.is_untyped, dtype.as_deref()) {
        (false, None) => storage.element,
        (_, Some("torch.float16")) => Element::F16,
        (_, Some("torch.bfloat16")) => Element::Bf16,
        (_, Some("torch.float32")) => Element::F32,
        (_, Some("torch.float64")) => Element::F64,
        (_, Some("torch.int8")) => Element::I8,
        (_, Some("torch.int16")) => Element::I16,
        (_, Some("torch.int32")) => Element::I32,
        (_, Some("torch.int64")) => Element::I64,
        (_, Some("torch.uint8")) => Element::U8,
        (_, Some("torch.bool")) => Element::Bool,
        (_, Some(other)) => {
            return Err(format!("has elements of the kind `{other}`, which dslc does not read"));
        }
        (true, None) => return Err(strange()),
    };
    let whole = |id: &Id| pickle.int(*id).and_then(|number| u64::try_from(number).ok()).ok_or_else(strange);
    let list = |id: &Id| {
        let members = pickle.members(*id).filter(|members| members.len() <= MAX_AXES);
        members.ok_or_else(strange)?.iter().map(whole).collect::<Result<Vec<_>, _>>()
    };
    let offset = whole(offset)?.checked_add(storage.offset).ok_or_else(strange)?;
    let shape = list(shape)?
        .into_iter()
        .map(|n| usize::try_from(n).map_err(|_| strange()))
        .collect::<Result<_, _>>()?;
    let strides = list(strides)?;
    Ok(View { key: storage.key.to_owned(), element, bytes: storage.bytes, offset, shape, strides })
}
