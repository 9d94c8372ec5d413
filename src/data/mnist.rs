//! MNIST (LeCun, Cortes, Burges) and the data sets in its format with ten classes, such as Fashion-MNIST:
//! a folder of four IDX files → images and labels.

use std::path::{Path, PathBuf};

use crate::data::idx::{self, Idx};
use crate::data::{Dataset, Facts, Images, Source};
use crate::diag::{Fault, codes};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct Mnist;

static SPEC: Spec = Spec {
    name: "mnist",
    summary: "Handwritten digits: 28x28 grey images of 10 classes",
    docs: "Gives 1x28x28. The folder holds the IDX files of LeCun's site: train-images-idx3-ubyte, \
           train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or gzipped (.gz); \
           `.idx3-ubyte` instead of `-idx3-ubyte` is read too. Fashion-MNIST has the same format.",
    params: &[positional(
        "path",
        Kind::Text,
        Preset::Required,
        "the folder of the four files, relative to the experiment's file",
    )],
    example: "source mnist \"data/mnist\"",
    elsewhere: &["MNIST", "FashionMNIST", "fashion_mnist", "keras.datasets.mnist"],
};

const CLASSES: usize = 10;
const SIDE: usize = 28;

/// The four files as `stem-kind`, in the order they are read.
const FILES: [(&str, &str); 4] = [
    ("train-images", "idx3-ubyte"),
    ("train-labels", "idx1-ubyte"),
    ("t10k-images", "idx3-ubyte"),
    ("t10k-labels", "idx1-ubyte"),
];

impl Source for Mnist {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, _args: &Args) -> Result<Facts, Fault> {
        Ok(Facts { shape: Shape::from([1, SIDE, SIDE]), classes: CLASSES, train: None, test: None })
    }

    fn load(&self, args: &Args, base: &Path) -> Result<Dataset, Fault> {
        let [train_images, train_labels, test_images, test_labels] = find(&base.join(args.word("path")?))?;
        let train = split(&train_images, &train_labels)?;
        let test = split(&test_images, &test_labels)?;
        if train.pixels == test.pixels {
            let message = format!(
                "accuracy would be measured on training data: {} and {} hold the same images",
                test_images.display(),
                train_images.display()
            );
            return Err(Fault::new(codes::LEAK, message).at("path").advise("put the real test files there"));
        }
        Ok(Dataset { train, test, classes: (0..CLASSES).map(|digit| digit.to_string()).collect() })
    }
}

/// The four files, or a fault that names all that are missing.
fn find(folder: &Path) -> Result<[PathBuf; 4], Fault> {
    let remedy = "put MNIST's four IDX files there, plain or gzipped";
    if !folder.is_dir() {
        let what = if folder.exists() { "is not a folder" } else { "does not exist" };
        return Err(idx::fault(folder, what)
            .note("the path is relative to the experiment's file")
            .advise(remedy));
    }
    let candidates = FILES.map(|(stem, kind)| [format!("{stem}-{kind}"), format!("{stem}.{kind}")]);
    let found = candidates.each_ref().map(|names| {
        names
            .iter()
            .flat_map(|name| [folder.join(name), folder.join(format!("{name}.gz"))])
            .find(|p| p.is_file())
    });
    if let [Some(a), Some(b), Some(c), Some(d)] = found {
        return Ok([a, b, c, d]);
    }
    let missing: Vec<&str> = candidates
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .map(|(names, _)| names[0].as_str())
        .collect();
    let fault = idx::fault(folder, &format!("lacks {}", missing.join(", ")));
    Err(candidates
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .fold(fault, |fault, ([dash, dot], _)| {
            fault.note(format!("looked for {dash}, {dash}.gz, {dot} and {dot}.gz"))
        })
        .advise(remedy))
}

fn split(images_path: &Path, labels_path: &Path) -> Result<Images, Fault> {
    let images: Idx = idx::read(images_path, 3)?;
    if images.dims[1..] != [SIDE, SIDE] {
        let message = format!(
            "holds images of {}x{} (bytes 8 to 16), not {SIDE}x{SIDE}",
            images.dims[1], images.dims[2]
        );
        return Err(idx::fault(images_path, &message).advise("use a data set in MNIST's format"));
    }
    let labels: Idx = idx::read(labels_path, 1)?;
    if images.dims[0] != labels.dims[0] {
        let message = format!(
            "holds {} images, but {} holds {} labels",
            images.dims[0],
            labels_path.display(),
            labels.dims[0]
        );
        return Err(idx::fault(images_path, &message).advise("take both files from one copy of the data set"));
    }
    if let Some(record) = labels.bytes.iter().position(|&label| usize::from(label) >= CLASSES) {
        let message = format!(
            "has label {} in record {record} (byte {}); labels are 0 to {}",
            labels.bytes[record],
            labels.header() + record,
            CLASSES - 1
        );
        return Err(idx::fault(labels_path, &message).advise("use a data set of ten classes"));
    }
    let shape = Shape::from([1, SIDE, SIDE]);
    Ok(Images { shape, pixels: images.bytes, labels: labels.bytes.into_iter().map(u32::from).collect() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::testing::{gzip, idx, mnist_folder, section};

    fn load(folder: &Path) -> Result<Dataset, Fault> {
        let section = section(&format!("source mnist \"{}\"", folder.display())).unwrap();
        section.source.load(&section.args, Path::new(""))
    }

    #[test]
    fn all_names_and_both_packings_are_read() {
        let folder = mnist_folder(5, 3);
        let dataset = load(folder.path()).unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len(), dataset.classes.len()), (5, 3, 10));
        assert_eq!(dataset.train.labels, [0, 1, 2, 3, 4]);
        assert_eq!(dataset.train.image(4).len(), 784);
        for (stem, kind) in FILES {
            let plain = folder.path().join(format!("{stem}-{kind}"));
            let bytes = std::fs::read(&plain).unwrap();
            std::fs::remove_file(&plain).unwrap();
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
        assert_eq!(fault.notes.len(), 1);
        assert!(fault.notes[0].contains("train-labels.idx1-ubyte.gz"));
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
        assert_eq!((dataset.train.len(), dataset.test.len()), (60_000, 10_000));
        let mut histogram = [0; 10];
        dataset.test.labels.iter().for_each(|&label| histogram[label as usize] += 1);
        assert_eq!(histogram, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    }
}
