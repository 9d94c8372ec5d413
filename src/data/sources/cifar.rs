//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary version, unpacked: records of labels and 3,072 bytes → samples.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::data::parts::Dataset;
use crate::data::sample::{Form, Task};
use crate::data::samples::Samples;
use crate::data::sources::idx::fault;
use crate::data::sources::{Facts, Source, Wanted};
use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};
use crate::tensor::host;

pub struct Cifar10;
pub struct Cifar100;

const PATH: &str = "the folder of the binary files, relative to the experiment's file";

static TEN: Spec = Spec {
    name: "cifar10",
    summary: "CIFAR-10: photographs of ten kinds of things",
    docs: "Gives 3x32x32. The folder holds the files of the binary version, unpacked: data_batch_1.bin to data_batch_5.bin (as \
           many of them as there are), test_batch.bin, and batches.meta.txt with the classes' names, which are known without it. \
           The folder that the archive makes, cifar-10-batches-bin, may lie in it.",
    params: &[positional("path", Kind::Text, Preset::Required, PATH)],
    example: "source cifar10 \"data/cifar10\"",
    elsewhere: &["CIFAR10", "keras.datasets.cifar10"],
};

static HUNDRED: Spec = Spec {
    name: "cifar100",
    summary: "CIFAR-100: photographs of a hundred kinds of things, in twenty groups",
    docs: "Gives 3x32x32. The folder holds the files of the binary version, unpacked: train.bin, test.bin, and with the classes' \
           names fine_label_names.txt and coarse_label_names.txt. The folder that the archive makes, cifar-100-binary, may lie \
           in it.",
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

/// How files are read.
struct Layout {
    /// The folder that the archive makes.
    inner: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// Labels in front of the pixels, and the one that counts.
    n_labels: usize,
    label: usize,
    names_file: &'static str,
    n_classes: usize,
    names: &'static [&'static str],
}

const TEN_LAYOUT: Layout = Layout {
    inner: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    n_labels: 1,
    label: 0,
    names_file: "batches.meta.txt",
    n_classes: 10,
    names: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
};

const FINE: Layout = Layout {
    inner: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    n_labels: 2,
    label: 1,
    names_file: "fine_label_names.txt",
    n_classes: 100,
    names: &[],
};

const COARSE: Layout = Layout { label: 0, names_file: "coarse_label_names.txt", n_classes: 20, ..FINE };

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

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        load(&layout(args)?, &base.join(args.word("path")?), wanted)
    }
}

fn layout(args: &Args) -> Result<Layout, Fault> {
    Ok(if args.word("labels")? == "coarse" { COARSE } else { FINE })
}

fn load(layout: &Layout, path: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
    let inner = path.join(layout.inner);
    let folder = if inner.is_dir() { inner } else { path.to_owned() };
    if !folder.is_dir() {
        let what = if folder.exists() { "is not a folder" } else { "does not exist" };
        return Err(fault(&folder, what)
            .note("the path is relative to the experiment's file")
            .advise("unpack the binary version of CIFAR there: `tar xzf cifar-10-binary.tar.gz`"));
    }
    let names = names(layout, &folder)?;
    let samples = |files: Vec<PathBuf>| -> Result<Samples, Fault> {
        let (mut pixels, mut classes) = (Vec::new(), Vec::new());
        files.iter().try_for_each(|file| read(layout, file, &mut pixels, &mut classes))?;
        Ok(Samples::of_bytes(SHAPE, pixels, classes, names.clone()))
    };
    let there = |name: &&str| folder.join(name).is_file();
    let lacks = |name: &str| {
        fault(&folder, &format!("lacks {name}"))
            .advise("unpack the binary version of CIFAR there, not the one for Python")
    };
    if !there(&layout.test) {
        return Err(lacks(layout.test));
    }
    let test = samples(vec![folder.join(layout.test)])?;
    if wanted == Wanted::Test {
        return Dataset::tested(test);
    }
    let train: Vec<PathBuf> =
        layout.train.iter().filter(|name| there(name)).map(|name| folder.join(name)).collect();
    if train.is_empty() {
        return Err(lacks(layout.train[0]));
    }
    Dataset::joined(samples(train)?, test)
}

/// The classes' names: one a line of their file, if it is there, or as they are known, or their numbers.
fn names(layout: &Layout, folder: &Path) -> Result<Vec<String>, Fault> {
    let path = folder.join(layout.names_file);
    let known = || match layout.names.is_empty() {
        true => (0..layout.n_classes).map(|class| class.to_string()).collect(),
        false => layout.names.iter().map(|name| (*name).to_owned()).collect(),
    };
    if !path.is_file() {
        return Ok(known());
    }
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(1 << 16).read_to_string(&mut text));
    read.map_err(|e| fault(&path, &format!("cannot be read: {e}")).advise("remove it: the names are known"))?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    match names.len() == layout.n_classes {
        true => Ok(names),
        false => Err(fault(&path, &format!("has {} names, not {}", names.len(), layout.n_classes))
            .advise("copy it again")),
    }
}

/// Reads the records of a file behind those that were read before.
fn read(layout: &Layout, path: &Path, pixels: &mut Vec<u8>, classes: &mut Vec<u32>) -> Result<(), Fault> {
    let unreadable = |e: std::io::Error| fault(path, &format!("cannot be read: {e}")).advise("copy it again");
    let record = layout.n_labels + PIXELS;
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length == 0 || !length.is_multiple_of(record as u64) {
        let message =
            format!("has {length} bytes, which is not a multiple of {record}, the size of a record");
        return Err(fault(path, &message).advise("copy or unpack it again"));
    }
    let free = host::free_bytes().unwrap_or(u64::MAX);
    if length > MAX_BYTES.min(free) {
        return Err(fault(path, &format!("has {length} bytes, for which there is no memory"))
            .advise("a smaller file"));
    }
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(length).read_to_end(&mut bytes));
    opened.map_err(unreadable)?;
    for (i, record) in bytes.chunks_exact(record).enumerate() {
        let (labels, image) = record.split_at(layout.n_labels);
        let class = usize::from(labels[layout.label]);
        if class >= layout.n_classes {
            let message =
                format!("has the label {class} in record {i}; labels are 0 to {}", layout.n_classes - 1);
            return Err(fault(path, &message).advise("copy or unpack it again"));
        }
        classes.push(class as u32);
        pixels.extend_from_slice(image);
    }
    Ok(())
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
