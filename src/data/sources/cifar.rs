//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009), binary or for Python, unpacked or in their archive: labels and 3,072 bytes an image
//! → samples.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::data::parts::Dataset;
use crate::data::sample::{Form, Task};
use crate::data::samples::Samples;
use crate::data::sources::idx::fault;
use crate::data::sources::pickle::Batch;
use crate::data::sources::{Facts, Source, Wanted};
use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};
use crate::tensor::host;

pub struct Cifar10;
pub struct Cifar100;

const PATH: &str = "the folder of the files, or the archive, relative to the experiment's file";

static TEN: Spec = Spec {
    name: "cifar10",
    summary: "CIFAR-10: photographs of ten kinds of things",
    docs: "Gives 3x32x32. The path is an archive, cifar-10-binary.tar.gz or cifar-10-python.tar.gz, the folder that contains it, \
           or the folder of its files: data_batch_1.bin to data_batch_5.bin (as many of them as there are) and test_batch.bin, or \
           the same without `.bin`, as in the Python version. batches.meta.txt or batches.meta gives the class names; without it \
           dslc uses the standard ones.",
    params: &[positional("path", Kind::Text, Preset::Required, PATH)],
    example: "source cifar10 \"data/cifar10\"",
    elsewhere: &["CIFAR10", "keras.datasets.cifar10"],
};

static HUNDRED: Spec = Spec {
    name: "cifar100",
    summary: "CIFAR-100: photographs of a hundred kinds of things, in twenty groups",
    docs: "Gives 3x32x32. The path is an archive, cifar-100-binary.tar.gz or cifar-100-python.tar.gz, the folder that contains \
           it, or the folder of its files: train.bin and test.bin, with the classes' names in fine_label_names.txt and \
           coarse_label_names.txt, or train, test and meta, as in the Python version.",
    params: &[
        positional("path", Kind::Text, Preset::Required, PATH),
        keyword(
            "labels",
            Kind::Choice(&["fine", "coarse"]),
            Preset::Word("fine"),
            "100 classes, or their 20 groups",
        ),
    ],
    example: "source cifar100 \"data/cifar100\"",
    elsewhere: &["CIFAR100", "keras.datasets.cifar100"],
};

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;
/// The most bytes that one file may hold: 2 GiB.
const MAX_BYTES: u64 = 1 << 31;

/// More bytes than these are not unpacked from an archive.
const MAX_UNPACKED: u64 = 1 << 32;

/// How files are read.
struct Layout {
    /// The folders that the archives make, binary and for Python, after which they are called.
    folders: [&'static str; 2],
    archives: [&'static str; 2],
    /// Without `.bin`.
    train: &'static [&'static str],
    test: &'static str,
    /// Labels in front of the pixels, and the one that counts; and what that is called for Python.
    n_labels: usize,
    label: usize,
    key: &'static str,
    names_file: &'static str,
    names_pickle: &'static str,
    names_key: &'static str,
    n_classes: usize,
    names: &'static [&'static str],
}

const TEN_LAYOUT: Layout = Layout {
    folders: ["cifar-10-batches-bin", "cifar-10-batches-py"],
    archives: ["cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"],
    train: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
    test: "test_batch",
    n_labels: 1,
    label: 0,
    key: "labels",
    names_file: "batches.meta.txt",
    names_pickle: "batches.meta",
    names_key: "label_names",
    n_classes: 10,
    names: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
};

const FINE: Layout = Layout {
    folders: ["cifar-100-binary", "cifar-100-python"],
    archives: ["cifar-100-binary.tar.gz", "cifar-100-python.tar.gz"],
    train: &["train"],
    test: "test",
    n_labels: 2,
    label: 1,
    key: "fine_labels",
    names_file: "fine_label_names.txt",
    names_pickle: "meta",
    names_key: "fine_label_names",
    n_classes: 100,
    names: &[],
};

const COARSE: Layout = Layout {
    label: 0,
    key: "coarse_labels",
    names_file: "coarse_label_names.txt",
    names_key: "coarse_label_names",
    n_classes: 20,
    ..FINE
};

fn facts(layout: &Layout) -> Facts {
    Facts {
        form: Form::of(SHAPE),
        task: Task::Classes,
        classes: Some(layout.n_classes),
        parts: None,
        watched: Some(false),
    }
}

impl Source for Cifar10 {
    fn spec(&self) -> &'static Spec {
        &TEN
    }

    fn facts(&self, _args: &Args) -> Result<Facts, Fault> {
        Ok(facts(&TEN_LAYOUT))
    }

    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        Ok(base.join(args.word("path")?).exists().then(|| facts(&TEN_LAYOUT)))
    }

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        load(&TEN_LAYOUT, &base.join(args.word("path")?), wanted)
    }
}

impl Source for Cifar100 {
    fn spec(&self) -> &'static Spec {
        &HUNDRED
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        Ok(facts(&layout(args)?))
    }

    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        let facts = facts(&layout(args)?);
        Ok(base.join(args.word("path")?).exists().then_some(facts))
    }

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        load(&layout(args)?, &base.join(args.word("path")?), wanted)
    }
}

fn layout(args: &Args) -> Result<Layout, Fault> {
    Ok(if args.word("labels")? == "coarse" { COARSE } else { FINE })
}

/// The files of a data set, in a folder or unpacked into memory.
enum Store {
    Folder(PathBuf),
    Archive(PathBuf, BTreeMap<String, Vec<u8>>),
}

impl Store {
    fn open(layout: &Layout, path: &Path) -> Result<Store, Fault> {
        if path.is_file() {
            return Store::unpack(layout, path);
        }
        let inner = layout.folders.iter().map(|inner| path.join(inner)).find(|inner| inner.is_dir());
        let folder = inner.unwrap_or_else(|| path.to_owned());
        if !folder.is_dir() {
            let what = if folder.exists() { "is not a folder or file" } else { "does not exist" };
            return Err(fault(&folder, what)
                .note("the path is relative to the experiment's file")
                .advise(format!("put {} there", layout.archives[0])));
        }
        let is_unpacked = [layout.test.to_owned(), format!("{}.bin", layout.test)];
        let archive = layout.archives.iter().map(|archive| folder.join(archive)).find(|path| path.is_file());
        match archive.filter(|_| !is_unpacked.iter().any(|name| folder.join(name).is_file())) {
            Some(archive) => Store::unpack(layout, &archive),
            None => Ok(Store::Folder(folder)),
        }
    }

    /// The files that count of an archive, whose size is held to what they may have.
    fn unpack(layout: &Layout, path: &Path) -> Result<Store, Fault> {
        let broken = |e: std::io::Error| {
            fault(path, &format!("is not a whole archive: {e}")).advise("copy or download it again")
        };
        let mut file = File::open(path).map_err(broken)?;
        let mut magic = [0; 2];
        let is_packed = file.read(&mut magic).map_err(broken)? == 2 && magic == [0x1f, 0x8b];
        std::io::Seek::rewind(&mut file).map_err(broken)?;
        let reader: Box<dyn Read> =
            if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let wanted = |name: &str| {
            let stem = name.strip_suffix(".bin").unwrap_or(name);
            let is_text = [layout.names_file, layout.names_pickle].contains(&name);
            is_text || layout.train.contains(&stem) || layout.test == stem
        };
        let mut archive = tar::Archive::new(reader.take(MAX_UNPACKED));
        let mut found = BTreeMap::new();
        let mut left = MAX_BYTES.min(host::free_bytes().unwrap_or(u64::MAX) / 2);
        for entry in archive.entries().map_err(broken)?.raw(true) {
            let mut entry = entry.map_err(broken)?;
            let inner = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let name = inner.rsplit('/').next().unwrap_or_default();
            if !entry.header().entry_type().is_file() || !wanted(name) {
                continue;
            }
            let size = entry.size();
            left = left.checked_sub(size).ok_or_else(|| {
                fault(path, &format!("has a file {name} of {size} bytes, for which there is no memory"))
                    .advise("copy or download it again")
            })?;
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            if bytes.len() as u64 != size {
                return Err(fault(path, "is cut short").advise("copy or download it again"));
            }
            found.insert(name.to_owned(), bytes);
        }
        Ok(Store::Archive(path.to_owned(), found))
    }

    /// What a file is called in messages.
    fn shown(&self, name: &str) -> PathBuf {
        match self {
            Store::Folder(path) | Store::Archive(path, _) => path.join(name),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Store::Folder(path) | Store::Archive(path, _) => path,
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Store::Folder(path) => path.join(name).is_file(),
            Store::Archive(_, files) => files.contains_key(name),
        }
    }

    /// The bytes of a file that is there.
    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, Fault> {
        let folder = match self {
            Store::Archive(_, files) => return Ok(files.remove(name).unwrap_or_default()),
            Store::Folder(folder) => folder,
        };
        let path = folder.join(name);
        let unreadable =
            |e: std::io::Error| fault(&path, &format!("cannot be read: {e}")).advise("copy it again");
        let length = std::fs::metadata(&path).map_err(unreadable)?.len();
        if length > MAX_BYTES.min(host::free_bytes().unwrap_or(u64::MAX)) {
            return Err(fault(&path, &format!("has {length} bytes, for which there is no memory"))
                .advise("a smaller file"));
        }
        let mut bytes = Vec::new();
        File::open(&path).and_then(|file| file.take(length).read_to_end(&mut bytes)).map_err(unreadable)?;
        Ok(bytes)
    }
}

fn load(layout: &Layout, path: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
    let mut store = Store::open(layout, path)?;
    let is_python = !store.has(&format!("{}.bin", layout.test)) && store.has(layout.test);
    let names = names(layout, &mut store, is_python)?;
    let file = |stem: &str| if is_python { stem.to_owned() } else { format!("{stem}.bin") };
    let lacks = |store: &Store, stem: &str| {
        fault(store.path(), &format!("lacks {}", file(stem)))
            .advise(format!("put {} or {} there, or unpack one", layout.archives[0], layout.archives[1]))
    };
    let samples = |store: &mut Store, stems: &[&str]| -> Result<Samples, Fault> {
        let (mut pixels, mut classes) = (Vec::new(), Vec::new());
        for name in stems.iter().map(|stem| file(stem)) {
            let (path, bytes) = (store.shown(&name), store.bytes(&name)?);
            match is_python {
                true => batch(layout, &path, &bytes, &mut pixels, &mut classes)?,
                false => records(layout, &path, &bytes, &mut pixels, &mut classes)?,
            }
        }
        Ok(Samples::of_bytes(SHAPE, pixels, classes, names.clone()))
    };
    if !store.has(&file(layout.test)) {
        return Err(lacks(&store, layout.test));
    }
    let test = samples(&mut store, &[layout.test])?;
    if wanted == Wanted::Test {
        return Dataset::tested(test);
    }
    let train: Vec<&str> = layout.train.iter().copied().filter(|stem| store.has(&file(stem))).collect();
    if train.is_empty() {
        return Err(lacks(&store, layout.train[0]));
    }
    Dataset::joined(samples(&mut store, &train)?, test)
}

/// The classes' names: those in their file, if it is there, or as they are known, or their numbers.
fn names(layout: &Layout, store: &mut Store, is_python: bool) -> Result<Vec<String>, Fault> {
    let name = if is_python { layout.names_pickle } else { layout.names_file };
    let path = store.shown(name);
    if !store.has(name) {
        return Ok(match layout.names.is_empty() {
            true => (0..layout.n_classes).map(|class| class.to_string()).collect(),
            false => layout.names.iter().map(|name| (*name).to_owned()).collect(),
        });
    }
    let bytes = store.bytes(name)?;
    let unreadable = |what: &str| {
        fault(&path, &format!("cannot be read: it {what}")).advise("copy it again, or remove it")
    };
    let names: Vec<String> = match is_python {
        true => {
            let found = Batch::read(&bytes).map_err(|what| unreadable(&what))?.texts(layout.names_key);
            found.ok_or_else(|| unreadable(&format!("has no `{}`", layout.names_key)))?
        }
        false => {
            let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("is not UTF-8 text"))?;
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        }
    };
    match names.len() == layout.n_classes {
        true => Ok(names),
        false => Err(fault(&path, &format!("has {} names, not {}", names.len(), layout.n_classes))
            .advise("copy it again")),
    }
}

/// Reads the records of a binary file behind those that were read before.
fn records(
    layout: &Layout,
    path: &Path,
    bytes: &[u8],
    pixels: &mut Vec<u8>,
    classes: &mut Vec<u32>,
) -> Result<(), Fault> {
    let record = layout.n_labels + PIXELS;
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        let length = bytes.len();
        let message =
            format!("has {length} bytes, which is not a multiple of {record}, the size of a record");
        return Err(fault(path, &message).advise("copy or unpack it again"));
    }
    for (i, record) in bytes.chunks_exact(record).enumerate() {
        let (labels, image) = record.split_at(layout.n_labels);
        classes.push(class(layout, path, i, labels[layout.label].into())?);
        pixels.extend_from_slice(image);
    }
    Ok(())
}

/// The same of a batch for Python: a dictionary of `data`, N x 3072 bytes, and lists of labels.
fn batch(
    layout: &Layout,
    path: &Path,
    bytes: &[u8],
    pixels: &mut Vec<u8>,
    classes: &mut Vec<u32>,
) -> Result<(), Fault> {
    let broken = |what: &str| fault(path, what).advise("copy or unpack it again");
    let batch = Batch::read(bytes).map_err(|what| broken(&what))?;
    let data = batch.array("data").ok_or_else(|| broken("has no array of bytes called `data`"))?;
    let labels = batch.numbers(layout.key);
    let labels = labels.ok_or_else(|| broken(&format!("has no labels called `{}`", layout.key)))?;
    if labels.is_empty() || data.len() != labels.len() * PIXELS {
        let message = format!("has {} labels, but {} bytes of images", labels.len(), data.len());
        return Err(broken(&message));
    }
    for (i, label) in labels.into_iter().enumerate() {
        classes.push(class(layout, path, i, label)?);
    }
    pixels.extend_from_slice(&data);
    Ok(())
}

fn class(layout: &Layout, path: &Path, record: usize, label: i64) -> Result<u32, Fault> {
    match u32::try_from(label) {
        Ok(class) if (class as usize) < layout.n_classes => Ok(class),
        Ok(_) | Err(_) => {
            let most = layout.n_classes - 1;
            let message = format!("has the label {label} in record {record}; labels are 0 to {most}");
            Err(fault(path, &message).advise("copy or unpack it again"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::section;

    fn written(folder: &Path, name: &str, n_labels: usize, labels: &[u8]) {
        let record = |label: &u8| [vec![*label; n_labels], vec![label * 2; PIXELS]].concat();
        std::fs::write(folder.join(name), labels.iter().flat_map(record).collect::<Vec<u8>>()).unwrap();
    }

    fn loaded(folder: &Path, line: &str, wanted: Wanted) -> Result<Dataset, Fault> {
        let section = section(&line.replace("PATH", &folder.display().to_string())).unwrap();
        section.source.load(&section.args, Path::new(""), wanted)
    }

    #[test]
    fn both_are_read_also_from_the_archives_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("cifar-10-batches-bin");
        std::fs::create_dir(&inner).unwrap();
        written(&inner, "data_batch_1.bin", 1, &[3, 9]);
        written(&inner, "data_batch_2.bin", 1, &[0]);
        written(&inner, "test_batch.bin", 1, &[7]);
        let dataset = loaded(folder.path(), "source cifar10 \"PATH\"", Wanted::All).unwrap();
        assert_eq!((dataset.parts.train.len(), dataset.parts.test.as_slice()), (3, &[3][..]));
        assert_eq!([0, 1, 2, 3].map(|i| dataset.samples.class(i)), [3, 9, 0, 7]);
        assert_eq!(
            (dataset.classes()[3].as_str(), dataset.samples.read(1).unwrap().image.extents()),
            ("cat", SHAPE)
        );
        assert_eq!(loaded(folder.path(), "source cifar10 \"PATH\"", Wanted::Test).unwrap().samples.len(), 1);

        written(folder.path(), "train.bin", 2, &[19]);
        written(folder.path(), "test.bin", 2, &[1]);
        let fine = loaded(folder.path(), "source cifar100 \"PATH\"", Wanted::All).unwrap();
        assert_eq!((fine.classes().len(), fine.samples.class(0)), (100, 19));
        let coarse = loaded(folder.path(), "source cifar100 \"PATH\" labels=coarse", Wanted::All).unwrap();
        assert_eq!(coarse.classes().len(), 20);
        std::fs::write(folder.path().join("coarse_label_names.txt"), "a\nb\n").unwrap();
        let fault = loaded(folder.path(), "source cifar100 \"PATH\" labels=coarse", Wanted::All).unwrap_err();
        assert!(fault.message.ends_with("has 2 names, not 20"), "{fault}");
    }

    #[test]
    fn what_is_damaged_or_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = || {
            let fault = loaded(folder.path(), "source cifar10 \"PATH\"", Wanted::All).unwrap_err();
            assert!(!fault.remedies.is_empty(), "{fault}");
            fault.message
        };
        assert!(message().ends_with("lacks test_batch.bin"));
        written(folder.path(), "test_batch.bin", 1, &[10]);
        assert!(message().ends_with("has the label 10 in record 0; labels are 0 to 9"));
        written(folder.path(), "test_batch.bin", 1, &[1, 2]);
        assert!(message().ends_with("lacks data_batch_1.bin"));
        std::fs::write(folder.path().join("data_batch_1.bin"), vec![0; 3074]).unwrap();
        assert!(message().ends_with("has 3074 bytes, which is not a multiple of 3073, the size of a record"));
    }
}
