//! Every layer and join out to ONNX, which is read back and run before it counts, and into the other formats.

use dslc::exchange::Wish;
use dslc::layers::LAYERS;
use dslc::layers::joins::JOINS;

use super::export;

/// What examples do not show, with the shape that arrives.
const CASES: &[(&str, &str)] = &[
    ("3x13x11", "max_pool2d 3 stride=2 ceil=true"),
    ("3x13x11", "max_pool2d 3 stride=2 padding=[0, 1, 1, 0]"),
    ("3x13x12", "avg_pool2d 3 stride=2 padding=1 ceil=true"),
    ("3x13x12", "avg_pool2d 3 stride=2 padding=1 ceil=true count_padding=false"),
    ("4x13x12", "conv2d 6 3x5 stride=2x1 padding=[1, 0, 2, 1] dilation=2x1 groups=2 bias=false"),
    ("4x13x12", "conv2d 6 3x3 stride=2 padding=same -> batch_norm -> relu"),
    ("4x7x9", "conv_transpose2d 6 3x3 stride=2 padding=1 output_padding=1 groups=2 -> batch_norm"),
    ("4x7x9", "conv_transpose2d 6 3x3 stride=2 padding=[0, 1, 1, 2] dilation=2 bias=false"),
    ("3x12x10", "adaptive_avg_pool2d 5x4"),
    ("3x12x10", "adaptive_max_pool2d 5x4"),
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
    ("12x6x5", "flatten -> group_norm 4 -> layer_norm affine=false"),
    ("6x6x5", "identity as x; global_avg_pool -> linear 3 -> relu -> linear 6 -> hardsigmoid; multiply x"),
    ("6x6x5", "add { branch { conv2d 4 1x1 } branch { conv2d 4 1x1 } branch { identity -> conv2d 4 1x1 } }"),
    ("6x6x5", "flatten -> linear 8 bias=false -> batch_norm -> prelu -> scale 0.5 -> softmax"),
];

fn texts() -> Vec<String> {
    let examples = LAYERS.iter().map(|layer| layer.spec()).chain(JOINS.iter().map(|join| join.spec()));
    let examples = examples.map(|spec| ("3x12x12", spec.example));
    let model = |(shape, lines): (&str, &str)| format!("model T {{ input {shape}; {lines} }}");
    examples.chain(CASES.iter().copied()).map(model).collect()
}

#[test]
fn every_layer_goes_out_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for (at, text) in texts().iter().enumerate() {
        let place = folder.path().join(format!("{at}.onnx"));
        let said = export(text, "onnx", &[], folder.path(), &place)
            .unwrap_or_else(|fault| panic!("{text}: {fault:#?}"));
        assert!(said[0].contains("read back"), "{said:?}");
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
    assert!(fault.notes.iter().any(|note| note.contains("avg_pool2d")), "{fault:#?}");
    let fault = export(text, "c", &[Wish::Fold], folder.path(), &place).unwrap_err();
    assert!(fault.message.contains("`--fold` is not for `--to c`"), "{fault}");
    assert!(!place.exists() && export(text, "tflite", &[], folder.path(), &place).is_err());
}
