//! Networks in Caffe's formats (`tests/fixtures/caffe_files.py`): their outputs, the text that they become, and files that are
//! damaged, hostile or do not belong to each other.

use std::fs;
use std::path::{Path, PathBuf};

use dslc::diag::Fault;
use dslc::exchange::import::{self, Imported};
use dslc::exchange::{Arriving, incoming};
use dslc::protobuf::Message;
use dslc::train::checkpoint::States;

use super::arrays;
use crate::support::distance;

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/caffe").join(name)
}

fn with(path: &Path, mut then: impl FnMut(Imported<'_>)) -> Result<(), Fault> {
    let arriving = Arriving { path, weights: None, input: None };
    incoming(path).unwrap().read(&arriving, &mut |found, beside| {
        then(import::written(found, beside, Path::new("x.model"))?);
        Ok(())
    })
}

#[test]
fn networks_of_caffe_compute_the_same_and_are_readable() {
    for name in ["today", "second", "first"] {
        with(&place(&format!("{name}.prototxt")), |imported| {
            let mut session = imported.session().unwrap();
            let ((n, inputs), (_, outputs)) = arrays(&place(&format!("{name}.npz")));
            let (size, n_outputs) = (inputs.len() / n, outputs.len() / n);
            for (input, output) in inputs.chunks_exact(size).zip(outputs.chunks_exact(n_outputs)) {
                let found = import::run(&mut session, input).unwrap();
                assert!(distance(output, &found) < 1e-5, "{name}: {output:?} {found:?}");
            }
            insta::assert_snapshot!(format!("caffe_{name}"), imported.text);
        })
        .unwrap_or_else(|fault| panic!("{name}: {fault:#?}"));
    }
}

/// The layers of this text with a norm `bn` (mean 1, variance 4) and a `scale` (times 3, plus 5), and what they make of an image.
fn normed(folder: &Path, layers: &str, image: &[f32]) -> (Vec<&'static str>, Vec<f32>) {
    let blob = |numbers: &[f32]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let shape = Message::default().ints(1, [numbers.len() as i64]);
        Message::default().message(7, &shape).bytes(5, &bytes)
    };
    let layer = |name: &str, blobs: &[Message]| {
        blobs.iter().fold(Message::default().text(1, name), |layer, blob| layer.message(7, blob))
    };
    let bn = layer("bn", &[blob(&[1.0]), blob(&[4.0]), blob(&[1.0])]);
    let scale = layer("scale", &[blob(&[3.0]), blob(&[5.0])]);
    let path = folder.join("normed.prototxt");
    let head = "input: \"data\" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 2\n";
    fs::write(&path, format!("{head}{layers}")).unwrap();
    let weights = Message::default().message(100, &bn).message(100, &scale).0;
    fs::write(folder.join("normed.caffemodel"), weights).unwrap();
    let mut found = None;
    with(&path, |imported| {
        let words = imported.model().unwrap().layers.iter().map(|layer| layer.unit.spec().name).collect();
        found = Some((words, import::run(&mut imported.session().unwrap(), image).unwrap()));
    })
    .unwrap();
    found.unwrap()
}

/// A scale is a part of the norm before it, unless somebody takes what the norm alone gives.
#[test]
fn a_scale_is_folded_only_where_nobody_else_takes_the_norm() {
    let folder = tempfile::tempdir().unwrap();
    let line = |name: &str, kind: &str, bottoms: &[&str], top: &str, more: &str| {
        let bottoms: Vec<String> = bottoms.iter().map(|bottom| format!("bottom: \"{bottom}\"")).collect();
        format!("layer {{ name: \"{name}\" type: \"{kind}\" {} top: \"{top}\" {more} }}\n", bottoms.join(" "))
    };
    let bn = |top: &str| line("bn", "BatchNorm", &["data"], top, "batch_norm_param { eps: 0 }");
    let scale =
        |bottom: &str, top: &str| line("scale", "Scale", &[bottom], top, "scale_param { bias_term: true }");
    let (image, norm) = ([5.0, -3.0], [2.0f32, -2.0]);
    let scaled = norm.map(|n| 3.0 * n + 5.0);
    let norms = |words: &[&str]| words.iter().filter(|word| **word == "batch_norm").count();
    let near = |a: &[f32], b: &[f32]| assert!(distance(b, a) < 1e-5, "{a:?} {b:?}");

    for (norm, scale) in
        [(bn("bn"), scale("bn", "bn")), (bn("bn"), scale("bn", "s")), (bn("data"), scale("data", "data"))]
    {
        let (words, found) = normed(folder.path(), &format!("{norm}{scale}"), &image);
        assert_eq!(norms(&words), 1);
        near(&found, &scaled);
    }
    let sum = line("sum", "Eltwise", &["bn", "s"], "sum", "");
    let relu = line("relu", "ReLU", &["bn"], "r", "");
    let relu_sum = line("sum", "Eltwise", &["r", "s"], "sum", "");
    // The norm is taken after the scale, before it, and on both sides.
    let (plain, rectified) =
        ([0, 1].map(|i| norm[i] + scaled[i]), [0, 1].map(|i| norm[i].max(0.0) + scaled[i]));
    for (text, expected) in [
        (format!("{}{}{sum}", bn("bn"), scale("bn", "s")), plain),
        (format!("{}{relu}{}{relu_sum}", bn("bn"), scale("bn", "s")), rectified),
        (format!("{}{}{relu}{relu_sum}", bn("bn"), scale("bn", "s")), rectified),
    ] {
        let (words, found) = normed(folder.path(), &text, &image);
        assert_eq!(norms(&words), 2, "{text}");
        near(&found, &expected);
    }
}

/// What is said of this text with these weights.
fn said(folder: &Path, text: &str, weights: &[u8]) -> String {
    let path = folder.join("x.prototxt");
    fs::write(&path, text).unwrap();
    fs::write(folder.join("x.caffemodel"), weights).unwrap();
    let read = with(&path, |imported| {
        for state in imported.states() {
            let _ = imported.read_state(&state.name);
        }
    });
    read.map_or_else(|fault| fault.message, |()| String::new())
}

#[test]
fn files_that_do_not_belong_to_each_other_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let weights = fs::read(place("second.caffemodel")).unwrap();
    let head = "input: \"data\" input_dim: 1 input_dim: 1 input_dim: 11 input_dim: 12\n";
    let refused = |text: &str, words: &str| {
        let found = said(folder.path(), text, &weights);
        assert!(found.contains(words), "{found}");
    };
    let layer = |rest: &str| format!("{head}layer {{ name: \"a\" bottom: \"data\" top: \"a\" {rest} }}");
    refused("", "has no layers");
    refused("layer {", "never closed");
    refused("input_dim: [1", "a `[` that is never closed");
    refused("layer } x", "stands where a field belongs");
    refused(&layer("type: \"ReLU\" type"), "stands where a field belongs");
    refused(&layer(""), "has no type");
    refused(&layer("type: \"Python\""), "no layer for it");
    refused(&layer("type: \"Slice\""), "no layer for it");
    refused(&layer("type: \"Concat\"").replace("bottom: \"data\"", ""), "it takes nothing");
    refused(&layer("type: \"Convolution\" convolution_param { num_output: 4 }"), "has no `kernel_size`");
    let conv = |settings: &str| layer(&format!("type: \"Convolution\" convolution_param {{ {settings} }}"));
    refused(&conv("num_output: 4 kernel_size: 3"), "no such numbers in the weights");
    refused(&conv("num_output: 99999999999 kernel_size: 3"), "has the num_output");
    refused(&conv("num_output: 4 kernel_size: 3 group: 3"), "has 3 groups of 1 channels");
    refused(&conv("num_output: -4 kernel_size: 3"), "has the num_output");
    let known = format!(
        "{head}layer {{ name: \"conv1\" type: \"Convolution\" bottom: \"data\" top: \"a\" convolution_param {{ num_output: 5 kernel_size: 3 }} }}"
    );
    refused(&known, "has 36 numbers where");
    refused(&head.replace("11", "0").replace("data", "x"), "has no layers");
    refused(
        "layer { name: \"a\" type: \"ReLU\" bottom: \"data\" top: \"a\" }",
        "does not say what the network takes",
    );
    let other = layer("type: \"ReLU\"").replace("bottom: \"data\"", "bottom: \"b\"");
    refused(&other, "takes `b`, which nothing before it gives");
    let two = format!(
        "{}\nlayer {{ name: \"b\" type: \"ReLU\" bottom: \"data\" top: \"b\" }}",
        layer("type: \"TanH\"")
    );
    refused(&two, "gives 2 values (a, b)");
    refused(&layer("type: \"LRN\" lrn_param { norm_region: WITHIN_CHANNEL }"), "WITHIN_CHANNEL");
    refused(&layer("type: \"Power\" power_param { power: 2 }"), "raises to the power 2");
    let big = "input: \"data\" input_dim: 1 input_dim: 4000000000 input_dim: 4000000000 input_dim: 12\n";
    refused(&layer("type: \"ReLU\"").replace(head, big), "no shape that an image");
    refused(&"a {".repeat(1000), "deep in each other");
    let mut doubled = layer("type: \"ReLU\"");
    for _ in 0..60 {
        doubled.push_str("layer { name: \"c\" type: \"Concat\" bottom: \"a\" bottom: \"a\" top: \"a\" }\n");
    }
    assert!(!said(folder.path(), &doubled, &weights).is_empty());
}

#[test]
fn damaged_and_hostile_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(place("second.prototxt")).unwrap();
    let said = |weights: &[u8]| said(folder.path(), &text, weights);
    let weights = fs::read(place("second.caffemodel")).unwrap();
    assert_eq!(said(&weights), "");
    assert!(said(&[]).contains("no such numbers"));
    assert!(said(b"not a protocol buffer").contains("damaged"));
    // An array that claims more than it has.
    let shape = Message::default().ints(1, [1 << 40, 1 << 40]);
    let blob = Message::default().message(7, &shape).bytes(5, &[0; 16]);
    let layer = Message::default().text(1, "conv1").message(7, &blob);
    assert!(said(&Message::default().message(100, &layer).0).contains("has 4 numbers"));
    for end in (0..weights.len()).step_by(17) {
        let _ = said(&weights[..end]);
    }
    for at in (0..weights.len()).step_by(7) {
        let mut changed = weights.clone();
        changed[at] ^= [0x41, 0xff, 0x01][at % 3];
        let _ = said(&changed);
    }
    let whole = fs::read_to_string(place("today.prototxt")).unwrap();
    let own = fs::read(place("today.caffemodel")).unwrap();
    for end in (0..whole.len()).step_by(41) {
        let _ = self::said(folder.path(), &whole[..end], &own);
    }
}
