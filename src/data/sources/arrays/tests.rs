//! Archives as NumPy writes them, in memory, and what is read from them.

use std::io::Write;

use super::*;
use crate::data::sample::Values;
use crate::data::sources::npy::tests::npy;
use crate::data::testing::section;

type Files<'a> = &'a [(&'a str, Vec<u8>)];

fn npz(files: Files<'_>, method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn load(bytes: &[u8], arguments: &str) -> Result<Dataset, Fault> {
    let dataset = load_own(bytes, arguments)?;
    assert_eq!(dataset.samples.targets.task(), Task::Classes);
    Ok(dataset)
}

fn load_own(bytes: &[u8], arguments: &str) -> Result<Dataset, Fault> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    std::fs::write(&path, bytes).unwrap();
    let section = section(&format!("source arrays \"{}\" {arguments}", path.display())).unwrap();
    let looked = section.source.look(&section.args, Path::new(""));
    let dataset = section.source.load(&section.args, Path::new(""), Wanted::All)?;
    let facts = looked.unwrap().unwrap();
    assert_eq!(
        (facts.form, facts.task, facts.classes.map(|_| ())),
        (dataset.samples.images.form(), dataset.samples.targets.task(), Some(()))
    );
    if facts.task != Task::Images {
        assert_eq!(facts.classes, Some(dataset.classes().len()));
    }
    let parts = &dataset.parts;
    assert_eq!(facts.parts, Some([&parts.train, &parts.validation, &parts.test].map(Vec::len)));
    Ok(dataset)
}

fn keras() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("x_train", npy("|u1", "(2, 2, 1, 3)", "False", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])),
        ("y_train", npy("<i8", "(2, 1)", "False", &[[1u8, 0, 0, 0, 0, 0, 0, 0], [0; 8]].concat())),
        ("x_test", npy("|u1", "(1, 2, 1, 3)", "False", &[0; 6])),
        ("y_test", npy("|u1", "(1,)", "False", &[4])),
    ]
}

#[test]
fn kerass_and_medmnists_names_are_known_and_channels_come_first() {
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let dataset = load(&npz(&keras(), method), "").unwrap();
        assert_eq!((dataset.classes().len(), dataset.parts.test.as_slice()), (5, &[2][..]));
        assert_eq!([0, 1, 2].map(|i| dataset.samples.class(i)), [1, 0, 4]);
        let image = dataset.samples.read(1).unwrap().image;
        assert_eq!((image.extents(), image.values), ([3, 2, 1], Values::Bytes(vec![7, 10, 8, 11, 9, 12])));
    }
    let part = |part: &str| {
        let [images, labels] = ["images", "labels"].map(|what| format!("{part}_{what}"));
        [(images, npy("|u1", "(1, 2, 2)", "False", &[0; 4])), (labels, npy("|u1", "(1, 1)", "False", &[1]))]
    };
    let files: Vec<_> = ["train", "val", "test"].into_iter().flat_map(part).collect();
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let dataset = load(&npz(&files, zip::CompressionMethod::Stored), "").unwrap();
    assert_eq!(
        (dataset.parts.validation.as_slice(), dataset.samples.images.form()),
        (&[1][..], Form::of([1, 2, 2]))
    );
}

#[test]
fn a_number_that_is_none_is_told_with_its_file_and_image() {
    for bad in [f32::NAN, f32::INFINITY] {
        let pixels = [0.0, 0.5, 1.0, 0.0, 0.0, bad, 0.0, 0.0];
        let pixels: Vec<u8> = pixels.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
        let files = [
            ("x_train", npy("<f4", "(2, 2, 2)", "False", &pixels)),
            ("y_train", npy("|u1", "(2,)", "False", &[0, 1])),
            ("x_test", npy("<f4", "(1, 2, 2)", "False", &pixels[..16])),
            ("y_test", npy("|u1", "(1,)", "False", &[0])),
        ];
        let fault = load_own(&npz(&files, zip::CompressionMethod::Stored), "").unwrap_err();
        assert!(fault.message.contains("a.npz"), "{fault}");
        assert!(fault.message.contains("`x_train` has a number that is not finite in image 1"), "{fault}");
    }
}

#[test]
fn own_names_are_given_and_floats_scaled() {
    let floats: Vec<u8> = [0.0f32, 2.0, 4.0, 255.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let files =
        [("digits", npy("<f4", "(1, 2, 2)", "False", &floats)), ("which", npy("|u1", "(1,)", "False", &[0]))];
    let bytes = npz(&files, zip::CompressionMethod::Stored);
    let fault = load(&bytes, "").unwrap_err();
    assert_eq!(fault.notes, ["there are: digits, which"]);
    let dataset = load(&bytes, "images=\"digits\" labels=\"which\" scale=2").unwrap();
    assert_eq!(dataset.samples.read(0).unwrap().image.values, Values::Numbers(vec![0.0, 1.0, 2.0, 127.5]));
    let fault = load(&bytes, "images=\"digits\" labels=\"gone\"").unwrap_err();
    assert!(fault.message.ends_with("has no array `gone`"), "{fault}");
}

#[test]
fn shapes_and_elements_tell_what_is_to_be_learnt() {
    let learnt = |own: Vec<u8>| {
        let files = [("x", npy("|u1", "(2, 2, 3)", "False", &[7; 12])), ("y", own)];
        let bytes = npz(&files, zip::CompressionMethod::Stored);
        load_own(&bytes, "images=\"x\" labels=\"y\"").unwrap().samples.targets
    };
    let floats: Vec<u8> = [0.5f32, -1.0, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let two = ["0", "1"].map(str::to_owned).to_vec();
    assert_eq!(
        learnt(npy("<f4", "(2, 2)", "False", &floats)),
        Targets::Numbers { names: two.clone(), values: vec![0.5, -1.0, 2.0, 3.0] }
    );
    assert_eq!(
        learnt(npy("|u1", "(2, 2)", "False", &[0, 1, 1, 0])),
        Targets::Labels { names: two.clone(), values: vec![0.0, 1.0, 1.0, 0.0] }
    );
    let mask = [0, 1, 0, 255, 1, 0, 0, 0, 0, 1, 1, 1];
    assert_eq!(
        learnt(npy("|u1", "(2, 2, 3)", "False", &mask)),
        Targets::Masks { names: two, masks: Images::Bytes { shape: [1, 2, 3], values: mask.to_vec() } }
    );
    assert!(matches!(learnt(npy("|u1", "(2, 2, 3, 3)", "False", &[0; 36])), Targets::Images(_)));
}

#[test]
fn signals_of_any_layout_are_channel_by_channel() {
    let whole: Vec<u8> = [10i16, 20, 30, -40, 50, 60].iter().flat_map(|x| x.to_le_bytes()).collect();
    let signals = |shape: &str, arguments: &str| {
        let files = [("x", npy("<i2", shape, "False", &whole)), ("y", npy("|u1", "(1,)", "False", &[0]))];
        let bytes = npz(&files, zip::CompressionMethod::Stored);
        let dataset = load(&bytes, &format!("images=\"x\" labels=\"y\" scale=10 {arguments}"))?;
        assert_eq!(dataset.samples.read(0)?.image.height, 1);
        let Images::Signals { shape, values } = dataset.samples.images else { panic!("signals") };
        Ok::<_, Fault>((<[usize; 2]>::try_from(shape.dims()).unwrap(), values))
    };
    let straight = vec![1.0, 2.0, 3.0, -4.0, 5.0, 6.0];
    let turned = vec![1.0, 3.0, 5.0, 2.0, -4.0, 6.0];
    assert_eq!(signals("(1, 6)", "").unwrap(), ([1, 6], straight.clone()));
    assert_eq!(signals("(1, 1, 6)", "").unwrap(), ([1, 6], straight.clone()));
    for arguments in ["layout=ncl", "image=2x3"] {
        assert_eq!(signals("(1, 2, 3)", arguments).unwrap(), ([2, 3], straight.clone()), "{arguments}");
    }
    for arguments in ["layout=nlc", "image=2x3"] {
        assert_eq!(signals("(1, 3, 2)", arguments).unwrap(), ([2, 3], turned.clone()), "{arguments}");
    }
    let fault = signals("(1, 6)", "layout=nchw").unwrap_err();
    assert!(fault.message.contains("does not go with `layout=nchw`"), "{fault}");
    let said = section("source arrays \"a\" classes=3 image=1x8\nnormalize auto\nresize 4").err().unwrap();
    assert_eq!(said, ["E0401 `resize` changes images, but signals (1x8) arrive"]);
    let taken =
        section("source arrays \"a\" classes=3 image=1x8\nnormalize mean=20 std=3\naugment { random_flip }");
    assert_eq!(taken.unwrap().shape(), Some(crate::shape::Shape::from([1, 8])));
}

/// A whole number for each value of a signal is neither labels nor a mask, unless it is said to be labels.
#[test]
fn signals_have_no_masks() {
    let load = |shape: &str, arguments: &str| {
        let files = [
            ("x", npy("|u1", "(2, 2, 3)", "False", &[7; 12])),
            ("y", npy("|u1", shape, "False", &[0, 1, 1, 0, 0, 1])),
        ];
        let bytes = npz(&files, zip::CompressionMethod::Stored);
        load_own(&bytes, &format!("images=\"x\" labels=\"y\" layout=ncl {arguments}"))
    };
    for shape in ["(2, 3)", "(2, 1, 3)"] {
        let fault = load(shape, "").unwrap_err();
        assert!(fault.message.ends_with("but signals have no masks"), "{fault}");
    }
    let labels = load("(2, 3)", "task=labels names=[a, b, c]").unwrap();
    assert_eq!((labels.samples.targets.task(), labels.samples.row(0)), (Task::Labels, &[0.0, 1.0, 1.0][..]));
    let said = section("source arrays \"a\" classes=3 image=1x8 task=masks").err().unwrap();
    assert_eq!(said, ["E0205 signals have no masks: the class of each value cannot be learnt"]);
}

#[test]
fn a_file_of_signals_holds_one_or_several() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let read = |shape: &str, wanted: [usize; 2]| {
        std::fs::write(&path, npy("|u1", shape, "False", &[1, 2, 3, 4, 5, 6])).unwrap();
        super::signals(&path, &wanted.into())
    };
    assert_eq!(read("(6,)", [1, 6]).unwrap(), [vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]);
    assert_eq!(read("(2, 3)", [1, 3]).unwrap(), [vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]);
    assert_eq!(read("(2, 3)", [3, 2]).unwrap(), [vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]]);
    assert_eq!(read("(1, 2, 3)", [2, 3]).unwrap().len(), 1);
    let fault = read("(2, 3)", [2, 4]).unwrap_err();
    assert!(fault.message.ends_with("has the shape 2x3, but the model takes signals of 2x4"), "{fault}");
    assert!(super::signals(&folder.path().join("a.txt"), &[1, 6].into()).is_err());
}

#[test]
fn names_are_those_of_classes_labels_and_numbers() {
    let named = |own: Vec<u8>, arguments: &str| {
        let files = [("x", npy("|u1", "(2, 2, 3)", "False", &[7; 12])), ("y", own)];
        let bytes = npz(&files, zip::CompressionMethod::Stored);
        load_own(&bytes, &format!("images=\"x\" labels=\"y\" {arguments}"))
    };
    let classes = || npy("|u1", "(2,)", "False", &[1, 0]);
    assert_eq!(named(classes(), "names=[cat, dog, owl]").unwrap().classes(), ["cat", "dog", "owl"]);
    let labels = npy("|u1", "(2, 2)", "False", &[1, 0, 0, 1]);
    assert_eq!(named(labels.clone(), "names=[cat, dog]").unwrap().classes(), ["cat", "dog"]);
    assert!(named(labels, "names=[cat]").unwrap_err().message.ends_with("has 2 for each image, not 1"));
    assert!(named(classes(), "names=[cat]").unwrap_err().message.contains("has the label 1"));
}

#[test]
fn arrays_that_cannot_be_meant_are_refused() {
    let message = |at: usize, own: Vec<u8>| {
        let mut files = keras();
        files[at].1 = own;
        let fault = load(&npz(&files, zip::CompressionMethod::Deflated), "").unwrap_err();
        assert!(!fault.remedies.is_empty(), "{fault}");
        fault.message
    };
    assert!(message(1, npy("|u1", "(3,)", "False", &[0; 3])).ends_with("has 2 rows, but `y_train` has 3"));
    assert!(message(1, npy("|i1", "(2,)", "False", &[0, 255])).ends_with("has the label -1 for image 1"));
    assert!(
        message(1, npy("<i8", "(2, 1, 1, 1, 1)", "False", &[0; 16])).contains("which fits no kind of target")
    );
    assert!(message(1, npy("|u1", "(2, 2)", "False", &[0, 1, 2, 0])).ends_with("has 2 for image 1"));
    assert!(
        message(0, npy("|u1", "(2, 1, 1, 3)", "False", &[0; 6]))
            .contains("either axis could be the channels")
    );
    assert!(message(0, npy("|u1", "(2,)", "False", &[0; 2])).contains("images are NxHxW"));
    assert!(message(2, npy("|u1", "(1, 5, 1, 3)", "False", &[0; 15])).contains("of 3x5x1, not 3x2x1"));
}

/// Whatever bit of an archive is wrong, it is refused or read as it was: its parts have checksums.
#[test]
fn damaged_archives_are_refused_or_as_they_were() {
    let whole = npz(&keras(), zip::CompressionMethod::Deflated);
    let expected = load(&whole, "").unwrap();
    for end in (0..whole.len()).step_by(7) {
        assert!(load(&whole[..end], "").is_err(), "cut at {end}");
    }
    let mut refused = 0;
    for at in (0..whole.len()).step_by(3) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        match load(&damaged, "") {
            Ok(found) => assert_eq!(found, expected, "{at}"),
            Err(fault) => {
                assert!(!fault.remedies.is_empty(), "{at}: {fault}");
                refused += 1;
            }
        }
    }
    assert!(refused > whole.len() / 12, "{refused}");
}

#[test]
fn volumes_of_any_layout_are_channel_by_channel() {
    let whole: Vec<u8> = (1..=12).collect();
    let volumes = |shape: &str, arguments: &str| {
        let n: usize = if shape.starts_with("(2") { 2 } else { 1 };
        let files = [
            ("x", npy("|u1", shape, "False", &whole)),
            ("y", npy("|u1", &format!("({n},)"), "False", &vec![0; n])),
        ];
        let bytes = npz(&files, zip::CompressionMethod::Stored);
        let dataset = load(&bytes, &format!("images=\"x\" labels=\"y\" {arguments}"))?;
        let image = dataset.samples.read(0)?.image;
        let Values::Numbers(numbers) = image.clone().values else { panic!("bytes") };
        Ok::<_, Fault>((dataset.samples.images.form().to_string(), image.extents(), numbers))
    };
    let rising = |n: usize| (1..=n).map(|x| x as f32).collect::<Vec<f32>>();
    assert_eq!(volumes("(1, 1, 2, 2, 3)", "").unwrap(), ("1x2x2x3".to_owned(), [1, 4, 3], rising(12)));
    assert_eq!(volumes("(1, 2, 3, 2, 1)", "").unwrap(), ("2x3x2x1".to_owned(), [2, 6, 1], rising(12)));
    for arguments in ["layout=ndhw", "image=1x1x2x3"] {
        assert_eq!(volumes("(2, 1, 2, 3)", arguments).unwrap(), ("1x1x2x3".to_owned(), [1, 2, 3], rising(6)));
    }
    let turned = vec![1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0];
    for arguments in ["layout=ndhwc", "image=2x1x2x3"] {
        assert_eq!(volumes("(1, 1, 2, 3, 2)", arguments).unwrap().2, turned, "{arguments}");
    }
    let fault = volumes("(1, 2, 3, 2)", "").unwrap_err();
    assert!(fault.remedies.iter().any(|remedy| format!("{remedy:?}").contains("layout=ndhw")), "{fault:?}");
    let fault = volumes("(1, 12)", "layout=ndhw").unwrap_err();
    assert!(fault.message.contains("does not go with `layout=ndhw`"), "{fault}");
    let said =
        section("source arrays \"a\" classes=3 image=1x8x8x8\nnormalize auto\nresize 4").err().unwrap();
    assert_eq!(said, ["E0401 `resize` changes images, but volumes (1x8x8x8) arrive"]);
    let said = section("source arrays \"a\" classes=3 image=1x8x8x8 task=masks").err().unwrap();
    assert_eq!(said, ["E0205 volumes have no masks: the class of each value cannot be learnt"]);
}

#[test]
fn a_file_of_volumes_holds_one_or_several() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let read = |shape: &str, wanted: [usize; 4]| {
        std::fs::write(&path, npy("|u1", shape, "False", &(1..=16).collect::<Vec<u8>>())).unwrap();
        super::signals(&path, &wanted.into())
    };
    assert_eq!(read("(2, 2, 2, 2)", [2, 2, 2, 2]).unwrap().len(), 1);
    assert_eq!(read("(2, 2, 2, 2)", [1, 2, 2, 2]).unwrap().len(), 2);
    assert_eq!(read("(4, 1, 2, 2)", [2, 4, 1, 2]).unwrap()[0][..3], [1.0, 3.0, 5.0]);
    let fault = read("(4, 2, 2)", [1, 2, 2, 2]).unwrap_err();
    assert!(
        fault.message.ends_with("has the shape 4x2x2, but the model takes volumes of 1x2x2x2"),
        "{fault}"
    );
}
