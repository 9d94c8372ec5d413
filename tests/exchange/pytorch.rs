//! The Python of a network: blocks are classes, and what differs in numbers alone is one class.

use super::export;

#[test]
fn blocks_become_classes_with_arguments() {
    let text = "model Small {
        input 3x16x16
        conv2d 8 3x3 padding=1 bias=false -> batch_norm -> relu
        basic_block 8 -> basic_block 16 stride=2 -> basic_block 16 -> basic_block 32 stride=2
        squeeze_excite 4
        global_avg_pool -> dropout 0.2 -> linear 10
    }";
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("out");
    export(text, "pytorch", &[], folder.path(), &place).unwrap();
    insta::assert_snapshot!(std::fs::read_to_string(place.join("model.py")).unwrap());
}

#[test]
fn names_that_every_module_has_are_kept() {
    let text = "model Path {
        input 3x8x8
        conv2d 4 3x3 as forward
        relu -> conv2d 4 3x3 as eval -> relu
        flatten -> linear 2 as class
    }";
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("out");
    export(text, "pytorch", &[], folder.path(), &place).unwrap();
    let found = std::fs::read_to_string(place.join("model.py")).unwrap();
    for line in ["self._modules[\"forward\"] = nn.Conv2d(3, 4, 3)", "self._modules[\"eval\"](F.relu("] {
        assert!(found.contains(line), "{found}");
    }
    assert!(found.contains("class Path2(nn.Module)") && found.contains("model = Path2()"), "{found}");
}

#[test]
fn a_stride_of_one_is_written_where_a_class_usually_has_another() {
    let text = "model Strided {
        input 3x32x32
        inverted_residual 8 stride=2 -> inverted_residual 16 stride=2 -> inverted_residual 24 stride=2 -> inverted_residual 32
        global_avg_pool -> linear 10
    }";
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("out");
    export(text, "pytorch", &[], folder.path(), &place).unwrap();
    let python = std::fs::read_to_string(place.join("model.py")).unwrap();
    assert!(python.contains("in_channels, out_channels, stride=2):"), "{python}");
    assert!(python.contains("(16, 24)") && python.contains("(24, 32, stride=1)"), "{python}");
}

#[test]
fn only_a_stride_of_one_is_left_out() {
    let text = "model Strides {
        input 3x64x64
        conv2d 4 3x3 padding=1 -> conv2d 8 5x5 stride=16 padding=2 -> conv2d 8 1x1 stride=1x2
        patchify 16 2
    }";
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("out");
    export(text, "pytorch", &[], folder.path(), &place).unwrap();
    let python = std::fs::read_to_string(place.join("model.py")).unwrap();
    for module in [
        "(3, 4, 3, padding=1)",
        "(4, 8, 5, stride=16, padding=2)",
        "(8, 8, 1, stride=(1, 2))",
        "(8, 16, 2, stride=2)",
    ] {
        assert!(python.contains(&format!("nn.Conv2d{module}")), "{module} in {python}");
    }
}

#[test]
fn what_branches_give_is_joined_in_their_class() {
    let python = |lines: &str| {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("out");
        let text = format!("model Joined {{\n input 3x8x8\n {lines}\n global_avg_pool -> linear 4\n}}");
        export(&text, "pytorch", &[], folder.path(), &place).unwrap();
        std::fs::read_to_string(place.join("model.py")).unwrap()
    };
    let residual = "residual { conv2d 8 3 padding=1 -> relu } shortcut { conv2d 8 1 }\n";
    let found = python(&residual.repeat(2));
    assert!(found.contains("return y + self.shortcut(x)"), "{found}");
    let found = python("concat { branch { conv2d 8 1 } branch { conv2d 8 3 padding=1 } } as stem");
    assert!(found.contains("return torch.cat([y, self.branch2(x)], 1)"), "{found}");
    // A block of two inputs is no class of its own.
    let turn = "repeat 2 { conv2d 8 3 padding=1 -> add skip -> relu }";
    let found = python(&format!("conv2d 8 1 as skip\nconv2d 8 1\n{turn}"));
    assert_eq!(found.matches("(nn.Module):").count(), 1, "{found}");
}
