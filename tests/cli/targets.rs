//! Labels, numbers, masks and images as targets, from the data to what is predicted: the examples of `models/`, cut short.

use std::path::PathBuf;

use serde_json::Value;

use crate::cli::machine::digest;
use crate::cli::{Desk, done};

fn file(name: &str) -> String {
    format!("{}/models/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Writes one of the examples, small and without what it is expected to reach.
fn small(desk: &Desk, name: &str) {
    let text = std::fs::read_to_string(file(&format!("{name}.net"))).unwrap();
    let text = text.replace("width=12", "width=2").replace("\"data/", &format!("\"{}", file("data/")));
    let lines = text.lines().filter(|line| !line.starts_with("expect"));
    desk.write(&format!("{name}.net"), lines.collect::<Vec<_>>().join("\n"));
}

/// Trains one of the examples for an epoch, and gives its report.
fn trained(desk: &Desk, name: &str) -> Value {
    small(desk, name);
    desk.json(&format!("run {name}.net --set train.epochs=1 --set train.batch=32 --out {name} --json"))
}

/// The first of the test pictures.
fn pictures(of: &str) -> Vec<PathBuf> {
    let folder = file(of);
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|ending| ending == "png"));
    all.sort();
    all.truncate(3);
    all
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
}

/// What `run` said of the test, `eval` says again, to the bit.
fn measured_again(desk: &Desk, name: &str, report: &Value, figures: &[&str]) {
    let again = desk.json(&format!("eval {name} --json"));
    for figure in figures.iter().chain(&["test.loss"]) {
        assert!(report[figure].is_number(), "{figure}: {report}");
        assert_eq!(report[figure], again[figure], "{figure}");
    }
}

#[test]
fn labels_are_learnt_measured_and_told() {
    let desk = Desk::new();
    let report = trained(&desk, "labels");
    measured_again(&desk, "labels", &report, &["test.map", "test.macro_f1"]);
    assert_eq!(report["test.labels"][1]["label"], "square");
    assert_eq!(report["test.accuracy"], Value::Null);
    let text = desk.run("eval labels").out;
    assert!(text.contains("label") && text.contains("triangle") && text.contains("map "), "{text}");
    let images = shown(&pictures("data/shapes/images/test"));
    let csv = desk.run(&format!("predict labels {images} --csv")).out;
    assert_eq!((csv.lines().next(), csv.lines().count()), (Some("image,circle,square,triangle"), 4));
    let first: Value = serde_json::from_str(
        desk.run(&format!("predict labels {images} --json")).out.lines().next().unwrap(),
    )
    .unwrap();
    let probability = first["labels"][0]["probability"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&probability) && first["labels"][0]["label"] == "circle", "{first}");
    desk.refused(&format!("predict labels {images} --top 2"), 2, &["gives labels, of which all are shown"]);
    desk.refused(&format!("predict labels {images} --out x"), 2, &["there is nothing to write"]);
}

#[test]
fn numbers_are_learnt_measured_and_told() {
    let desk = Desk::new();
    let report = trained(&desk, "dials");
    measured_again(&desk, "dials", &report, &["test.mae", "test.r2"]);
    assert_eq!(report["test.numbers"][1]["number"], "y");
    let images = shown(&pictures("data/dials"));
    let csv = desk.run(&format!("predict dials {images} --csv")).out;
    assert_eq!((csv.lines().next(), csv.lines().count()), (Some("image,x,y"), 4));
    let told = desk.run(&format!("predict dials {images}")).out;
    assert!(told.lines().next().unwrap().split_whitespace().eq(["image", "x", "y"]), "{told}");
}

#[test]
fn masks_are_learnt_measured_and_written_whatever_the_threads() {
    let desk = Desk::new();
    let report = trained(&desk, "segment");
    measured_again(&desk, "segment", &report, &["test.mean_iou", "test.pixel_accuracy"]);
    assert_eq!(report["test.classes"][3]["class"], "triangle");
    let pixels: u64 = report["test.confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    // Of masks the images are counted in which a class comes.
    let found = desk.json("data segment.net --json");
    assert_eq!(
        (&found["classes"][0]["class"], &found["classes"][0]["train"]),
        (&"ground".into(), &96.into())
    );
    assert!((1..96).contains(&found["classes"][3]["train"].as_u64().unwrap()), "{found}");
    // Edges count for nothing.
    assert!((20_000..32 * 1024).contains(&pixels), "{pixels}");
    let mut command = desk.command("run segment.net --set train.epochs=1 --set train.batch=32 --out alone");
    assert_eq!(done(command.env("RAYON_NUM_THREADS", "1").output().unwrap()).code, Some(0));
    let weights = |run: &str| digest(&std::fs::read(desk.path(&format!("{run}/last.safetensors"))).unwrap());
    assert_eq!(weights("alone"), weights("segment"));
    let own = pictures("data/shapes/images/test");
    let told = desk.run(&format!("predict segment {} --out masks", shown(&own))).out;
    assert_eq!(told.lines().count(), 3, "{told}");
    for path in own {
        let mask = desk.path("masks").join(path.file_name().unwrap());
        let numbers = dslc::data::mask::decode(&std::fs::read(mask).unwrap()).unwrap();
        assert_eq!(numbers.extents(), [1, 32, 32]);
    }
}

#[test]
fn an_image_is_learnt_for_each_image() {
    let desk = Desk::new();
    for (kind, factor) in [("in", 1), ("out", 2)] {
        for part in ["train", "val", "test"] {
            let folder = desk.path(&format!("{kind}/{part}"));
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..4u8 {
                let pixels = image::GrayImage::from_fn(8, 8, |x, y| {
                    image::Luma([(x as u8 * 7 + y as u8 * 3 + i * 11) * factor])
                });
                pixels.save(folder.join(format!("{i}.png"))).unwrap();
            }
        }
    }
    desk.write(
        "pairs.net",
        "model P { input 1x8x8; conv2d 4 3x3 padding=same -> relu -> conv2d 1 1x1 }
data { source pairs \"in\" \"out\" channels=1; resize 8; normalize auto; augment { random_flip } }
train { loss l1; loss mse weight=0.5; keep best by=psnr; optimizer adam lr=1e-2; epochs 2; batch 2; seed 1 }
expect { test.psnr > 1; validation.psnr > 1 }
",
    );
    let report = desk.json("run pairs.net --out pairs --json");
    measured_again(&desk, "pairs", &report, &["test.psnr"]);
    assert!(report["validation.psnr"].is_number());
    let log = std::fs::read_to_string(desk.path("pairs/metrics.jsonl")).unwrap();
    assert!(log.lines().take(2).all(|line| line.contains("validation.psnr")), "{log}");
    desk.run(&format!("predict pairs {} --out given", desk.path("in/test/0.png").display()));
    assert_eq!(image::open(desk.path("given/0.png")).unwrap().width(), 8);
    // Kept or read anew, the pictures are the same.
    let weights = |run: &str| digest(&std::fs::read(desk.path(&format!("{run}/last.safetensors"))).unwrap());
    let text = std::fs::read_to_string(desk.path("pairs.net")).unwrap();
    for (name, cache, said) in
        [("none", "none", ""), ("disk", "disk", "images"), ("again", "disk", "made by an earlier run")]
    {
        desk.write(&format!("{name}.net"), text.replace("resize 8", &format!("cache {cache}; resize 8")));
        let mut command = desk.command(&format!("run {name}.net --out {name}"));
        let done = done(command.env("DSLC_CACHE", desk.path("kept")).output().unwrap());
        assert!(done.code == Some(0) && done.err.contains(said), "{name}: {}", done.err);
        assert_eq!(weights(name), weights("pairs"), "{name}");
    }
}

#[test]
fn balanced_weights_are_kept_with_the_run() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.path("small.net")).unwrap();
    let text = text.replace("loss cross_entropy", "loss cross_entropy weights=balanced smoothing=0.1");
    desk.write("balanced.net", text);
    let report = desk.json("run balanced.net --set train.epochs=1 --out balanced --json");
    let kept = std::fs::read_to_string(desk.path("balanced/balanced.net")).unwrap();
    assert!(kept.contains("loss cross_entropy weights=["), "{kept}");
    measured_again(&desk, "balanced", &report, &["test.accuracy", "test.macro_f1"]);
    let [smooth, plain] =
        ["test.loss", "test.loss_without_smoothing"].map(|name| report[name].as_f64().unwrap());
    assert!(smooth > plain, "{smooth} {plain}");
}
