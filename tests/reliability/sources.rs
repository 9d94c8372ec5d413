//! Damaged and hostile files of every kind of data set: a clear error or the right samples, and neither memory nor time on the
//! word of a header.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dslc::data::{Dataset, Wanted};
use dslc::diag::has_errors;
use dslc::{Fault, data};

use crate::reliability::files::{Damage, damaged, gzip, is_clear};
use crate::sources::fixture;
use crate::support::check;

/// What a `source` line finds, looked at and read whole.
fn load(line: &str) -> Result<Dataset, Fault> {
    let (experiment, found) = check(&format!("data {{ source {line} }}"));
    assert!(!has_errors(&found), "{line}: {found:?}");
    let section = experiment.data.unwrap();
    section.source.look(&section.args, Path::new(""))?;
    let dataset = section.source.load(&section.args, Path::new(""), Wanted::All)?;
    for index in 0..dataset.samples.len() as u32 {
        dataset.samples.read(index)?;
    }
    Ok(dataset)
}

/// A file with what lies beside it, in a folder of its own.
fn copied(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(Path::new(name).file_name().unwrap());
    std::fs::copy(fixture(name), &path).unwrap();
    (folder, path)
}

#[test]
fn damaged_files_of_every_kind_are_refused_or_read() {
    for (name, line, n) in [
        ("train-0.tar", "webdataset \"PATH\"\nlabel=kind", 60),
        ("long-pax.tar", "webdataset \"PATH\" label=txt", 60),
        ("parquet/snappy/train-00000-of-00001.parquet", "parquet \"PATH\"", 120),
        ("parquet/zstd/train-00000-of-00001.parquet", "parquet \"PATH\"", 80),
        ("parquet/gzip/train-00000-of-00001.parquet", "parquet \"PATH\"", 60),
        ("parquet/none/train-00000-of-00001.parquet", "parquet \"PATH\"", 60),
        ("cifar-10-python.tar.gz", "cifar10 \"PATH\"", 60),
        ("arrays/nhwc.npz", "arrays \"PATH\"", 60),
        ("arrays/float-big.npz", "arrays \"PATH\"", 30),
        ("arrays/signals.npz", "arrays \"PATH\" layout=ncl", 60),
        ("../targets/all.tar", "webdataset \"PATH\" mask=\"seg.png\" classes=3", 40),
        ("../targets/all.tar", "webdataset \"PATH\" target=[x, y]", 40),
        ("../targets/v1.parquet", "parquet \"PATH\" mask=mask classes=3", 40),
        ("../targets/lists1.parquet", "parquet \"PATH\" labels=kinds", 80),
        ("../targets/lists2.parquet", "parquet \"PATH\" target=corners", 80),
        ("pictures/labels.csv", "table \"PATH\" image=file label=kind part=part", 30),
        ("pictures/labels.jsonl", "table \"PATH\" image=file label=kind part=part", 30),
    ] {
        let (_folder, path) = copied(name);
        let line = line.replace('\n', " ").replace("PATH", &path.display().to_string());
        let bytes = std::fs::read(&path).unwrap();
        let start = Instant::now();
        let mut refused = 0;
        for i in 0..n {
            let (damage, content) = damaged(&bytes, name, i);
            std::fs::write(&path, content).unwrap();
            if let Err(fault) = load(&line) {
                is_clear(&fault, &format!("{name}, {damage:?} {i}"));
                refused += 1;
            }
        }
        assert!(refused >= n / 5, "{name}: {refused} of {n}");
        assert!(start.elapsed() < Duration::from_secs(60), "{name}");
    }
}

/// Of pictures in folders with masks, and with pictures to learn, one of either is damaged.
#[test]
fn damaged_masks_and_targets_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["images/a.png", "images/b.png", "masks/a.png", "masks/b.png"] {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        let numbers = image::GrayImage::from_fn(9, 7, |x, y| image::Luma([((x + y) % 3) as u8]));
        numbers.save(path(name)).unwrap();
    }
    let [images, masks] = ["images", "masks"].map(|name| path(name).display().to_string());
    for line in [
        format!("masks \"{images}\" \"{masks}\" classes=3 channels=1"),
        format!("pairs \"{images}\" \"{masks}\" channels=1"),
    ] {
        assert_eq!(load(&line).unwrap().samples.len(), 2);
        for name in ["images/b.png", "masks/b.png"] {
            let bytes = std::fs::read(path(name)).unwrap();
            for i in 0..20 {
                let (damage, content) = damaged(&bytes, name, i);
                std::fs::write(path(name), content).unwrap();
                match load(&line) {
                    Err(fault) => is_clear(&fault, &format!("{line}, {name}, {damage:?} {i}")),
                    Ok(_) => assert!(damage != Damage::Cut, "{line}, {name} {i}"),
                }
            }
            std::fs::write(path(name), bytes).unwrap();
        }
    }
}

#[test]
fn damaged_pictures_of_every_kind_are_refused_or_read() {
    for entry in std::fs::read_dir(fixture("kinds")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        for i in 0..40 {
            let (damage, content) = damaged(&bytes, &name, i);
            if let Err(fault) = data::decode::decode(&content) {
                is_clear(&fault, &format!("{name}, {damage:?} {i}"));
            } else if name.ends_with(".png") || name.ends_with(".gif") {
                assert!(damage != Damage::Cut, "{name} {i}");
            }
        }
    }
}

/// A member's header with any size.
fn member(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn what_tar_files_claim_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    let png = std::fs::read(fixture("kinds/rgb.png")).unwrap();
    let padded = |bytes: &[u8]| [bytes, &vec![0; bytes.len().next_multiple_of(512) - bytes.len()]].concat();
    let own = |parts: &[Vec<u8>]| {
        std::fs::write(&path, [parts.concat(), vec![0; 1024]].concat()).unwrap();
        let fault = load(&format!("webdataset \"{}\"", path.display())).unwrap_err();
        is_clear(&fault, "tar");
        fault.message.replace(&path.display().to_string(), "x.tar")
    };
    let good = |name: &str| [member(name, b'0', png.len() as u64), padded(&png)].concat();
    let class = |name: &str| [member(name, b'0', 1), padded(b"3")].concat();
    assert!(own(&[good("../a.png"), class("../a.cls")]).contains("has a member with the path `../a.png`"));
    assert!(
        own(&[good("/etc/a.png"), class("/etc/a.cls")]).contains("has a member with the path `/etc/a.png`")
    );
    assert!(own(&[member("a.png", b'0', 1 << 32)]).contains("is cut short"));
    assert!(own(&[member("a", b'L', 1 << 33)]).contains("is cut short"));
    assert!(own(&[member("a", b'L', 1 << 20), vec![b'x'; 1 << 20]]).contains("at most 65536 are read"));
    assert!(own(&[good("a.png"), member("a.json", b'0', 1 << 21), vec![b' '; 1 << 21]]).contains("at most"));
    assert!(own(&[good("a.png"), good("a.png")]).contains("has two members `a.png`"));
    assert!(own(&[good("a.png"), class("a.cls"), class("b.cls")]).contains("without a picture"));
    assert!(
        own(&[good("a.png"), class("a.cls"), good("b.png"), good("a.png"), class("a.cls")])
            .contains("without a class")
    );
    let twice = [good("a.png"), class("a.cls"), good("b.png"), class("b.cls"), good("a.png"), class("a.cls")];
    assert!(own(&twice).contains("has `a.png` twice"));
    std::fs::write(&path, gzip(&good("a.png"))).unwrap();
    let fault = load(&format!("webdataset \"{}\"", path.display())).unwrap_err();
    assert!(fault.message.contains("is compressed") && !fault.remedies.is_empty(), "{fault}");
    // An archive of CIFAR that claims more than there is memory for, and one that unpacks to zeros without an end.
    let bomb = gzip(&[member("data_batch_1", b'0', 1 << 40), vec![0; 1 << 22]].concat());
    let packed = folder.path().join("cifar-10-python.tar.gz");
    std::fs::write(&packed, bomb).unwrap();
    let start = Instant::now();
    let fault = load(&format!("cifar10 \"{}\"", packed.display())).unwrap_err();
    assert!(fault.message.contains("for which there is no memory"), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn pictures_larger_than_any_are_refused_by_their_headers() {
    let folder = tempfile::tempdir().unwrap();
    let mut png = std::fs::read(fixture("kinds/grey.png")).unwrap();
    png[16..24].copy_from_slice(&[60_000u32.to_be_bytes(), 60_000u32.to_be_bytes()].concat());
    let mut sum = flate2::Crc::new();
    sum.update(&png[12..29]);
    png[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    std::fs::write(folder.path().join("a.png"), png).unwrap();
    std::fs::write(folder.path().join("t.csv"), "image,label\na.png,x\n").unwrap();
    let fault = load(&format!("table \"{}\"", folder.path().join("t.csv").display())).unwrap_err();
    assert!(fault.message.contains("60000x60000 pixels, at most 67 million"), "{fault}");
    for cell in ["../a.png", "/a.png", "b/../../a.png", "https://x/a.png"] {
        for (name, text) in [
            ("t.csv", format!("image,label\n{cell},x\n")),
            ("t.jsonl", format!("{{\"image\": \"{cell}\", \"label\": \"x\"}}\n")),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
            let fault = load(&format!("table \"{}\"", folder.path().join(name).display())).unwrap_err();
            is_clear(&fault, cell);
            assert!(fault.message.contains(&format!("has the path `{cell}`")), "{fault}");
        }
    }
}
