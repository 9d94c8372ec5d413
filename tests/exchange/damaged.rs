//! Files that are cut short, changed or hostile: a clear error, never a panic, and no memory on the word of a count.

use std::path::Path;

use dslc::diag::Fault;
use dslc::exchange::import;
use dslc::exchange::onnx::file::{self, Beside};
use dslc::protobuf::Message;
use dslc::tensor::random::Random;

use crate::any_bytes;

use super::export;

fn read(bytes: &[u8], place: &Path) -> Result<String, Fault> {
    let beside = Beside::new(place);
    let model = file::model(bytes)?;
    let imported = import::imported(&model, &beside, Path::new("x.model"), None)?;
    imported.session()?;
    Ok(imported.text)
}

/// A whole model of these nodes and tensors, with the input `x` of 1x4x4 and the output `y`.
fn model(nodes: &[Message], tensors: &[Message]) -> Vec<u8> {
    let value = |name: &str| {
        let dim = |n: i64| Message::default().int(1, n);
        let shape = [1, 1, 4, 4].into_iter().fold(Message::default(), |shape, n| shape.message(1, &dim(n)));
        let tensor = Message::default().int(1, 1).message(2, &shape);
        Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
    };
    let mut graph = Message::default();
    graph = nodes.iter().fold(graph, |graph, node| graph.message(1, node));
    graph = tensors.iter().fold(graph, |graph, tensor| graph.message(5, tensor));
    graph = graph.message(11, &value("x")).message(12, &value("y"));
    let opset = Message::default().text(1, "").int(2, 18);
    Message::default().int(1, 8).message(7, &graph).message(8, &opset).0
}

fn node(op: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
    node.text(2, output).text(3, op).text(4, op)
}

fn refused(bytes: &[u8], words: &str) {
    let fault = read(bytes, Path::new("x.onnx")).unwrap_err();
    assert!(fault.message.contains(words), "{fault:#?}");
    assert_eq!(fault.code, "E0502");
}

#[test]
fn cut_and_changed_files_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("whole.onnx");
    let text = "model T { input 1x4x4; residual { conv2d 1 3x3 padding=1 -> batch_norm -> silu }; flatten -> linear 2 }";
    export(text, "onnx", &[], folder.path(), &place).unwrap();
    let whole = std::fs::read(&place).unwrap();
    assert!(read(&whole, &place).is_ok());
    for end in (0..whole.len()).step_by(29) {
        let _ = read(&whole[..end], &place);
    }
    for at in (0..whole.len()).step_by(11) {
        let mut changed = whole.clone();
        changed[at] ^= 0x41;
        let _ = read(&changed, &place);
    }
    assert!(read(b"not a protocol buffer", &place).is_err());
    assert!(read(b"", &place).unwrap_err().message.contains("no ONNX file"));
}

/// What other programs wrote, changed and cut off anywhere.
#[test]
fn damaged_fixtures_are_refused_or_read() {
    for (kind, turns) in [("exchange", 24), ("weights", 24), ("keras", 6), ("darknet", 12), ("caffe", 12)] {
        damage(kind, 0..turns);
    }
}

/// The same for long, where the fuzz targets cannot be built.
#[test]
#[ignore = "takes many minutes"]
fn fixtures_are_damaged_in_many_ways() {
    for from in (24..2400).step_by(24) {
        ["exchange", "weights", "keras", "darknet", "caffe"]
            .iter()
            .for_each(|kind| damage(kind, from..from + 24));
    }
}

fn damage(kind: &str, turns: std::ops::Range<u32>) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("damaged");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind);
    let mut files: Vec<_> = std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let ending = file.extension().unwrap_or_default().to_string_lossy().into_owned();
        let whole = std::fs::read(&file).unwrap();
        for turn in turns.clone() {
            let mut random = Random::new(7, &file.file_name().unwrap().to_string_lossy(), turn);
            let mut place_in = |n: usize| (random.uniform() * n as f32) as usize % n;
            let mut bytes = whole.clone();
            match turn % 4 {
                0 => bytes.truncate(place_in(whole.len())),
                1 => (0..8).for_each(|_| bytes[place_in(whole.len())] = place_in(256) as u8),
                // Where descriptions are.
                2 => bytes[place_in(whole.len().min(2000))] = [0, 1, 0x7f, 0x80, 0xff][place_in(5)],
                _ => bytes[place_in(whole.len())] ^= 1 << place_in(8),
            }
            match ending.as_str() {
                "onnx" => any_bytes::network(folder.path(), "onnx", &bytes),
                "pth" | "npz" | "safetensors" => any_bytes::weights(&place, &bytes),
                "keras" | "h5" => {
                    any_bytes::network(folder.path(), "keras", &bytes);
                    any_bytes::weights(&place, &bytes);
                }
                // Its text, with what is left of its weights.
                "weights" | "caffemodel" => {
                    let text = if ending == "weights" { "cfg" } else { "prototxt" };
                    let text_bytes = std::fs::read(file.with_extension(text)).unwrap();
                    let both = [&text_bytes, &[0][..], &bytes].concat();
                    any_bytes::network_of_two(folder.path(), [text, ending.as_str()], &both);
                }
                "cfg" | "prototxt" => {
                    let weights = if ending == "cfg" { "weights" } else { "caffemodel" };
                    let numbers = std::fs::read(file.with_extension(weights)).unwrap();
                    let both = [&bytes, &[0][..], &numbers].concat();
                    any_bytes::network_of_two(folder.path(), [ending.as_str(), weights], &both);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn hostile_graphs_are_refused() {
    refused(
        &model(&[node("Relu", &["y"], "z"), node("Relu", &["z"], "y")], &[]),
        "depends on what it gives itself",
    );
    refused(&model(&[node("Relu", &["nothing"], "y")], &[]), "nothing gives the value `nothing`");
    refused(
        &model(&[node("Relu", &["x"], "y"), node("Relu", &["x"], "y")], &[]),
        "two nodes give the value `y`",
    );
    refused(
        &model(&[node("NonMaxSuppression", &["x"], "y")], &[]),
        "there is no layer for `NonMaxSuppression`",
    );
    let huge = Message::default().ints(1, [1 << 30, 1 << 30]).int(2, 1).text(8, "w").bytes(9, &[0; 4]);
    refused(&model(&[node("Add", &["x", "w"], "y")], &[huge]), "would have more than");
    let short = Message::default().ints(1, [1, 1, 3, 3]).int(2, 1).text(8, "w").bytes(9, &[0; 4]);
    refused(&model(&[node("Conv", &["x", "w"], "y")], &[short]), "needs 36 bytes, but 4 are there");
    let scalar = Message::default().ints(1, [3]).int(2, 7).text(8, "axes");
    let scalar = scalar.bytes(9, &[1i64, 2, 3].map(i64::to_le_bytes).concat());
    let pooled = [node("GlobalAveragePool", &["x"], "p"), node("Squeeze", &["p", "axes"], "y")];
    refused(&model(&pooled, &[scalar]), "gives the shape []");
    let flat = Message::default().ints(1, [1, 1, 0, 3]).int(2, 1).text(8, "w").bytes(9, &[]);
    refused(&model(&[node("Conv", &["x", "w"], "y")], &[flat]), "the window of");
    let deep = Message::default().ints(1, vec![1; 1000]).int(2, 1).text(8, "w").bytes(9, &[0; 4]);
    refused(&model(&[node("Add", &["x", "w"], "y")], &[deep]), "has 1000 axes");
    let dims = Message::default()
        .ints(1, [2])
        .int(2, 7)
        .text(8, "n")
        .bytes(9, &(1i64 << 20).to_le_bytes().repeat(2));
    let made = [node("ConstantOfShape", &["n"], "c"), node("Add", &["x", "c"], "y")];
    refused(&model(&made, &[dims]), "more numbers than memory should hold");
    // Each image may become larger, but not several.
    let target = |n: i64| {
        let numbers = [n, 1, 4, 4].map(i64::to_le_bytes).concat();
        Message::default().ints(1, [4]).int(2, 7).text(8, "to").bytes(9, &numbers)
    };
    let expanded = [node("Expand", &["x", "to"], "e"), node("Relu", &["e"], "y")];
    refused(&model(&expanded, &[target(3)]), "it makes [3, 1, 4, 4] of images of [1, 4, 4]");
    assert!(read(&model(&expanded, &[target(1)]), Path::new("x.onnx")).unwrap().contains("relu"));
}

#[test]
fn numbers_in_other_files_stay_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), [0; 64]).unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let place = inner.join("x.onnx");
    let weight = |location: &str, offset: &str| {
        let pair = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
        let tensor = Message::default().ints(1, [1, 1, 3, 3]).int(2, 1).text(8, "w").int(14, 1);
        tensor.message(13, &pair("location", location)).message(13, &pair("offset", offset))
    };
    let with = |location: &str, offset: &str| {
        read(&model(&[node("Conv", &["x", "w"], "y")], &[weight(location, offset)]), &place)
    };
    for location in ["../secret", "/etc/passwd", "a/../../secret"] {
        assert!(with(location, "0").unwrap_err().message.contains("leads out of the file's folder"));
    }
    assert!(with("absent", "0").unwrap_err().message.contains("cannot be read"));
    std::fs::write(inner.join("data"), [0; 40]).unwrap();
    assert!(with("data", "4").is_ok());
    assert!(with("data", "5").unwrap_err().message.contains("ends before them"));
    assert!(with("data", "18446744073709551615").is_err());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("secret"), inner.join("link")).unwrap();
        assert!(with("link", "0").unwrap_err().message.contains("link out of the file's folder"));
    }
}
