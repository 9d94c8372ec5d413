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
    docs: "Gives 1x28x28 and ten classes, or what the files hold. The folder holds the IDX files of LeCun's site: train-images-idx3-ubyte, \
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
        keyword(
            "classes",
            Kind::Count,
            Preset::Absent,
            "how many classes there are: by default ten for images of 28x28, otherwise as the labels say; EMNIST's are known",
        ),
        keyword(
            "first_label",
            Kind::Whole,
            Preset::Absent,
            "the label of the first class: by default the least one where labels tell the classes, otherwise 0; EMNIST's is known",
        ),
        keyword(
            "size",
            Kind::Pair,
            Preset::Absent,
            "height x width of the images: by default what the files say",
        ),
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

/// Height and width of MNIST's images.
const SIDE: usize = 28;
/// How many classes MNIST has.
const DIGITS: usize = 10;
const MAX_CLASSES: usize = 1_000_000;

impl Source for Mnist {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        let stated = Stated::of(args)?;
        Ok(Facts {
            form: Form { channels: Some(1), size: Size::Fixed(stated.size.unwrap_or([SIDE, SIDE])) },
            task: Task::Classes,
            classes: Some(stated.classes.unwrap_or(DIGITS)),
            parts: None,
            watched: Some(false),
        })
    }

    /// Files that are missing or damaged are told of by [`Source::load`].
    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        let path = base.join(args.word("path")?);
        if !path.exists() {
            return Ok(None);
        }
        let facts = self.facts(args)?;
        let Ok(folder) = Folder::open(&path) else { return Ok(Some(facts)) };
        let Ok(files) = folder.find(&[TRAIN, TEST]) else { return Ok(Some(facts)) };
        let mut heads = Vec::new();
        for file in &files {
            let Ok(head) = Idx::open(&file.images, Content::Images) else { return Ok(Some(facts)) };
            heads.push(head);
        }
        let layout = folder.layout(&Stated::of(args)?, &heads[0], &files)?;
        for (head, file) in heads.iter().zip(&files) {
            layout.fits(head, &file.images)?;
        }
        let form = Form { channels: Some(1), size: Size::Fixed(layout.size) };
        let facts = Facts { form, classes: Some(layout.classes.len()), ..facts };
        Ok(Some(facts.with_parts([heads[0].dims[0], 0, heads[1].dims[0]])))
    }

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        let folder = Folder::open(&base.join(args.word("path")?))?;
        let stated = Stated::of(args)?;
        let files = match wanted {
            Wanted::All => folder.find(&[TRAIN, TEST])?,
            Wanted::Test => folder.find(&[TEST])?,
        };
        // Classes are counted over all that lies there, whatever part is wanted.
        let all = folder.find(&[TRAIN, TEST]);
        let all = all.as_deref().unwrap_or(&files);
        let layout = folder.layout(&stated, &Idx::open(&files[0].images, Content::Images)?, all)?;
        if wanted == Wanted::Test {
            return Dataset::tested(layout.split(&files[0])?);
        }
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

/// Whether the images of a folder are of another size than MNIST's.
pub fn has_other_size(path: &Path) -> bool {
    let files = Folder::open(path).and_then(|folder| folder.find(&[TRAIN]));
    let head = files.and_then(|files| Idx::open(&files[0].images, Content::Images));
    head.is_ok_and(|head| head.dims[1..] != [SIDE, SIDE])
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

    /// How its files are to be read, whose images begin with `head`. What their labels tell is looked up where nothing else says it.
    fn layout(&self, stated: &Stated, head: &Idx, files: &[Files]) -> Result<Layout, Fault> {
        let Some(known) = EMNIST.iter().find(|known| known.prefix == self.prefix) else {
            let size = stated.size.unwrap_or([head.dims[1], head.dims[2]]);
            let (first_label, n_classes) = stated.classes(size, files);
            if n_classes > MAX_CLASSES {
                let message = format!(
                    "has labels up to {}, more than {MAX_CLASSES} classes",
                    first_label + n_classes - 1
                );
                return Err(idx::fault(&self.path, &message).advise("number the classes from 0"));
            }
            let classes = (first_label..first_label.saturating_add(n_classes)).map(|label| label.to_string());
            return Ok(Layout { size, classes: classes.collect(), first_label, order: Order::Rows });
        };
        let classes: Vec<String> = known.classes.chars().map(String::from).collect();
        if let Some(n_classes) = stated.classes.filter(|&n| n != classes.len()) {
            let message =
                format!("holds {}, which has {} classes, not {n_classes}", known.name, classes.len());
            return Err(idx::fault(&self.path, &message)
                .note("the model's last layer gives a number for each class")
                .set("classes", classes.len()));
        }
        let size = [SIDE, SIDE];
        if stated.size.is_some_and(|stated| stated != size) {
            let message = format!("holds {}, whose images are {SIDE}x{SIDE}", known.name);
            return Err(idx::fault(&self.path, &message).set("size", format!("{SIDE}x{SIDE}")));
        }
        Ok(Layout { size, classes, first_label: known.first_label, order: Order::Columns })
    }
}

/// What the file says of a data set; the rest is read.
struct Stated {
    classes: Option<usize>,
    first_label: Option<usize>,
    size: Option<[usize; 2]>,
}

impl Stated {
    fn of(args: &Args) -> Result<Stated, Fault> {
        let classes = args.whole_if_given("classes")?;
        if classes.is_some_and(|n| n > MAX_CLASSES) {
            return Err(
                Fault::new(codes::BAD_VALUE, format!("`classes` is at most {MAX_CLASSES}")).at("classes")
            );
        }
        let size = args.has("size").then(|| args.pair("size")).transpose()?;
        Ok(Stated { classes, first_label: args.whole_if_given("first_label")?, size })
    }

    /// The first class's label and the number of classes: ten digits, or what the labels of images of another size tell.
    fn classes(&self, size: [usize; 2], files: &[Files]) -> (usize, usize) {
        let (first, n) = match (self.first_label, self.classes) {
            (Some(first), Some(n)) => return (first, n),
            (first, n) if size == [SIDE, SIDE] => return (first.unwrap_or(0), n.unwrap_or(DIGITS)),
            own => own,
        };
        // Files that cannot be read are told of where they are loaded.
        let (least, most) = ends(files).ok().flatten().unwrap_or((0, DIGITS - 1));
        let first = first.unwrap_or(if n.is_some_and(|n| most < n) { 0 } else { least });
        (first, n.unwrap_or((most + 1).saturating_sub(first).max(1)))
    }
}

/// The least and the greatest label in these files; labels below 0 are no classes.
fn ends(files: &[Files]) -> Result<Option<(usize, usize)>, Fault> {
    let mut all = Vec::new();
    for file in files {
        all.extend(numbers(Idx::open(&file.labels, Content::Labels)?)?);
    }
    let classes = || all.iter().filter_map(|&label| usize::try_from(label).ok());
    Ok(classes().min().zip(classes().max()))
}

/// The labels of a file as they stand there.
fn numbers(file: Idx) -> Result<Vec<i64>, Fault> {
    let (element, record) = (file.element, file.record());
    let label = |record: &[u8]| match (element, record) {
        (Element::Int, [a, b, c, d, ..]) => i64::from(i32::from_be_bytes([*a, *b, *c, *d])),
        (Element::Byte | Element::Int, _) => record.first().map_or(-1, |byte| i64::from(*byte)),
    };
    Ok(file.read()?.chunks_exact(record.max(1)).map(label).collect())
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
        self.fits(&images, &files.images)?;
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

    /// Refuses images of another size.
    fn fits(&self, images: &Idx, path: &Path) -> Result<(), Fault> {
        let [height, width] = self.size;
        if images.dims[1..] == [height, width] {
            return Ok(());
        }
        let own = format!("{}x{}", images.dims[1], images.dims[2]);
        let message = format!("holds images of {own} (bytes 8 to 16), not {height}x{width}");
        Err(idx::fault(path, &message).set("size", own))
    }

    /// The class of each image, counted from 0.
    fn labels(&self, file: Idx, path: &Path) -> Result<Vec<u32>, Fault> {
        let (header, record) = (file.header(), file.record());
        let labels = numbers(file)?;
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
mod tests;
