//! A file of Keras → where the arrays of each layer lie. Since Keras 3 a layer's arrays are numbered, in a group that is called
//! after its class (`layers/conv2d_1/vars/0`); before, they have names, in a group that is called after the layer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File as Disk;
use std::io::{BufReader, Read, Seek};

use zip::{CompressionMethod, ZipArchive};

use crate::weights::hdf5::{Array, Content, Group, Hdf5, Object, SIGNATURE};
use crate::weights::keras::Source;
use crate::weights::keras::config::{MAX_DEPTH, MAX_LAYERS, Part, parse};
use crate::weights::tensors::{MAX_TENSORS, Sequence};

pub const AGAIN: &str = "save it again: `model.save(\"model.keras\")`";
/// The member of an archive that has the arrays, and the one that describes the network.
const WEIGHTS: &str = "model.weights.h5";
const CONFIG: &str = "config.json";
/// The most bytes of a description.
const MAX_CONFIG: u64 = 1 << 26;
/// How many times larger an archive's members may be than the archive.
const MAX_PACKED: u64 = 1040;

/// Where the arrays of a layer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of numbered arrays, the groups that they are in, without the first: `functional/layers/conv2d_1`.
    pub path: String,
    /// Of named arrays, the group: that of the outermost network that is a layer.
    pub top: String,
    /// What the layer is called.
    pub name: String,
}

/// A layer with its arrays.
#[derive(Debug)]
pub struct Stored {
    pub name: String,
    pub parts: Vec<(String, Source)>,
    /// Why they cannot be used, if they cannot.
    pub trouble: Option<String>,
}

/// A file that was opened.
#[derive(Debug)]
pub struct Store {
    /// The network's description, where the file has one.
    pub config: Option<String>,
    /// The version of Keras that wrote it, where it says so.
    pub version: Option<String>,
    form: Form,
    groups: RefCell<HashMap<String, Option<Group>>>,
}

#[derive(Debug)]
enum Form {
    /// Arrays with numbers, in the groups below this one.
    Numbered(Group),
    /// Arrays with names.
    Named(Group),
}

/// Whether a file begins as one of HDF5, or is an archive of Keras.
pub fn is_keras(disk: &mut Disk, begin: &[u8]) -> bool {
    if begin.starts_with(&SIGNATURE) {
        return true;
    }
    if !begin.starts_with(b"PK") {
        return false;
    }
    let has = ZipArchive::new(BufReader::new(&mut *disk))
        .is_ok_and(|archive| archive.index_for_name(CONFIG).is_some());
    disk.rewind().is_ok() && has
}

/// Opens a file of any of Keras' kinds.
///
/// # Errors
/// In words that go on after "the file".
pub fn open(mut disk: Disk) -> Result<Store, String> {
    let unreadable = |e: std::io::Error| format!("cannot be read: {e}");
    let length = disk.metadata().map_err(unreadable)?.len();
    let mut begin = Vec::new();
    (&mut disk).take(2).read_to_end(&mut begin).and_then(|_| disk.rewind()).map_err(unreadable)?;
    if begin == b"PK" {
        return zipped(disk, length);
    }
    plain(Content::file(disk, 0, length))
}

fn zipped(disk: Disk, length: u64) -> Result<Store, String> {
    let own = disk.try_clone().map_err(|e| format!("cannot be read: {e}"))?;
    let mut archive =
        ZipArchive::new(BufReader::new(disk)).map_err(|e| format!("is no whole zip archive: {e}"))?;
    let text =
        |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "describes its network in no text".to_owned());
    if archive.index_for_name(WEIGHTS).is_none() {
        return Err(format!("has no `{WEIGHTS}` in it: weights of other kinds are not read"));
    }
    let config = text(member(&mut archive, CONFIG, MAX_CONFIG)?)?;
    let version = match archive.index_for_name("metadata.json") {
        None => None,
        Some(_) => {
            let metadata = parse(&text(member(&mut archive, "metadata.json", MAX_CONFIG)?)?)?;
            metadata.get("keras_version").and_then(|version| version.as_str()).map(str::to_owned)
        }
    };
    let content = match open_within(&mut archive, length)? {
        // As Keras writes it: the arrays stay in the archive.
        Some((start, size)) => Content::file(own, start, size),
        None => Content::bytes(member(&mut archive, WEIGHTS, length.saturating_mul(MAX_PACKED))?),
    };
    let store = plain(content)?;
    Ok(Store { config: Some(config), version, ..store })
}

/// Where the weights lie in the archive, and how long they are, once their checksum was found right; `None` where they are packed.
fn open_within(archive: &mut ZipArchive<BufReader<Disk>>, length: u64) -> Result<Option<(u64, u64)>, String> {
    let mut entry =
        archive.by_name(WEIGHTS).map_err(|e| format!("has no `{WEIGHTS}` that can be read: {e}"))?;
    let size = entry.size();
    let lies_open = entry.compression() == CompressionMethod::Stored && entry.compressed_size() == size;
    let start = entry.data_start().filter(|start| start.checked_add(size).is_some_and(|end| end <= length));
    let Some(start) = start.filter(|_| lies_open) else { return Ok(None) };
    std::io::copy(&mut entry, &mut std::io::sink())
        .map_err(|e| format!("is damaged: `{WEIGHTS}` cannot be read ({e})"))?;
    Ok(Some((start, size)))
}

fn member(archive: &mut ZipArchive<BufReader<Disk>>, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let entry = archive.by_name(name).map_err(|e| format!("has no `{name}` that can be read: {e}"))?;
    let size = entry.size();
    if size > most {
        return Err(format!("claims {size} bytes for `{name}`, which are too many"));
    }
    let mut bytes = Vec::new();
    entry
        .take(size)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("is damaged: `{name}` cannot be read ({e})"))?;
    Ok(bytes)
}

fn plain(content: Content) -> Result<Store, String> {
    let root = Hdf5::open(content)?.root()?;
    let one = |group: &Group, name: &str| -> Result<Option<String>, String> {
        Ok(group.texts(name)?.and_then(|texts| texts.into_iter().next()))
    };
    let store = |form, config, version| Store { config, version, form, groups: RefCell::default() };
    if let Some(group) = root.group("model_weights")? {
        let version = match one(&root, "keras_version")? {
            None => one(&group, "keras_version")?,
            version => version,
        };
        return Ok(store(Form::Named(group), one(&root, "model_config")?, version));
    }
    if texts(&root, "layer_names")?.is_some() {
        let version = one(&root, "keras_version")?;
        return Ok(store(Form::Named(root), None, version));
    }
    for name in ["layers", "_layer_checkpoint_dependencies"] {
        if let Some(group) = root.group(name)? {
            return Ok(store(Form::Numbered(group), None, None));
        }
    }
    Err("is an HDF5 file, but not one of Keras: it has neither `layers` nor `layer_names`".to_owned())
}

/// An attribute that is a list of names, which Keras cuts in pieces where it is long.
fn texts(group: &Group, name: &str) -> Result<Option<Vec<String>>, String> {
    if let Some(texts) = group.texts(name)? {
        return Ok(Some(texts));
    }
    let mut all: Option<Vec<String>> = None;
    for piece in 0..MAX_LAYERS {
        match group.texts(&format!("{name}{piece}"))? {
            Some(texts) => all.get_or_insert_default().extend(texts),
            None => break,
        }
    }
    Ok(all)
}

impl Store {
    /// A group below the first by its path, looked for once.
    fn group(&self, base: &Group, path: &str) -> Result<Option<Group>, String> {
        if path.is_empty() {
            return Ok(Some(base.clone()));
        }
        if let Some(known) = self.groups.borrow().get(path) {
            return Ok(known.clone());
        }
        // From the longest beginning that is known; a path is as deep as networks may lie in each other.
        let mut at = base.clone();
        let mut walked = String::new();
        for name in path.split('/') {
            walked.push_str(if walked.is_empty() { "" } else { "/" });
            walked.push_str(name);
            let known = self.groups.borrow().get(&walked).cloned();
            let found = match known {
                Some(found) => found,
                None => {
                    let found = at.group(name)?;
                    self.groups.borrow_mut().insert(walked.clone(), found.clone());
                    found
                }
            };
            match found {
                Some(group) => at = group,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The arrays of a layer, as many as are named.
    pub fn arrays(&self, place: &Place, parts: &[Part]) -> Result<Vec<Array>, String> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let lost = |part: &Part| format!("has no `{}` of the layer `{}`", part.name(), place.name);
        match &self.form {
            Form::Numbered(base) => {
                let vars = self.group(base, &format!("{}/vars", place.path))?;
                let vars = vars.ok_or_else(|| format!("has no weights of the layer `{}`", place.name))?;
                let of = |(i, part): (usize, &Part)| vars.array(&i.to_string())?.ok_or_else(|| lost(part));
                parts.iter().enumerate().map(of).collect()
            }
            Form::Named(base) => {
                let group = self.group(base, &place.top)?;
                let group = group.ok_or_else(|| format!("has no weights of the layer `{}`", place.top))?;
                let names = texts(&group, "weight_names")?.unwrap_or_default();
                let is_nested = place.top != place.name;
                let of = |part: &Part| {
                    let fits = |name: &&String| {
                        let mut words = name.rsplit('/');
                        let own = words.next().unwrap_or_default();
                        let own = own.split(':').next().unwrap_or_default();
                        part.0.contains(&own) && (!is_nested || words.next() == Some(place.name.as_str()))
                    };
                    let name = names.iter().find(fits).ok_or_else(|| lost(part))?;
                    group.array(name)?.ok_or_else(|| lost(part))
                };
                parts.iter().map(of).collect()
            }
        }
    }

    /// Every layer that has arrays, where nothing describes the network.
    pub fn layers(&self) -> Result<(Vec<Stored>, Sequence), String> {
        let mut found = Vec::new();
        match &self.form {
            Form::Named(base) => {
                for layer in texts(base, "layer_names")?.unwrap_or_default() {
                    let Some(group) = base.group(&layer)? else { continue };
                    named(&group, &layer, &mut found)?;
                }
                Ok((found, Sequence::Kept))
            }
            Form::Numbered(base) => {
                numbered(base, "", 0, &mut found)?;
                Ok((found, Sequence::Lost))
            }
        }
    }
}

/// The layers whose arrays a group names, in the order in which it names them.
fn named(group: &Group, layer: &str, found: &mut Vec<Stored>) -> Result<(), String> {
    let begin = found.len();
    for weight in texts(group, "weight_names")?.unwrap_or_default() {
        let Some(array) = group.array(&weight)? else {
            return Err(format!("has no `{weight}` of the layer `{layer}`"));
        };
        let whole = weight.split(':').next().unwrap_or_default();
        let (name, part) = whole.rsplit_once('/').unwrap_or((layer, whole));
        let part = (part.to_owned(), Source::Array(array));
        match found[begin..].iter_mut().find(|own| own.name == name) {
            Some(own) => own.parts.push(part),
            None => found.push(Stored { name: name.to_owned(), parts: vec![part], trouble: None }),
        }
        if found.len() > MAX_TENSORS {
            return Err(format!("has more than {MAX_TENSORS} layers"));
        }
    }
    let own = found.split_off(begin);
    for mut stored in own {
        if stored.parts.iter().any(|(part, _)| part == "moving_mean") {
            super::completed(&mut stored.parts);
        }
        found.extend(parted(stored.name, stored.parts, stored.trouble));
    }
    Ok(())
}

/// The layers with numbered arrays below a group; what an array is, the layer's class and their number say.
fn numbered(group: &Group, path: &str, depth: usize, found: &mut Vec<Stored>) -> Result<(), String> {
    if depth > 2 * MAX_DEPTH {
        return Err("has groups of layers too deep in each other".to_owned());
    }
    for name in group.names() {
        let Some(Object::Group(inner)) = group.get(name)? else { continue };
        let own = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        if name != "vars" {
            numbered(&inner, &own, depth + 1, found)?;
            continue;
        }
        let mut arrays = Vec::new();
        while let Some(array) = inner.array(&arrays.len().to_string())? {
            arrays.push(array);
            if found.len() + arrays.len() > MAX_TENSORS {
                return Err(format!("has more than {MAX_TENSORS} arrays"));
            }
        }
        let layer = path.rsplit('/').next().unwrap_or_default();
        let counted = layer.rsplit_once('_').filter(|(_, n)| n.bytes().all(|byte| byte.is_ascii_digit()));
        let class = counted.map_or(layer, |(class, _)| class);
        let (names, trouble): (&[&str], Option<&str>) = match (class, arrays.len()) {
            (_, 0) => continue,
            ("batch_normalization", 4) => (&["gamma", "beta", "moving_mean", "moving_variance"], None),
            ("batch_normalization", 2) => (&["moving_mean", "moving_variance"], None),
            ("batch_normalization", _) => (
                &["gamma_or_beta", "moving_mean", "moving_variance"],
                Some("is the scale or the shift of a batch norm; only a `.keras` file says which"),
            ),
            ("depthwise_conv2d", _) => (&["depthwise_kernel", "bias"], None),
            ("separable_conv2d", _) => (&["depthwise_kernel", "pointwise_kernel", "bias"], None),
            ("layer_normalization" | "group_normalization", 2) => (&["gamma", "beta"], None),
            ("p_re_lu", _) => (&["weight"], None),
            ("normalization", _) => (&["mean", "variance", "count"], None),
            _ => (&["kernel", "bias"], None),
        };
        let part = |(i, array): (usize, Array)| {
            (names.get(i).map_or_else(|| i.to_string(), |name| (*name).to_owned()), Source::Array(array))
        };
        let mut parts: Vec<(String, Source)> = arrays.into_iter().enumerate().map(part).collect();
        if class == "batch_normalization" && trouble.is_none() {
            super::completed(&mut parts);
        }
        found.extend(parted(path.to_owned(), parts, trouble.map(str::to_owned)));
    }
    Ok(())
}

/// A separable convolution is two layers here.
pub(super) fn parted(name: String, parts: Vec<(String, Source)>, trouble: Option<String>) -> Vec<Stored> {
    if parts.iter().all(|(part, _)| part != "pointwise_kernel") {
        return vec![Stored { name, parts, trouble }];
    }
    let (first, second) =
        parts.into_iter().partition(|(part, _)| part == "depthwise_kernel" || part == "kernel");
    let of = |what: &str, parts| Stored { name: format!("{name}/{what}"), parts, trouble: trouble.clone() };
    vec![of("depthwise", first), of("pointwise", second)]
}
