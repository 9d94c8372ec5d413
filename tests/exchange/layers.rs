//! Every layer and join out to ONNX, which is read back and run before it counts, and into the other formats.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use dslc::exchange::Wish;
use dslc::exchange::import;
use dslc::exchange::onnx::file::{self, Beside};
use dslc::graph::{Graph, Value};
use dslc::layers::LAYERS;
use dslc::layers::joins::JOINS;
use dslc::model::Model;
use dslc::spec::Spec;
use dslc::train::program::{SCORES, inference_graph, optimized};

use crate::support::check;

use super::export;

/// What examples do not show, with the shape that arrives.
const CASES: &[(&str, &str)] = &[
    ("3x13x11", "max_pool2d 3 stride=2 ceil=true"),
    ("3x14x12", "max_pool2d 3 stride=2 ceil=true"),
    ("3x13x11", "max_pool2d 3 stride=2 padding=[0, 1, 1, 0]"),
    ("3x13x12", "avg_pool2d 3 stride=2 padding=1 ceil=true"),
    ("3x13x12", "avg_pool2d 3 stride=2 padding=1 ceil=true count_padding=false"),
    ("4x13x12", "conv2d 6 3x5 stride=2x1 padding=[1, 0, 2, 1] dilation=2x1 groups=2 bias=false"),
    ("4x13x12", "conv2d 6 3x3 stride=2 padding=same -> batch_norm -> relu"),
    ("4x7x9", "conv_transpose2d 6 3x3 stride=2 padding=1 output_padding=1 groups=2 -> batch_norm"),
    ("4x7x9", "conv_transpose2d 6 3x3 stride=2 padding=[0, 1, 1, 2] dilation=2 bias=false"),
    ("3x12x10", "adaptive_avg_pool2d 5x4"),
    ("3x12x10", "adaptive_max_pool2d 5x4"),
    ("3x12x10", "adaptive_avg_pool2d 3x5"),
    ("3x12x10", "adaptive_max_pool2d 3x5"),
    ("3x8x8", "add { branch { relu } branch { scale -1 -> relu } } -> scale learned=true"),
    ("3x31", "adaptive_max_pool1d 7"),
    ("3x31", "adaptive_avg_pool1d 7"),
    ("3x31", "conv1d 6 3 stride=2 padding=1 -> max_pool1d 3 padding=1 ceil=true -> batch_norm"),
    ("8x6x6", "local_response_norm 4 alpha=0.5 beta=0.6 k=2"),
    ("3x6x6", "pad [1, 2, 0, 3] mode=reflect"),
    ("3x6x6", "pad [1, 2, 0, 3] value=-0.5"),
    ("3x6x5", "upsample 2x3 mode=bilinear align_corners=true"),
    ("3x6x5", "upsample 3x2"),
    ("12x6x5", "pixel_shuffle 2 -> channel_shuffle 3"),
    ("12x6x5", "group_norm 3 -> instance_norm affine=true -> layer_norm"),
    ("12x6x5", "slice 3 9 -> slice 1 4 axis=height -> layer_norm over=channels -> slice 2 axis=width"),
    ("12x9", "slice 3 9 -> slice 1 4 axis=length -> layer_norm over=channels affine=false"),
    ("6x5x4", "multiply { branch { conv2d 1 1x1 } branch { identity } branch { global_avg_pool } }"),
    ("6x5x4", "add { branch { conv2d 6 5x1 } branch { conv2d 1 1x4 } branch { global_max_pool } }"),
    ("12x6x5", "flatten -> group_norm 4 -> layer_norm affine=false"),
    ("3x31", "pad 2 mode=reflect -> upsample 3 mode=bilinear -> pad [0, 0, 1, 3] value=0.5 -> upsample 2"),
    ("4x31", "conv_transpose1d 6 5 stride=3 padding=[1, 2] output_padding=1 dilation=2 groups=2 bias=false"),
    ("4x31", "instance_norm affine=true -> instance_norm -> max space -> std channels correction=0"),
    ("4x6x5", "std channels epsilon=1e-3 -> power 3 -> clamp -1 2 -> exp -> power -1 -> sqrt -> power 1.5"),
    ("4x6x5", "flatten -> l2_normalize epsilon=0.5 -> mean channels"),
    ("8x6x5", "positions sinusoidal -> attention 4 bias=false -> l2_normalize -> max channels"),
    ("8x30", "class_token -> positions -> attention 2 -> layer_norm over=channels -> sum space"),
    (
        "4x6x8",
        "attention 2 patch=2 -> attention 4 patch=3x2 bias=false -> attention 1 patch=1x4 -> mean space",
    ),
    ("4x6x5", "transpose as x; transpose; matmul x -> reshape 4x36 -> transpose -> conv1d 3 1"),
    (
        "4x6x5",
        "identity as x; parameter 6x5 value=2 -> reshape 1x6x5 -> sigmoid; multiply x as y; parameter 4x6x1; add y",
    ),
    ("6x6x5", "identity as x; global_avg_pool -> linear 3 -> relu -> linear 6 -> hardsigmoid; multiply x"),
    ("6x6x5", "add { branch { conv2d 4 1x1 } branch { conv2d 4 1x1 } branch { identity -> conv2d 4 1x1 } }"),
    (
        "4x6x7x5",
        "conv3d 6 3x2x1 stride=2x1x3 padding=1x0x2 dilation=1x2x1 groups=2 bias=false -> batch_norm -> relu",
    ),
    (
        "4x6x7x5",
        "conv3d 3 3 padding=[1, 0, 2, 1, 0, 1] -> depthwise_conv3d 2 multiplier=2 -> max_pool3d 2 ceil=true",
    ),
    (
        "3x4x5x6",
        "conv_transpose3d 4 3x2x3 stride=2 padding=1x0x1 output_padding=1 -> avg_pool3d 3 stride=2 padding=1",
    ),
    (
        "3x6x5x6",
        "avg_pool3d 3 stride=2 padding=1 ceil=true count_padding=false -> instance_norm affine=true -> global_max_pool",
    ),
    (
        "6x4x5x3",
        "group_norm 2 -> prelu -> slice 1 4 axis=depth -> slice 1 axis=height -> slice 2 axis=width -> sum channels",
    ),
    (
        "6x4x5x3",
        "add { branch { identity } branch { global_avg_pool } branch { mean channels } branch { parameter 1x4x1x3 } }",
    ),
    ("6x6x5", "flatten -> linear 8 bias=false -> batch_norm -> prelu -> scale 0.5 -> softmax"),
];

fn specs() -> impl Iterator<Item = &'static Spec> {
    LAYERS.iter().map(|layer| layer.spec()).chain(JOINS.iter().map(|join| join.spec()))
}

/// Models of every layer and join.
pub fn texts() -> Vec<String> {
    let examples = specs().map(|spec| ("3x12x12", spec.example));
    let model = |(shape, lines): (&str, &str)| format!("model T {{ input {shape}; {lines} }}");
    examples.chain(CASES.iter().copied()).map(model).collect()
}

/// A graph after all passes as its output's node, written out, names and order left aside.
fn canonical(model: &Model) -> u64 {
    fn of(graph: &Graph, value: Value, known: &mut HashMap<Value, u64>) -> u64 {
        if let Some(&found) = known.get(&value) {
            return found;
        }
        let node = graph.node(value);
        let mut hasher = DefaultHasher::new();
        let inputs: Vec<u64> = node.inputs.iter().map(|&input| of(graph, input, known)).collect();
        (node.op.name(), &node.attrs, node.shape.dims(), inputs).hash(&mut hasher);
        *known.entry(value).or_insert(hasher.finish())
    }
    let graph = optimized(inference_graph(model, 1).unwrap()).unwrap();
    of(&graph, graph.find_output(SCORES).unwrap(), &mut HashMap::new())
}

#[test]
fn every_layer_goes_out_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for (at, text) in texts().iter().enumerate() {
        let place = folder.path().join(format!("{at}.onnx"));
        let said = export(text, "onnx", &[], folder.path(), &place)
            .unwrap_or_else(|fault| panic!("{text}: {fault:#?}"));
        assert!(said[0].contains("read back"), "{said:?}");
        let (bytes, beside) = (import::bytes(&place).unwrap(), Beside::new(&place));
        let model = file::model(&bytes).unwrap();
        let back = import::imported(&model, &beside, Path::new("x.model"), None).unwrap();
        let (own, _) = check(text);
        let same = canonical(own.model.as_ref().unwrap()) == canonical(back.model().unwrap());
        assert!(same, "another graph came back: {text}\n{}", back.text);
        let folded = folder.path().join(format!("{at}-folded.onnx"));
        export(text, "onnx", &[Wish::Fold], folder.path(), &folded)
            .unwrap_or_else(|fault| panic!("{text}: {fault:#?}"));
    }
}

#[test]
fn the_same_network_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let text = "model T { input 3x8x8; conv2d 4 3x3 -> batch_norm; flatten -> linear 2 }";
    let places = ["a.onnx", "b.onnx"].map(|name| folder.path().join(name));
    places.iter().for_each(|place| drop(export(text, "onnx", &[], folder.path(), place).unwrap()));
    let [a, b] = places.map(|place| std::fs::read(place).unwrap());
    assert!(a == b);
}

#[test]
fn every_layer_goes_out_to_python_and_c() {
    let folder = tempfile::tempdir().unwrap();
    for text in texts() {
        for format in ["pytorch", "c"] {
            let place = folder.path().join(format);
            export(&text, format, &[], folder.path(), &place)
                .unwrap_or_else(|fault| panic!("{text}: {fault:#?}"));
            assert!(!folder.path().join(format!("{format}.part")).exists());
        }
    }
}

#[test]
fn what_cannot_be_written_is_named_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("out");
    let text = "model T { input 3x12x12; avg_pool2d 3 stride=2 padding=[0, 1, 0, 1] ceil=true }";
    let fault = export(text, "pytorch", &[], folder.path(), &place).unwrap_err();
    assert_eq!(fault.code, "E0501");
    assert!(fault.notes.iter().any(|note| note.contains("avg_pool")), "{fault:#?}");
    let fault = export(text, "c", &[Wish::Fold], folder.path(), &place).unwrap_err();
    assert!(fault.message.contains("`--fold` is not for `--to c`"), "{fault}");
    assert!(!place.exists() && export(text, "tflite", &[], folder.path(), &place).is_err());
}

#[test]
fn what_lies_beside_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = "model T { input 1x4x4; flatten -> linear 2 }";
    let own = folder.path().join("net.part");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("notes"), "mine").unwrap();
    export(text, "pytorch", &[], folder.path(), &folder.path().join("net")).unwrap();
    assert_eq!(std::fs::read_to_string(own.join("notes")).unwrap(), "mine");
    let file = folder.path().join("net.onnx.part");
    std::fs::write(&file, "mine").unwrap();
    export(text, "onnx", &[], folder.path(), &folder.path().join("net.onnx")).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert!(!folder.path().join("net.part2").exists() && !folder.path().join("net.onnx.part2").exists());
}
