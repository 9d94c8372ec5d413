//! Networks and data that are broken on purpose get the right warning, and healthy ones get none.

use std::path::Path;
use std::sync::Arc;

use dslc::train::warnings::RULES;
use dslc::{Follow, Options, check_text};

use crate::cli::idx;

/// What is in a data set.
#[derive(Clone, Copy)]
struct Data {
    n_train: u32,
    /// The class of the training image of this number that shows a digit, and that of the test image.
    labels: [fn(u32, u32) -> u32; 2],
    /// How bright a digit is over noise up to 255.
    signal: u32,
    noise: u32,
}

const GOOD: Data =
    Data { n_train: 300, labels: [|class, _| class, |class, _| class], signal: 200, noise: 50 };

/// A number that looks random.
fn mixed(n: u32) -> u32 {
    let n = (n ^ (n >> 15)).wrapping_mul(0x2c1b_3c6d);
    let n = (n ^ (n >> 12)).wrapping_mul(0x297a_2d39);
    n ^ (n >> 15)
}

/// A bright block at a place for each class, in noise.
fn image(data: Data, class: u32, i: u32) -> Vec<u8> {
    let (left, top) = (class % 5 * 5 + 1, class / 5 * 13 + 4);
    let inside = |x: u32, y: u32| (left..left + 4).contains(&x) && (top..top + 6).contains(&y);
    let pixel = |at: u32| {
        let noise = mixed(i * 784 + at) % data.noise.max(1);
        let block = if inside(at % 28, at / 28) { data.signal } else { 0 };
        (noise + block).min(255) as u8
    };
    (0..784).map(pixel).collect()
}

fn write(folder: &Path, data: Data) {
    for ((stem, n, from), label) in
        [("train", data.n_train, 0), ("t10k", 200, 100_000)].into_iter().zip(data.labels)
    {
        let classes: Vec<u32> = (0..n).map(|i| mixed(from + i + 7) % 10).collect();
        let pixels: Vec<u8> = (0..n).flat_map(|i| image(data, classes[i as usize], from + i)).collect();
        let labels: Vec<u8> = (0..n).map(|i| label(classes[i as usize], i) as u8).collect();
        std::fs::write(folder.join(format!("{stem}-images-idx3-ubyte")), idx(&[n, 28, 28], &pixels)).unwrap();
        std::fs::write(folder.join(format!("{stem}-labels-idx1-ubyte")), idx(&[n], &labels)).unwrap();
    }
}

/// Hears what is said.
#[derive(Default)]
struct Ear(Vec<String>);

impl Follow for Ear {
    fn say(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

/// The codes of the warnings that a training gives.
fn told(layers: &str, preparation: &str, train: &str, data: Data) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), data);
    let text = format!(
        "model T {{ input 1x28x28; {layers} }}\n\
         data {{ source mnist \".\"\n {preparation}\n }}\n\
         train {{ loss cross_entropy; batch 32; seed 1; {train} }}\n"
    );
    let file = check_text(folder.path().join("t.net"), text, &[]);
    assert!(file.is_right(), "{}", file.report());
    let options =
        Options { out: Some(folder.path().join("run")), signals: Arc::default(), ..Options::default() };
    let mut ear = Ear::default();
    dslc::train(&file, &options, &mut ear).unwrap();
    let code = |said: &String| Some(said.strip_prefix("warning[")?.split(']').next()?.to_owned());
    let codes: Vec<String> = ear.0.iter().filter_map(code).collect();
    assert!(
        ear.0.iter().filter(|said| code(said).is_some()).all(|said| said.contains("\n  try: ")),
        "{:?}",
        ear.0
    );
    let page = std::fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(codes.iter().all(|code| page.contains(code.as_str())));
    codes
}

const LINEAR: &str = "flatten -> linear 10";
const DEEP: &str = "flatten -> linear 12 -> sigmoid -> linear 12 -> sigmoid -> linear 12 -> sigmoid -> linear 12 -> sigmoid -> linear 10";
const NORMAL: &str = "normalize auto; validation 60";
const ADAM: &str = "optimizer adam lr=3e-3; epochs";

#[test]
fn what_is_broken_gets_its_warning() {
    let random: fn(u32, u32) -> u32 = |_, i| mixed(i + 99) % 10;
    let cases: [(&str, &str, &str, String, Data); 10] = [
        (
            "W0503",
            LINEAR,
            NORMAL,
            "optimizer sgd lr=20; epochs 2".to_owned(),
            Data { signal: 0, noise: 256, ..GOOD },
        ),
        ("W0506", LINEAR, "normalize mean=0 std=0.004", format!("{ADAM} 1"), GOOD),
        ("W0506", LINEAR, "normalize mean=0 std=30", format!("{ADAM} 1"), GOOD),
        (
            "W0502",
            "flatten -> linear 8 -> relu -> scale -1 -> relu -> linear 10",
            NORMAL,
            format!("{ADAM} 1"),
            GOOD,
        ),
        (
            "W0507",
            LINEAR,
            NORMAL,
            format!("{ADAM} 12"),
            Data { labels: [random, random], signal: 0, noise: 256, ..GOOD },
        ),
        (
            "W0507",
            LINEAR,
            NORMAL,
            format!("{ADAM} 3"),
            Data { labels: [|c, _| c, |c, _| (c + 1) % 10], ..GOOD },
        ),
        (
            "W0505",
            LINEAR,
            NORMAL,
            format!("{ADAM} 3"),
            Data { labels: [|c, _| if c == 7 { 1 } else { c }, |c, _| c], ..GOOD },
        ),
        (
            "W0504",
            LINEAR,
            "normalize auto",
            format!("{ADAM} 12"),
            Data { n_train: 80, signal: 70, noise: 186, ..GOOD },
        ),
        ("W0501", DEEP, NORMAL, "optimizer sgd lr=0.05; epochs 2".to_owned(), GOOD),
        (
            "W0501",
            "flatten -> scale 0.001 -> linear 10",
            NORMAL,
            "optimizer sgd lr=0.05; epochs 2".to_owned(),
            Data { labels: [random, random], ..GOOD },
        ),
    ];
    for (i, (code, layers, preparation, train, data)) in cases.iter().enumerate() {
        let found = told(layers, preparation, train, *data);
        assert_eq!(found, [*code], "case {i}: {layers}; {preparation}; {train}");
    }
    let met: Vec<&str> = cases.iter().map(|case| case.0).collect();
    assert!(RULES.iter().all(|rule| met.contains(&rule.code)), "a rule that no case is for");
}

#[test]
fn what_is_healthy_gets_none() {
    for layers in [LINEAR, "conv2d 4 6x6 stride=4 -> batch_norm -> relu; flatten -> dropout 0.2 -> linear 10"]
    {
        assert_eq!(told(layers, NORMAL, &format!("{ADAM} 4"), GOOD), [""; 0], "{layers}");
    }
}

/// Drawn alike, rare classes make a loss that is above the entropy of their counts.
#[test]
fn rare_classes_that_are_drawn_alike_are_no_loss_that_rose() {
    let rare: fn(u32, u32) -> u32 = |class, i| if i % 5 == 0 { class } else { 0 };
    let data = Data { n_train: 600, labels: [rare, rare], ..GOOD };
    let found = told(LINEAR, "normalize auto; validation 60; sample balanced", &format!("{ADAM} 1"), data);
    assert!(!found.contains(&"W0503".to_owned()), "{found:?}");
}
