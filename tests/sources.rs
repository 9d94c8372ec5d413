//! Data sets in the formats that Python's libraries write (`fixtures/sources.py`): read as those read them.

use std::path::{Path, PathBuf};

use dslc::data::sample::{Image, Target, Values};
use dslc::data::{Dataset, Wanted};
use dslc::diag::has_errors;
use dslc::{Fault, data};
use serde_json::Value;

use crate::support::check;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sources").join(name)
}

/// What a `source` line reads, whose paths lie among the fixtures.
pub fn load(line: &str) -> Result<Dataset, Fault> {
    let (experiment, found) = check(&format!("data {{ source {line} }}"));
    assert!(!has_errors(&found), "{line}: {found:?}");
    let section = experiment.data.unwrap();
    let looked = section.source.look(&section.args, &fixture(""))?.unwrap();
    let dataset = section.source.load(&section.args, &fixture(""), Wanted::All)?;
    assert_eq!(looked.classes, Some(dataset.classes().len()), "{line}");
    if let Some(parts) = looked.parts {
        let own = &dataset.parts;
        assert_eq!(parts, [&own.train, &own.validation, &own.test].map(Vec::len), "{line}");
    }
    Ok(dataset)
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

fn bytes(image: &Image) -> Vec<u8> {
    match &image.values {
        Values::Bytes(bytes) => bytes.clone(),
        Values::Numbers(_) => panic!("numbers"),
    }
}

/// Names, classes and pixels, in order.
fn all(dataset: &Dataset) -> Vec<(String, u32, Vec<u8>)> {
    let one = |index: u32| {
        let image = dataset.samples.read(index).unwrap().image;
        (dataset.samples.key(index), dataset.samples.class(index), bytes(&image))
    };
    (0..dataset.samples.len() as u32).map(one).collect()
}

#[test]
fn the_same_pictures_are_the_same_samples_in_every_format() {
    let folder = load("folder \"pictures\"").unwrap();
    assert_eq!(
        (folder.parts.train.len(), folder.parts.test.len(), folder.classes()),
        (12, 6, &["ant", "bee", "cow"].map(str::to_owned)[..])
    );
    let expected = all(&folder);
    for line in [
        "table \"pictures/labels.csv\" image=file label=kind part=part",
        "table \"pictures/labels.jsonl\" image=file label=kind part=part",
        "webdataset \"*-0.tar\" label=kind",
        "webdataset \"*-0.tar\"",
        "parquet \"parquet/snappy\"",
        "parquet \"parquet/zstd/*.parquet\"",
        "parquet \"parquet/gzip\" label=kind",
        "parquet \"parquet/none\"",
    ] {
        let dataset = load(line).unwrap();
        assert_eq!(dataset.parts, folder.parts, "{line}");
        let found = all(&dataset);
        assert!(found == expected, "{line}: {:?}", found.iter().map(|own| &own.0).collect::<Vec<_>>());
        let is_numbered = line == "webdataset \"*-0.tar\"";
        assert_eq!(dataset.classes()[1], if is_numbered { "1" } else { "bee" }, "{line}");
    }
}

#[test]
fn names_of_any_length_and_bytes_without_names_are_read() {
    for name in ["long-pax.tar", "long-gnu.tar"] {
        let dataset = load(&format!("webdataset \"{name}\" label=txt")).unwrap();
        assert_eq!((dataset.samples.key(0).len(), dataset.classes()), (156, &["ä".to_owned()][..]));
    }
    let plain = load("parquet \"parquet/plain.parquet\" image=picture label=kind").unwrap();
    assert_eq!(plain.samples.len(), 6);
    assert!(plain.samples.key(0).starts_with("plain-"));
    let stated = load("webdataset \"train-0.tar\" classes=5").unwrap();
    assert_eq!(stated.classes(), ["0", "1", "2", "3", "4"]);
    for (line, said) in [
        ("parquet \"parquet/brotli.parquet\" image=picture label=kind", "is compressed with Brotli"),
        ("parquet \"parquet/plain.parquet\" label=kind", "has no column `image`"),
        ("webdataset \"train-0.tar\" label=nothing", "without a class"),
        ("webdataset \"train-0.tar\" image=gif", "without a picture"),
    ] {
        let fault = load(line).unwrap_err();
        assert!(fault.message.contains(said) && !fault.remedies.is_empty(), "{line}: {fault}");
    }
}

#[test]
fn pictures_of_every_kind_are_what_pillow_reads() {
    let expected = json("kinds.json");
    let mut wrong = Vec::new();
    for (name, own) in expected.as_object().unwrap() {
        let bytes_of = std::fs::read(fixture("kinds").join(name)).unwrap();
        let picture = match data::decode::decode(&bytes_of) {
            Ok(picture) => picture,
            Err(fault) => {
                wrong.push(format!("{name}: {fault}"));
                continue;
            }
        };
        let image = data::picture::pixels(&picture, 3);
        let size = [image.height, image.width];
        let pixels: Vec<i64> =
            own["pixels"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
        // JPEG decoders round differently, and so do Pillow's sums of what is laid on white.
        let most = match own["exact"].as_bool().unwrap() {
            true => i64::from(name.contains("alpha") || name.contains("raw")),
            false => 4,
        };
        let far = bytes(&image).iter().zip(&pixels).map(|(a, b)| (i64::from(*a) - b).abs()).max().unwrap();
        if far > most || Value::from(size.to_vec()) != own["size"] {
            wrong.push(format!("{name}: {size:?}, {far}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    let refused =
        data::decode::decode(&std::fs::read(fixture("kinds/refused-palette.tif")).unwrap()).unwrap_err();
    assert!(refused.message.contains("not read") && !refused.remedies.is_empty(), "{refused}");
}

#[test]
fn cifars_pickles_are_read_packed_and_unpacked() {
    let dataset = load("cifar10 \"cifar-10-python.tar.gz\"").unwrap();
    assert_eq!((dataset.parts.train.len(), dataset.parts.test.as_slice()), (3, &[3][..]));
    assert_eq!([0, 1, 2, 3].map(|i| dataset.samples.class(i)), [3, 9, 0, 7]);
    assert_eq!(dataset.classes()[3], "d");
    let pixels = |index: u32| bytes(&dataset.samples.read(index).unwrap().image);
    assert!(pixels(1).iter().enumerate().all(|(at, byte)| usize::from(*byte) == (at + 3072) % 251));
    assert_eq!(pixels(0), pixels(3));
    let fine = load("cifar100 \"cifar-100-python\"").unwrap();
    assert_eq!([0, 1, 2].map(|i| fine.samples.class(i)), [19, 99, 1]);
    let coarse = load("cifar100 \"cifar-100-python\" labels=coarse").unwrap();
    assert_eq!([0, 1, 2].map(|i| coarse.samples.class(i)), [11, 0, 4]);
}

/// Labels, tags, numbers, masks and pictures beside pictures (`fixtures/targets.py`), in tar and in Parquet.
#[test]
fn every_target_is_read_from_tar_and_parquet() {
    let expected = json("../targets/expected.json");
    let column = |name: &str| -> Vec<f32> {
        let number = |x: &Value| x.as_f64().unwrap_or(f64::from(u8::from(x == &Value::Bool(true)))) as f32;
        expected[name].as_array().unwrap().iter().map(number).collect()
    };
    let plane = |name: &str, i: usize| -> Vec<u8> {
        expected[name][i].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u8).collect()
    };
    for (path, seg, clean) in [
        ("webdataset \"../targets/all.tar\"", "\"seg.png\"", "\"clean.png\""),
        ("parquet \"../targets/v1.parquet\"", "mask", "clean"),
        ("parquet \"../targets/v2.parquet\"", "mask", "clean"),
    ] {
        let rows = |arguments: &str| {
            let dataset = load(&format!("{path} {arguments}")).unwrap();
            assert_eq!(dataset.samples.len(), 6, "{path}");
            let image = dataset.samples.read(5).unwrap().image;
            assert_eq!(bytes(&image), plane("image", 5), "{path} {arguments}");
            let column = |at: usize| (0..6).map(|i| dataset.samples.row(i)[at]).collect::<Vec<f32>>();
            (dataset.classes().to_vec(), (0..dataset.classes().len()).map(column).collect::<Vec<_>>())
        };
        let (_, flags) = rows("labels=[cat, dog]");
        assert_eq!(flags, [column("cat"), column("dog")], "{path}");
        let (names, tags) = rows("labels=tags");
        assert_eq!((names.as_slice(), &tags[0]), (&["sea", "sun"].map(str::to_owned)[..], &column("cat")));
        assert_eq!(tags[1], [0.0, 1.0, 0.0, 0.0, 0.0, 1.0], "{path}");
        let (_, numbers) = rows("target=[y, x, age]");
        assert_eq!(numbers, [column("y"), column("x"), column("age")], "{path}");
        let masks = load(&format!("{path} mask={seg} classes=3")).unwrap();
        let Target::Mask(mask) = masks.samples.read(2).unwrap().target else { panic!("a mask") };
        assert_eq!((masks.classes().len(), bytes(&mask)), (3, plane("mask", 2)), "{path}");
        let (experiment, found) = check(&format!("data {{ source {path} output={clean} outputs=1 }}"));
        assert!(!has_errors(&found), "{found:?}");
        let section = experiment.data.unwrap();
        let pairs = section.source.load(&section.args, &fixture(""), Wanted::All).unwrap();
        let Target::Image(image) = pairs.samples.read(3).unwrap().target else { panic!("an image") };
        assert_eq!(bytes(&image), plane("clean", 3), "{path}");
        // A class beside them, too: here of whole numbers.
        assert_eq!(load(&format!("{path} label=age")).unwrap().classes().len(), 6, "{path}");
        let told = |arguments: &str| load(&format!("{path} {arguments}")).unwrap_err();
        let missing = told("target=[height]");
        assert!(missing.message.contains("`height`") && !missing.remedies.is_empty(), "{missing}");
        let wrong = told("target=tags");
        assert!(wrong.message.contains("in `tags`"), "{wrong}");
        assert!(told("mask=\"gone.png\" classes=3").message.contains("gone.png"));
        let fault = load(&format!("{path} mask={seg} classes=2")).unwrap().samples.read(2).unwrap_err();
        assert!(fault.message.contains("a/02"), "{fault}");
    }
    let (_, found) = check("data { source webdataset \"a.tar\" mask=\"seg.png\" classes=2 target=x }");
    assert!(found.iter().any(|own| own.message.starts_with("only one of `label`")), "{found:?}");
}

/// Columns of lists (`fixtures/targets.py`), empty, missing and with missing values, in both kinds of pages.
#[test]
fn columns_of_lists_are_labels_and_numbers() {
    let expected = json("../targets/expected.json");
    let column = |name: &str| -> Vec<f32> {
        expected[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
    };
    for name in ["lists1", "lists2"] {
        let line = |arguments: &str| format!("parquet \"../targets/{name}.parquet\" {arguments}");
        let rows = |arguments: &str| {
            let dataset = load(&line(arguments)).unwrap();
            let row = |i: u32| dataset.samples.row(i).to_vec();
            (dataset.classes().to_vec(), (0..6).map(row).collect::<Vec<_>>())
        };
        let (names, tags) = rows("labels=tags");
        assert_eq!(names, ["sea", "sun"], "{name}");
        assert_eq!(tags, [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], "{name}");
        // In the order of the file's own names, of which one never comes.
        let (names, kinds) = rows("labels=kinds");
        assert_eq!(names, ["cow", "ant", "bee", "none"], "{name}");
        assert_eq!(kinds[..2], [[1.0, 0.0, 1.0, 0.0], [0.0; 4]], "{name}");
        assert_eq!((kinds[3][1], &kinds[4]), (1.0, &vec![1.0, 1.0, 1.0, 0.0]), "{name}");
        let (names, large) = rows("labels=large");
        assert_eq!((names.as_slice(), &large[4]), (&["0", "1", "2"].map(str::to_owned)[..], &vec![1.0; 3]));
        let (names, corners) = rows("target=corners");
        assert_eq!(names, ["corners.0", "corners.1", "corners.2", "corners.3"], "{name}");
        let [x, y] = ["x", "y"].map(column);
        for i in 0..6 {
            assert_eq!(corners[i], [x[i], y[i], i as f32, 0.5], "{name}");
        }
        let (_, point) = rows("target=point classes=2");
        assert_eq!(point[5], [x[5], y[5]], "{name}");
        for (arguments, said) in [
            ("target=ragged", "has 2 numbers in `ragged`, and the first row 1 in row 1"),
            ("target=holes", "has `` in `holes` in row 0"),
            ("target=[point, corners]", "has a list in `point` in row 0"),
            ("target=deep", "has lists of lists in the column `deep`"),
            ("label=large", "has a list in `large` in row 0"),
            ("label=kinds", "has a list in `kinds` in row 0"),
            ("image=large labels=tags", "has lists in the column `large`"),
        ] {
            let fault = load(&line(arguments)).unwrap_err();
            assert!(fault.message.ends_with(said) && !fault.remedies.is_empty(), "{arguments}: {fault}");
        }
    }
    // Lists in JSON are the same.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.jsonl");
    std::fs::write(&path, "{\"image\": \"a.png\", \"at\": [1, 2.5, -3]}\n").unwrap();
    image::GrayImage::new(2, 2).save(folder.path().join("a.png")).unwrap();
    let dataset = load(&format!("table \"{}\" target=at", path.display())).unwrap();
    assert_eq!((dataset.classes().len(), dataset.samples.row(0)), (3, &[1.0, 2.5, -3.0][..]));
}

#[test]
fn arrays_of_every_kind_are_what_numpy_wrote() {
    let expected = json("arrays.json");
    let row = |name: &str, i: usize| -> Vec<f64> {
        expected[name][i].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    for (name, scale) in [
        ("nhwc", 1.0),
        ("nhwc-fortran", 1.0),
        ("nchw", 1.0),
        ("nchw-turned", 1.0),
        ("int64-big", 1.0),
        ("int16", 1.0),
        ("float-big", 1.0),
        ("half", 1.0),
    ] {
        let dataset = load(&format!("arrays \"arrays/{name}.npz\"")).unwrap();
        assert_eq!((dataset.samples.len(), dataset.parts.test.as_slice()), (4, &[3][..]), "{name}");
        assert_eq!([0, 1, 2, 3].map(|i| dataset.samples.class(i)), [0, 2, 1, 0], "{name}");
        for i in 0..3 {
            let found: Vec<f64> = match dataset.samples.read(i).unwrap().image.values {
                Values::Bytes(bytes) => bytes.into_iter().map(f64::from).collect(),
                Values::Numbers(numbers) => numbers.into_iter().map(|x| f64::from(x) * scale).collect(),
            };
            assert_eq!(found, row("images", i as usize), "{name} {i}");
        }
    }
    let signals = load("arrays \"arrays/signals.npz\" layout=ncl").unwrap();
    let Values::Numbers(found) = signals.samples.read(2).unwrap().image.values else { panic!("bytes") };
    let found: Vec<f64> = found.into_iter().map(f64::from).collect();
    assert_eq!((signals.samples.images.form().to_string(), found), ("2x6".to_owned(), row("signals", 2)));
    let med = load("arrays \"arrays/medmnist.npz\"").unwrap();
    assert_eq!(
        (med.parts.validation.as_slice(), med.samples.images.form().to_string()),
        (&[3, 4, 5][..], "1x4x5".to_owned())
    );
}
