//! MNIST (LeCun, Cortes, Burges) and the data sets in its format, such as Fashion-MNIST, EMNIST and QMNIST: a folder of
//! four IDX files → images and labels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::data::parts::Dataset;
use crate::data::sample::{Form, Size, Task};
use crate::data::samples::Samples;
use crate::data::sources::idx::{self, Content, Element, Idx};
use crate::data::sources::{Facts, Source, Wanted};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Mnist;

static SPEC: Spec = Spec {
    name: "mnist",
    summary: "Handwritten digits, and anything else in their format (IDX): grey images of one size",
    docs: "Gives 1x28x28, or another `size`. The folder holds the IDX files of LeCun's site: train-images-idx3-ubyte, \
           train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or gzipped (.gz); `.idx3-ubyte` \
           instead of `-idx3-ubyte` is read too, and `test` instead of `t10k`. Fashion-MNIST and KMNIST have the same format. \
           EMNIST (`emnist-letters-train-images-idx3-ubyte` and so on) is recognised by its file names: its images, which are \
           stored sideways, are turned upright, and its classes are named after their characters. Of QMNIST's labels (idx2-int), \
           only the class is read.",
    params: &[
        positional(
            "path",
            Kind::Text,
            Preset::Required,
            "the folder of the four files, relative to the experiment's file",
        ),
        keyword("classes", Kind::Count, Preset::Count(10), "how many classes there are"),
        keyword(
            "first_label",
            Kind::Whole,
            Preset::Count(0),
            "the label of the first class; EMNIST's is known",
        ),
        keyword("size", Kind::Pair, Preset::Pair(SIDE, SIDE), "height x width of the images"),
    ],
    example: "source mnist \"data/mnist\"",
    elsewhere: &[
        "MNIST",
        "FashionMNIST",
        "fashion_mnist",
        "keras.datasets.mnist",
        "EMNIST",
        "QMNIST",
        "KMNIST",
    ],
};

const SIDE: usize = 28;
const MAX_CLASSES: usize = 1_000_000;

impl Source for Mnist {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        let classes = args.whole("classes")?;
        if classes > MAX_CLASSES {
            return Err(
                Fault::new(codes::BAD_VALUE, format!("`classes` is at most {MAX_CLASSES}")).at("classes")
            );
        }
        Ok(Facts {
            form: Form { channels: Some(1), size: Size::Fixed(args.pair("size")?) },
            task: Task::Classes,
            classes: Some(classes),
            parts: None,
            watched: Some(false),
        })
    }

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        let folder = Folder::open(&base.join(args.word("path")?))?;
        let layout = folder.layout(args)?;
        if wanted == Wanted::Test {
            let files = folder.find(&[TEST])?;
            return Dataset::tested(layout.split(&files[0])?);
        }
        let files = folder.find(&[TRAIN, TEST])?;
        let train = layout.split(&files[0])?;
        let test = layout.split(&files[1])?;
        if train.images == test.images {
            let message = format!(
                "accuracy would be measured on training data: {} and {} hold the same images",
                files[1].images.display(),
                files[0].images.display()
            );
            return Err(Fault::new(codes::LEAK, message).at("path").advise("put the real test files there"));
        }
        Dataset::joined(train, test)
    }

    /// Of MNIST; its relatives are light on dark as well.
    fn brightness(&self) -> Option<[f64; 2]> {
        Some([0.1307, 0.3081])
    }
}

/// What the files of a split are called: the word, and the words instead.
type Split = &'static [&'static str];

const TRAIN: Split = &["train"];
const TEST: Split = &["t10k", "test"];
const IMAGES: [&str; 2] = ["-images-idx3-ubyte", "-images.idx3-ubyte"];
const LABELS: [&str; 4] =
    ["-labels-idx1-ubyte", "-labels.idx1-ubyte", "-labels-idx2-int", "-labels.idx2-int"];

/// A data set that is known by the beginning of its files' names.
struct Known {
    prefix: &'static str,
    name: &'static str,
    /// A character a class.
    classes: &'static str,
    first_label: usize,
}

/// EMNIST (Cohen, Afshar, Tapson, van Schaik 2017): columns come one behind the other, where others have rows.
static EMNIST: &[Known] = &[
    Known {
        prefix: "emnist-byclass-",
        name: "EMNIST ByClass",
        classes: "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        first_label: 0,
    },
    Known { prefix: "emnist-bymerge-", name: "EMNIST ByMerge", classes: MERGED, first_label: 0 },
    Known { prefix: "emnist-balanced-", name: "EMNIST Balanced", classes: MERGED, first_label: 0 },
    Known {
        prefix: "emnist-letters-",
        name: "EMNIST Letters",
        classes: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        first_label: 1,
    },
    Known { prefix: "emnist-digits-", name: "EMNIST Digits", classes: "0123456789", first_label: 0 },
    Known { prefix: "emnist-mnist-", name: "EMNIST MNIST", classes: "0123456789", first_label: 0 },
];

/// Small letters that look like their capitals are one class with them.
const MERGED: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt";

/// A folder with the files of one data set.
struct Folder {
    path: PathBuf,
    /// What the names of its files begin with: nothing, or `emnist-letters-`.
    prefix: String,
    /// What lies there, sorted.
    names: Vec<String>,
}

/// The two files of a split.
struct Files {
    images: PathBuf,
    labels: PathBuf,
}

impl Folder {
    fn open(path: &Path) -> Result<Folder, Fault> {
        let refuse = |what: &str| {
            idx::fault(path, what)
                .note("the path is relative to the experiment's file")
                .advise("put MNIST's four IDX files there, plain or gzipped")
        };
        if !path.is_dir() {
            return Err(refuse(if path.exists() { "is not a folder" } else { "does not exist" }));
        }
        let entries = std::fs::read_dir(path).map_err(|e| refuse(&format!("cannot be read: {e}")))?;
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let prefixes: BTreeSet<&str> = names.iter().filter_map(|name| prefix(name)).collect();
        let prefix = match prefixes.iter().copied().collect::<Vec<_>>().as_slice() {
            [] => "",
            ["", ..] => "",
            [one] => *one,
            several => {
                let sets = several.iter().map(|prefix| prefix.trim_end_matches('-')).collect::<Vec<_>>();
                let fault = idx::fault(path, &format!("holds several data sets: {}", sets.join(", ")));
                return Err(fault.advise("put the files of each into a folder of its own"));
            }
        };
        Ok(Folder { path: path.to_owned(), prefix: prefix.to_owned(), names })
    }

    /// The files of these splits, or a fault that names all that are missing.
    fn find(&self, splits: &[Split]) -> Result<Vec<Files>, Fault> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for split in splits {
            let images = self.first(split, &IMAGES, &mut missing);
            let labels = self.first(split, &LABELS, &mut missing);
            found.extend(images.zip(labels).map(|(images, labels)| Files { images, labels }));
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let firsts: Vec<&str> = missing.iter().map(|names| names[0].as_str()).collect();
        let fault = idx::fault(&self.path, &format!("lacks {}", firsts.join(", ")));
        let fault = missing.iter().fold(fault, |fault, names| {
            let (last, others) =
                names.split_last().map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
            fault.note(format!("looked for {} and {last}, plain or with .gz", others.join(", ")))
        });
        let shown = self.names.iter().take(8).cloned().collect::<Vec<_>>();
        let more = if self.names.len() > shown.len() { ", …" } else { "" };
        let there = if shown.is_empty() {
            "nothing is there".to_owned()
        } else {
            format!("there are: {}{more}", shown.join(", "))
        };
        Err(fault.note(there).advise("put MNIST's four IDX files there, plain or gzipped"))
    }

    /// The first file that is there of those that a role may have; or its names are added to `missing`.
    fn first(&self, split: Split, endings: &[&str], missing: &mut Vec<Vec<String>>) -> Option<PathBuf> {
        let name = |split: &&str| {
            endings.iter().map(|ending| format!("{}{split}{ending}", self.prefix)).collect::<Vec<_>>()
        };
        // Only LeCun's own files say `t10k`.
        let names: Vec<String> = match self.prefix.is_empty() {
            true => split.iter().flat_map(name).collect(),
            false => split.iter().rev().flat_map(name).collect(),
        };
        let files =
            names.iter().flat_map(|name| [self.path.join(name), self.path.join(format!("{name}.gz"))]);
        // A folder of an archive's name is passed over; what else is no file is told where it is opened.
        let found = files.into_iter().find(|file| file.exists() && !file.is_dir());
        if found.is_none() {
            missing.push(names);
        }
        found
    }

    /// How its files are to be read.
    fn layout(&self, args: &Args) -> Result<Layout, Fault> {
        let (n_classes, first_label) = (args.whole("classes")?, args.whole("first_label")?);
        let size = args.pair("size")?;
        let Some(known) = EMNIST.iter().find(|known| known.prefix == self.prefix) else {
            let classes = (first_label..first_label.saturating_add(n_classes)).map(|label| label.to_string());
            return Ok(Layout { size, classes: classes.collect(), first_label, order: Order::Rows });
        };
        let classes: Vec<String> = known.classes.chars().map(String::from).collect();
        if n_classes != classes.len() {
            let message =
                format!("holds {}, which has {} classes, not {n_classes}", known.name, classes.len());
            return Err(idx::fault(&self.path, &message)
                .note("the model's last layer gives a number for each class")
                .set("classes", classes.len()));
        }
        if size != [SIDE, SIDE] {
            let message = format!("holds {}, whose images are {SIDE}x{SIDE}", known.name);
            return Err(idx::fault(&self.path, &message).set("size", format!("{SIDE}x{SIDE}")));
        }
        Ok(Layout { size, classes, first_label: known.first_label, order: Order::Columns })
    }
}

/// What the name of an image or label file begins with, before the split's word.
fn prefix(name: &str) -> Option<&str> {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let stem = IMAGES.iter().chain(&LABELS).find_map(|ending| name.strip_suffix(ending))?;
    let prefix = TRAIN.iter().chain(TEST).find_map(|split| stem.strip_suffix(split))?;
    (prefix.is_empty() || prefix.ends_with('-')).then_some(prefix)
}

/// In which order an image's pixels come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Rows,
    Columns,
}

/// What a data set's numbers mean.
struct Layout {
    size: [usize; 2],
    /// The classes' names; their labels begin at `first_label`.
    classes: Vec<String>,
    first_label: usize,
    order: Order,
}

impl Layout {
    /// Reads both files of a split. Both headers are held against each other before what they claim is unpacked.
    fn split(&self, files: &Files) -> Result<Samples, Fault> {
        let images = Idx::open(&files.images, Content::Images)?;
        let [height, width] = self.size;
        if images.dims[1..] != [height, width] {
            let own = format!("{}x{}", images.dims[1], images.dims[2]);
            let message = format!("holds images of {own} (bytes 8 to 16), not {height}x{width}");
            return Err(idx::fault(&files.images, &message).set("size", own));
        }
        let labels = Idx::open(&files.labels, Content::Labels)?;
        if images.dims[0] != labels.dims[0] {
            let message = format!(
                "holds {} images, but {} holds {} labels",
                images.dims[0],
                files.labels.display(),
                labels.dims[0]
            );
            return Err(
                idx::fault(&files.images, &message).advise("take both files from one copy of the data set")
            );
        }
        let labels = self.labels(labels, &files.labels)?;
        let mut pixels = images.read()?;
        if self.order == Order::Columns {
            pixels.chunks_exact_mut((height * width).max(1)).for_each(|image| transpose(image, height));
        }
        Ok(Samples::of_bytes([1, height, width], pixels, labels, self.classes.clone()))
    }

    /// The class of each image, counted from 0.
    fn labels(&self, file: Idx, path: &Path) -> Result<Vec<u32>, Fault> {
        let (element, header, record) = (file.element, file.header(), file.record());
        let bytes = file.read()?;
        let label = |record: &[u8]| match (element, record) {
            (Element::Int, [a, b, c, d, ..]) => i64::from(i32::from_be_bytes([*a, *b, *c, *d])),
            (Element::Byte | Element::Int, _) => record.first().map_or(-1, |byte| i64::from(*byte)),
        };
        let labels: Vec<i64> = bytes.chunks_exact(record.max(1)).map(label).collect();
        let first = self.first_label as i64;
        let known = first..first + self.classes.len() as i64;
        let Some(wrong) = labels.iter().position(|label| !known.contains(label)) else {
            return Ok(labels.into_iter().map(|label| (label - first) as u32).collect());
        };
        let (least, most) =
            labels.iter().fold((i64::MAX, i64::MIN), |(a, b), &label| (a.min(label), b.max(label)));
        let message = format!(
            "has label {} in record {wrong} (byte {}); labels are {first} to {}",
            labels[wrong],
            header + wrong * record,
            known.end - 1
        );
        let fault = idx::fault(path, &message).note(format!("all its labels lie from {least} to {most}"));
        let n_classes = self.classes.len() as i64;
        Err(if self.order == Order::Columns {
            fault.advise("take the files from one copy of the data set")
        } else if least < 0 {
            fault.advise("use a data set whose classes are numbered")
        } else if least > 0 && most - least < n_classes {
            fault.set("first_label", least)
        } else if least >= first {
            fault.set("classes", most - first + 1)
        } else {
            fault.set("classes", most - least + 1).set("first_label", least)
        })
    }
}

/// Rows for columns, of a square image.
fn transpose(image: &mut [u8], side: usize) {
    for row in 0..side {
        for column in 0..row {
            image.swap(row * side + column, column * side + row);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::sample::Values;
    use crate::data::testing::{gzip, idx, mnist_folder, section};

    fn load(folder: &Path) -> Result<Dataset, Fault> {
        load_with(folder, "")
    }

    fn load_with(folder: &Path, arguments: &str) -> Result<Dataset, Fault> {
        let section = section(&format!("source mnist \"{}\" {arguments}", folder.display())).unwrap();
        section.source.load(&section.args, Path::new(""), Wanted::All)
    }

    fn classes(dataset: &Dataset, indices: &[u32]) -> Vec<u32> {
        indices.iter().map(|&index| dataset.samples.class(index)).collect()
    }

    fn image(dataset: &Dataset, index: u32) -> Vec<u8> {
        match dataset.samples.read(index).unwrap().image.values {
            Values::Bytes(bytes) => bytes,
            Values::Numbers(_) => panic!("bytes are read"),
        }
    }

    /// A folder like [`mnist_folder`]'s with names that begin so, images of which each row is its own number, and labels.
    fn relative(prefix: &str, labels: &[u8], ints: Option<usize>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let n = labels.len() as u32;
        for (split, salt) in [("train", 0), ("test", 100)] {
            let rows = (0..n * 784).map(|i| (i / 28 % 28) as u8 + salt).collect::<Vec<u8>>();
            let images = folder.path().join(format!("{prefix}{split}-images-idx3-ubyte.gz"));
            std::fs::write(images, gzip(&idx(&[n, 28, 28], &rows))).unwrap();
            let (name, content) = match ints {
                None => ("idx1-ubyte", idx(&[n], labels)),
                Some(columns) => {
                    let row = |label: &u8| {
                        let mut row = vec![0xff; 4 * columns];
                        row[..4].copy_from_slice(&u32::from(*label).to_be_bytes());
                        row
                    };
                    let mut content =
                        idx(&[n, columns as u32], &labels.iter().flat_map(row).collect::<Vec<u8>>());
                    content[2] = 12;
                    ("idx2-int", content)
                }
            };
            std::fs::write(folder.path().join(format!("{prefix}{split}-labels-{name}.gz")), gzip(&content))
                .unwrap();
        }
        folder
    }

    #[test]
    fn emnist_stands_upright_and_has_its_letters() {
        let folder = relative("emnist-letters-", &[1, 26, 3], None);
        let fault = load(folder.path()).unwrap_err();
        assert!(fault.message.ends_with("holds EMNIST Letters, which has 26 classes, not 10"), "{fault}");
        assert_eq!(fault.remedies, [crate::diag::Remedy::Set { name: "classes", value: "26".to_owned() }]);
        let dataset = load_with(folder.path(), "classes=26").unwrap();
        assert_eq!(
            (classes(&dataset, &dataset.parts.train), dataset.classes().concat()),
            (vec![0, 25, 2], EMNIST[3].classes.to_owned())
        );
        // What were rows are columns.
        assert_eq!(image(&dataset, 4)[28..31], [100, 101, 102]);
        for known in EMNIST {
            let folder = relative(known.prefix, &[1, 9], None);
            let n = known.classes.len();
            assert_eq!(
                load_with(folder.path(), &format!("classes={n}")).unwrap().classes().len(),
                n,
                "{}",
                known.name
            );
        }
    }

    #[test]
    fn of_qmnists_labels_the_class_is_read() {
        let dataset = load(relative("qmnist-", &[7, 0, 9], Some(8)).path()).unwrap();
        assert_eq!((classes(&dataset, &dataset.parts.train), image(&dataset, 0)[28]), (vec![7, 0, 9], 1));
        assert_eq!(dataset.classes().concat(), "0123456789");
    }

    #[test]
    fn other_labels_are_read_where_it_is_said_how_and_else_named() {
        let folder = relative("", &[1, 10, 5], None);
        let fault = load(folder.path()).unwrap_err();
        assert!(fault.message.ends_with("has label 10 in record 1 (byte 9); labels are 0 to 9"), "{fault}");
        assert_eq!(fault.notes, ["all its labels lie from 1 to 10"]);
        assert_eq!(fault.remedies, [crate::diag::Remedy::Set { name: "first_label", value: "1".to_owned() }]);
        let dataset = load_with(folder.path(), "first_label=1").unwrap();
        let last = dataset.classes().last().unwrap().as_str();
        assert_eq!((classes(&dataset, &dataset.parts.train), last), (vec![0, 9, 4], "10"));
        let fault = load(relative("", &[0, 11], None).path()).unwrap_err();
        assert_eq!(fault.remedies, [crate::diag::Remedy::Set { name: "classes", value: "12".to_owned() }]);
    }

    #[test]
    fn a_folder_of_several_data_sets_is_refused_by_their_names() {
        let folder = relative("kmnist-", &[1, 2], None);
        assert!(load(folder.path()).is_ok());
        std::fs::write(folder.path().join("fashion-train-images-idx3-ubyte"), "").unwrap();
        let fault = load(folder.path()).unwrap_err();
        assert!(fault.message.ends_with("holds several data sets: fashion, kmnist"), "{fault}");
    }

    #[test]
    fn the_test_images_need_no_others() {
        let folder = mnist_folder(5, 3);
        let whole = load(folder.path()).unwrap();
        for name in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        let section = section(&format!("source mnist \"{}\"", folder.path().display())).unwrap();
        let tested = section.source.load(&section.args, Path::new(""), Wanted::Test).unwrap();
        assert_eq!(tested.parts.test, [0, 1, 2]);
        let samples = |dataset: &Dataset, indices: &[u32]| {
            indices.iter().map(|&index| dataset.samples.read(index).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(samples(&tested, &[0, 1, 2]), samples(&whole, &whole.parts.test));
        assert_eq!(tested.classes(), whole.classes());
        let fault = load(folder.path()).unwrap_err();
        assert!(fault.message.ends_with("lacks train-images-idx3-ubyte, train-labels-idx1-ubyte"), "{fault}");
    }

    #[test]
    fn all_names_and_both_packings_are_read() {
        let folder = mnist_folder(5, 3);
        let dataset = load(folder.path()).unwrap();
        assert_eq!(
            (dataset.parts.train.len(), dataset.parts.test.len(), dataset.classes().len()),
            (5, 3, 10)
        );
        assert_eq!(classes(&dataset, &dataset.parts.train), [0, 1, 2, 3, 4]);
        assert_eq!(image(&dataset, 4).len(), 784);
        for (stem, kind) in [
            ("train-images", "idx3-ubyte"),
            ("train-labels", "idx1-ubyte"),
            ("t10k-images", "idx3-ubyte"),
            ("t10k-labels", "idx1-ubyte"),
        ] {
            let plain = folder.path().join(format!("{stem}-{kind}"));
            let bytes = std::fs::read(&plain).unwrap();
            std::fs::remove_file(&plain).unwrap();
            let stem = stem.replace("t10k", "test");
            std::fs::write(folder.path().join(format!("{stem}.{kind}.gz")), gzip(&bytes)).unwrap();
        }
        assert_eq!(load(folder.path()).unwrap(), dataset);
    }

    #[test]
    fn what_is_missing_is_named() {
        let fault = load(Path::new("no/such/folder")).unwrap_err();
        assert_eq!(fault.message, "no/such/folder does not exist");
        let folder = mnist_folder(5, 3);
        std::fs::remove_file(folder.path().join("train-labels-idx1-ubyte")).unwrap();
        let fault = load(folder.path()).unwrap_err();
        assert!(fault.message.ends_with("lacks train-labels-idx1-ubyte"), "{fault}");
        assert_eq!(fault.notes.len(), 2);
        assert!(fault.notes[0].contains("train-labels.idx1-ubyte, "), "{:?}", fault.notes);
        assert!(fault.notes[1].starts_with("there are: t10k-images-idx3-ubyte, "), "{:?}", fault.notes);
        let fault = load(&folder.path().join("t10k-images-idx3-ubyte")).unwrap_err();
        assert!(fault.message.ends_with("is not a folder"));
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let check = |name: &str, content: Vec<u8>, expected: &str| {
            let folder = mnist_folder(5, 3);
            std::fs::write(folder.path().join(name), content).unwrap();
            let fault = load(folder.path()).unwrap_err();
            assert!(fault.message.contains(expected), "{fault}");
        };
        check("train-labels-idx1-ubyte", idx(&[4], &[1; 4]), "holds 5 images, but ");
        check(
            "t10k-labels-idx1-ubyte",
            idx(&[3], &[1, 12, 9]),
            "has label 12 in record 1 (byte 9); labels are 0 to 9",
        );
        check(
            "train-images-idx3-ubyte",
            idx(&[5, 32, 32], &[0; 5120]),
            "images of 32x32 (bytes 8 to 16), not 28x28",
        );
        check("train-images-idx3-ubyte", idx(&[5], &[0; 5]), "this is a label file");
    }

    #[test]
    fn a_test_set_that_is_the_training_set_is_a_leak() {
        let folder = mnist_folder(5, 5);
        let train = std::fs::read(folder.path().join("train-images-idx3-ubyte")).unwrap();
        std::fs::write(folder.path().join("t10k-images-idx3-ubyte"), train).unwrap();
        assert_eq!(load(folder.path()).unwrap_err().code, codes::LEAK);
    }

    #[test]
    fn the_repository_holds_the_real_data_set() {
        let dataset = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/data/mnist")).unwrap();
        assert_eq!((dataset.parts.train.len(), dataset.parts.test.len()), (60_000, 10_000));
        let mut histogram = [0; 10];
        classes(&dataset, &dataset.parts.test).iter().for_each(|&class| histogram[class as usize] += 1);
        assert_eq!(histogram, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    }
}
