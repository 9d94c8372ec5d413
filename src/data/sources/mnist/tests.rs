//! Folders of IDX files, small ones and wrong ones, and what is read from them.

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
    let fault = load_with(folder.path(), "classes=10").unwrap_err();
    assert!(fault.message.ends_with("holds EMNIST Letters, which has 26 classes, not 10"), "{fault}");
    assert_eq!(fault.remedies, [crate::diag::Remedy::Set { name: "classes", value: "26".to_owned() }]);
    let dataset = load(folder.path()).unwrap();
    assert_eq!(load_with(folder.path(), "classes=26").unwrap(), dataset);
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
fn images_of_another_size_and_their_labels_tell_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (split, salt) in [("train", 0), ("test", 100)] {
        let pixels: Vec<u8> = (0..3 * 4 * 6).map(|i| i + salt).collect();
        std::fs::write(folder.path().join(format!("{split}-images-idx3-ubyte")), idx(&[3, 4, 6], &pixels))
            .unwrap();
        std::fs::write(folder.path().join(format!("{split}-labels-idx1-ubyte")), idx(&[3], &[2, 4, 3]))
            .unwrap();
    }
    let dataset = load(folder.path()).unwrap();
    assert_eq!(dataset.classes().concat(), "234");
    assert_eq!(
        (classes(&dataset, &dataset.parts.train), image(&dataset, 1)),
        (vec![0, 2, 1], (24..48).collect())
    );
    assert_eq!(load_with(folder.path(), "classes=3 size=4x6").unwrap(), dataset);
    assert_eq!(load_with(folder.path(), "classes=9").unwrap().classes().len(), 9);
    let section = section(&format!("source mnist \"{}\"", folder.path().display())).unwrap();
    let facts = section.source.look(&section.args, Path::new("")).unwrap().unwrap();
    assert_eq!(
        (facts.form.size, facts.classes, facts.parts),
        (Size::Fixed([4, 6]), Some(3), Some([3, 0, 3]))
    );
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
    assert_eq!((dataset.parts.train.len(), dataset.parts.test.len(), dataset.classes().len()), (5, 3, 10));
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
fn a_look_reads_headers_and_labels() {
    let folder = mnist_folder(5, 3);
    let look = |path: &Path, arguments: &str| {
        let section = section(&format!("source mnist \"{}\" {arguments}", path.display())).unwrap();
        section.source.look(&section.args, Path::new(""))
    };
    assert_eq!(look(folder.path(), "").unwrap().unwrap().parts, Some([5, 0, 3]));
    assert_eq!(look(&folder.path().join("gone"), "").unwrap(), None);
    let fault = look(folder.path(), "size=32x32").unwrap_err();
    assert_eq!(fault.remedies, [crate::diag::Remedy::Set { name: "size", value: "28x28".to_owned() }]);
    // Of what is missing a run tells.
    std::fs::remove_file(folder.path().join("train-labels-idx1-ubyte")).unwrap();
    assert_eq!(look(folder.path(), "").unwrap().unwrap().parts, None);
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
        "images of 28x28 (bytes 8 to 16), not 32x32",
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
