//! Weights of runs and of others, as commands take them.

use std::path::Path;

use crate::cli::{Desk, NET};

const CONV: &str = "conv2d 4 6x6 stride=2 -> relu";

#[test]
fn a_run_begins_with_weights_and_needs_them_no_more() {
    let desk = Desk::new();
    let first = desk.json("run small.net --set train.epochs=3 --out first --json");
    // Seven classes would be another head; here the trunk has a layer more.
    desk.write(
        "more.net",
        NET.replace(CONV, &format!("{CONV}\n    conv2d 4 1x1 as more"))
            .replace("epochs 2", "epochs 1\n    weights \"first\" fresh=\"more\""),
    );
    let begun = desk.run("run more.net --out second");
    assert_eq!(begun.code, Some(0), "{}", begun.err);
    assert!(
        begun.err.contains("weights of `Small` from first: 4 tensors taken; 2 start afresh"),
        "{}",
        begun.err
    );
    assert!(begun.err.contains("starts afresh: as you asked"), "{}", begun.err);
    std::fs::rename(desk.path("first"), desk.path("gone")).unwrap();
    let resumed = desk.run("resume second --set train.epochs=2");
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let refused = ["weights", "first", "does not exist"];
    desk.refused("run more.net --out third", 2, &refused);
    assert!(!desk.path("third").exists());

    // Nothing is trained, and the best weights are those that it began with.
    desk.write("same.net", NET.replace("lr=0.01", "lr=0").replace("epochs 2", "epochs 1"));
    let same = desk.json("run same.net --weights gone --out same --json");
    assert_eq!(same["test.loss"], first["test.loss"]);
}

#[test]
fn a_file_takes_the_weights_of_a_run_or_says_why_not() {
    let desk = Desk::new();
    let first = desk.json("run small.net --out first --json");
    let evaluated = desk.json("eval small.net --weights first --json");
    assert_eq!(evaluated["test.loss"], first["test.loss"]);
    let alone = NET.split("data {").next().unwrap();
    desk.write("five.net", alone.replace("linear 10", "linear 5"));
    let other = NET.replace("linear 10", "linear 10 as head");
    desk.write("head.net", &other);
    let moved = desk.run("migrate first head.net -o moved.safetensors");
    assert_eq!(moved.code, Some(0), "{}", moved.err);
    for part in [
        "head.weight",
        "linear1.weight",
        "by order and shape",
        "4 tensors taken, 2 of them under another name",
    ] {
        assert!(moved.out.contains(part), "{part}\n{}", moved.out);
    }
    let again = desk.json("eval moved.safetensors --data data --json");
    assert_eq!(again["test.loss"], first["test.loss"]);
    desk.refused("import first -o x.safetensors", 2, &["which model", "--into FILE"]);
    desk.refused("import first.keras --weights x.h5", 2, &["in that file itself", "no `--weights`"]);
    desk.write("wide.net", NET.replace("conv2d 4", "conv2d 6"));
    let said = ["has `conv1.weight` as 4x1x6x6, but here it is 6x1x6x6", "--fresh conv1"];
    desk.refused("import first --into wide.net -o x.safetensors", 2, &said);
    assert!(!desk.path("x.safetensors").exists());
    desk.write("a.png", "not read");
    let said = ["has `linear1.weight` as 10x", "but here it is 5x"];
    desk.refused("predict five.net a.png --weights first", 2, &said);
}

/// `export` takes the files that `import --into` takes, and both give the same numbers.
#[test]
fn a_network_is_exported_with_weights_of_others() {
    let desk = Desk::new();
    let pth = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights/half.pth");
    std::fs::copy(pth, desk.path("half.pth")).unwrap();
    desk.write(
        "tiny.model",
        "model Tiny(classes=3) { input 1x8x8; conv2d 4 3x3 stride=2 padding=1; repeat 2 { basic_block 4 }; flatten; linear classes }",
    );
    for command in [
        "import half.pth --into tiny.model -o imported.safetensors",
        "export tiny.model --weights half.pth --to safetensors -o exported.safetensors",
        "export tiny.model --weights imported.safetensors --to safetensors -o again.safetensors",
        "export tiny.model --weights half.pth --to onnx -o tiny.onnx",
    ] {
        let ran = desk.run(command);
        assert_eq!(ran.code, Some(0), "{command}: {}", ran.err);
    }
    let numbers = |name: &str| {
        let bytes = std::fs::read(desk.path(name)).unwrap();
        let header = u64::from_le_bytes(std::array::from_fn(|i| bytes[i])) as usize;
        bytes[8 + header..].to_vec()
    };
    let imported = numbers("imported.safetensors");
    assert!(!imported.is_empty());
    assert!(imported == numbers("exported.safetensors") && imported == numbers("again.safetensors"));
    desk.write("wide.model", "model Tiny { input 1x8x8; conv2d 5 3x3 -> relu; flatten; linear 3 }");
    desk.refused("export wide.model --weights half.pth -o wide.onnx", 2, &["has no place for `conv1`"]);
    assert!(!desk.path("wide.onnx").exists());
}

/// Weights of a network as it is exported go back into its file: heads that only training has are not among them, and a network
/// without weights has none.
#[test]
fn exported_weights_fit_their_own_file() {
    let desk = Desk::new();
    let plain = "model Plain { input 3x4x4; max_pool2d 2; flatten }";
    let head =
        "model Head { input 3x4x4; conv2d 4 3x3; auxiliary { flatten -> linear 5 }; flatten -> linear 5 }";
    for (name, text) in [("plain", plain), ("head", head)] {
        desk.write(&format!("{name}.model"), text);
        for line in [
            format!("export {name}.model --untrained --to safetensors -o {name}.safetensors"),
            format!("export {name}.model --weights {name}.safetensors -o {name}.onnx"),
        ] {
            let done = desk.run(&line);
            assert_eq!(done.code, Some(0), "{line}\n{}", done.err);
        }
    }
    let refused = ["has `conv1.weight` as 4x3x3x3, but here it is 8x3x3x3"];
    desk.write("wider.model", head.replace("conv2d 4", "conv2d 8"));
    desk.refused("export wider.model --weights head.safetensors -o wider.onnx", 2, &refused);
}
