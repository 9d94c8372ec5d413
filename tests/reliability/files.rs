//! Files that were cut, lengthened, or changed in places: data sets, pictures and weights give a clear error or the right
//! answer, never a panic, and never memory or time on the word of a header.

use std::io::{Cursor, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use dslc::data::{Dataset, Wanted};
use dslc::run::{Backend, Cpu};
use dslc::tensor::random::Random;
use dslc::train::checkpoint::{Card, Weights, save};
use dslc::train::program::inference_graph;
use dslc::{Device, Fault, Predictor};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use tempfile::TempDir;

use crate::support::check;

/// What is done to a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    Cut,
    Lengthened,
    /// Some bits turned over.
    Flipped,
    /// A piece is gone.
    Holed,
    /// A piece is zeros.
    Zeroed,
}

pub const ALL: [Damage; 5] =
    [Damage::Cut, Damage::Lengthened, Damage::Flipped, Damage::Holed, Damage::Zeroed];

/// The bytes with one of all damages, the `i`th of those to a file of this name; never the bytes themselves.
pub fn damaged(bytes: &[u8], name: &str, i: u32) -> (Damage, Vec<u8>) {
    let mut random = Random::new(7, name, i);
    let damage = ALL[i as usize % ALL.len()];
    let n = bytes.len() as u32;
    let mut out = bytes.to_vec();
    let at = random.below(n) as usize;
    // Headers are short, and worth as many tries as all the rest.
    let at = if random.below(2) == 0 { at % 64.min(bytes.len()) } else { at };
    let end = (at + 1 + random.below(40) as usize).min(bytes.len());
    match damage {
        Damage::Cut => out.truncate(at),
        Damage::Lengthened => out.extend((0..1 + random.below(40)).map(|_| random.below(256) as u8)),
        Damage::Flipped => (0..1 + random.below(3)).for_each(|_| {
            out[(at + random.below(8) as usize) % bytes.len()] ^= 1 << random.below(8);
        }),
        Damage::Holed => drop(out.drain(at..end)),
        Damage::Zeroed => out[at..end].fill(0),
    }
    if out == bytes {
        out[at] ^= 0x80;
    }
    (damage, out)
}

/// A fault that a person can act on.
pub fn is_clear(fault: &Fault, what: &str) {
    assert!(!fault.remedies.is_empty(), "{what}: no remedy: {fault}");
    assert!(fault.code != "E0900", "{what}: {fault}");
    assert!(fault.message.len() > 12 && !fault.message.contains('\n'), "{what}: {fault}");
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn idx(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let head = [0, 0, 8, dims.len() as u8];
    [&head[..], &dims.iter().flat_map(|dim| dim.to_be_bytes()).collect::<Vec<u8>>(), bytes].concat()
}

/// A small data set in MNIST's format, each file's name with its bytes before packing.
fn data_set() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (split, n) in [("train", 24u32), ("t10k", 12)] {
        let pixels: Vec<u8> = (0..n * 784).map(|i| (i.wrapping_mul(2_654_435_761 + n) >> 24) as u8).collect();
        let labels: Vec<u8> = (0..n).map(|i| (i % 10) as u8).collect();
        files.push((format!("{split}-images-idx3-ubyte"), idx(&[n, 28, 28], &pixels)));
        files.push((format!("{split}-labels-idx1-ubyte"), idx(&[n], &labels)));
    }
    files
}

fn load(folder: &Path) -> Result<Dataset, Fault> {
    let (experiment, _) = check("data { source mnist \"d\" }");
    let data = experiment.data.unwrap();
    let args = data.args.with("path", &dslc::spec::Arg::Text(folder.display().to_string()));
    data.source.load(&args, Path::new(""), Wanted::All)
}

fn written(files: &[(String, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
    folder
}

#[test]
fn damaged_data_sets_are_refused_by_the_file_s_name() {
    let plain = data_set();
    let packed: Vec<_> = plain.iter().map(|(name, bytes)| (format!("{name}.gz"), gzip(bytes))).collect();
    let whole = load(written(&plain).path()).unwrap();
    for (files, is_packed) in [(plain, false), (packed, true)] {
        let folder = written(&files);
        assert_eq!(load(folder.path()).unwrap(), whole);
        for (name, bytes) in &files {
            let path = folder.path().join(name);
            for i in 0..60 {
                let (damage, content) = damaged(bytes, name, i);
                let what = format!("{name}, {damage:?} {i}");
                std::fs::write(&path, content).unwrap();
                match load(folder.path()) {
                    Err(fault) => {
                        is_clear(&fault, &what);
                        assert!(fault.message.contains(name.as_str()), "{what}: {fault}");
                    }
                    // The sum behind a packed file covers its content, not the name and time in front of it.
                    Ok(found) if is_packed => assert_eq!(found, whole, "{what}"),
                    Ok(found) => {
                        assert!(
                            ![Damage::Cut, Damage::Lengthened, Damage::Holed].contains(&damage),
                            "{what}"
                        );
                        assert_eq!((found.parts.train.len(), found.parts.test.len()), (24, 12), "{what}");
                    }
                }
            }
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

/// 2 MB that would unpack to 2 GiB: each member of the stream is 16 MiB of zeros.
#[test]
fn a_bomb_is_refused_by_its_header() {
    let mut files = data_set();
    let member = gzip(&vec![0; 1 << 24]);
    let head = gzip(&idx(&[2_700_000, 28, 28], &[]));
    files[0] = ("train-images-idx3-ubyte.gz".to_owned(), [head, member.repeat(126)].concat());
    assert!(files[0].1.len() < 2_500_000);
    let start = Instant::now();
    let fault = load(written(&files).path()).unwrap_err();
    assert!(fault.message.contains("holds 2700000 images, but"), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

const NET: &str = "model Small {
    input 1x28x28
    conv2d 2 4x4 stride=4 -> batch_norm -> relu
    flatten -> linear 3
}
data { source mnist \"data\" classes=3; normalize mean=0.13 std=0.31 }
train { loss cross_entropy; optimizer sgd lr=0.1; epochs 1; batch 4; seed 5 }
";

/// The bytes of a weights file of [`NET`] as it is before the first step, or with every parameter at one number.
pub fn weights(parameter: Option<f32>, card: Card) -> Vec<u8> {
    let (experiment, found) = check(NET);
    assert!(!dslc::diag::has_errors(&found), "{found:#?}");
    let graph = inference_graph(experiment.model.as_ref().unwrap(), 1).unwrap();
    let mut session = Cpu.compile(vec![graph]).unwrap().start(5).unwrap();
    for state in session.states().to_vec() {
        if let Some(number) = parameter {
            session.write_state(&state.name, &vec![number; state.shape.elements()]).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    save(&path, &session, &card).unwrap();
    std::fs::read(path).unwrap()
}

/// What the weights say of themselves.
pub fn card() -> Card {
    let classes = ["cat", "dog", "owl"].map(str::to_owned).to_vec();
    Card { model: "Small".to_owned(), source: NET.to_owned(), classes, ..Card::default() }
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn damaged_pictures_are_refused_or_answered() {
    let grey: DynamicImage = GrayImage::from_fn(28, 28, |x, y| Luma([(x * 9 + y * y) as u8])).into();
    let colours: DynamicImage =
        RgbImage::from_fn(40, 33, |x, y| Rgb([(x * 6) as u8, (y * 7) as u8, (x * y) as u8])).into();
    let progressive = include_bytes!("../fixtures/progressive.jpg").to_vec();
    let mut predictor = Predictor::from_bytes(weights(None, card()), Device::Cpu).unwrap();
    let files = [
        ("grey.png", encoded(&grey, ImageFormat::Png)),
        ("colours.png", encoded(&colours, ImageFormat::Png)),
        ("grey.jpg", encoded(&grey, ImageFormat::Jpeg)),
        ("colours.jpg", encoded(&colours, ImageFormat::Jpeg)),
        ("progressive.jpg", progressive),
    ];
    for (name, bytes) in files {
        let whole = predictor.picture(&bytes).unwrap();
        let mut n_refused = 0;
        for i in 0..150 {
            let (damage, content) = damaged(&bytes, name, i);
            let what = format!("{name}, {damage:?} {i}");
            match predictor.picture(&content) {
                Err(fault) => {
                    is_clear(&fault, &what);
                    assert!(damage != Damage::Lengthened, "{what}: {fault}");
                    n_refused += 1;
                }
                Ok(answer) => {
                    assert!(damage != Damage::Cut, "{what}");
                    // JPEG has no checksum: a changed bit is another picture.
                    if name.ends_with(".png") || damage == Damage::Lengthened {
                        assert_eq!(answer, whole, "{what}");
                    }
                }
            }
        }
        assert!(n_refused >= 40, "{name}: {n_refused} refused");
    }
}

#[test]
fn damaged_weights_are_refused_or_as_they_were() {
    let bytes = weights(None, card());
    let picture = encoded(&GrayImage::from_fn(28, 28, |x, _| Luma([(x * 9) as u8])).into(), ImageFormat::Png);
    let answer = |bytes: Vec<u8>| Predictor::from_bytes(bytes, Device::Cpu)?.picture(&picture);
    let whole = answer(bytes.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    for i in 0..300 {
        let (damage, content) = damaged(&bytes, "weights", i);
        let what = format!("weights, {damage:?} {i}");
        std::fs::write(&path, &content).unwrap();
        match answer(content) {
            Err(fault) => {
                is_clear(&fault, &what);
                if let Err(fault) = Weights::open(&path) {
                    assert!(fault.message.contains("w.safetensors"), "{what}: {fault}");
                }
            }
            // The header has no checksum: a name or a number of the description may have changed.
            Ok(found) => {
                assert!([Damage::Flipped, Damage::Zeroed].contains(&damage), "{what}");
                assert_eq!(found.shape, whole.shape, "{what}");
            }
        }
    }
}
