//! What a C compiler makes of a network: the same numbers, without a warning and without a library.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::support::distance;

use super::{answer, export};

const NETWORK: &str = "model Mixed {
    input 3x12x12
    conv2d 8 3x3 padding=same -> batch_norm -> relu
    residual { depthwise_conv2d 3x3 padding=1 -> group_norm 4 -> silu -> conv2d 8 1x1 }
    concat { branch { max_pool2d 2 } branch { avg_pool2d 3 stride=2 padding=1 -> gelu } }
    identity as x
    global_avg_pool -> linear 16 -> hardsigmoid
    multiply x
    conv_transpose2d 4 3x3 stride=2 padding=1 output_padding=1 -> prelu
    upsample 2 mode=bilinear -> pad 1 mode=reflect -> crop 20x20 top=1 left=2 -> local_response_norm 3
    adaptive_avg_pool2d 5x3 -> instance_norm -> channel_shuffle 2 -> scale 0.5 -> scale learned=true
    flatten -> layer_norm -> dropout -> cosine_head 7 -> linear 5 normalize=true -> softmax
}";

const DIGITS: &str = "model Digits {
    input 1x28x28
    conv2d 6 3x3 -> relu -> max_pool2d 2
    conv2d 8 3x3 -> relu -> max_pool2d 2
    flatten -> linear 12 -> relu
    linear 10
}";

/// Layers of sequences, and what looks from each place to all others.
const PLACES: &str = "model Places {
    input 3x12x12
    residual { conv2d 8 1x1 -> attention 2 patch=3x2 -> conv2d 3 1x1 }
    patchify 8 4 -> class_token -> positions sinusoidal
    residual { layer_norm over=channels -> attention 2 } -> attention 4 bias=false
    conv_transpose1d 6 3 stride=2 padding=[1, 0] groups=2
    pad 1 mode=replicate -> upsample 2 mode=bilinear -> instance_norm -> power 2 -> sqrt as x
    transpose; matmul x; clamp -1 1
    concat { branch { mean channels } branch { max channels } branch { sum channels } branch { std channels } }
    l2_normalize -> exp -> reshape 2x2x44
    concat { branch { mean space -> flatten } branch { sum space -> flatten } branch { std space -> flatten } }
    reshape 6x1 as z; parameter 6x4 value=0.5; multiply z
    transpose -> flatten
}";

/// Layers of volumes.
const VOLUMES: &str = "model Volumes {
    input 2x5x6x7
    conv3d 6 3x2x3 stride=1x2x1 padding=1 dilation=1x2x1 groups=2 -> batch_norm -> relu
    concat { branch { max_pool3d 2 stride=1 padding=1 } branch { avg_pool3d 2 stride=1 padding=1 count_padding=false } }
    conv_transpose3d 4 2x3x2 stride=2 padding=1x0x0 output_padding=1 -> prelu -> avg_pool3d 3 padding=1 ceil=true
    add { branch { identity } branch { mean channels } branch { parameter 4x1x1x6 value=0.5 } }
    slice 1 3 axis=depth -> slice 1 3 axis=height -> slice 1 axis=width -> slice 1
    group_norm 3 -> layer_norm over=channels -> depthwise_conv3d 2x1x1
    concat { branch { global_avg_pool } branch { global_max_pool } branch { std space -> flatten } }
}";

/// Whether there is a C compiler here.
fn compiles() -> bool {
    Command::new("cc").arg("--version").output().is_ok_and(|found| found.status.success())
}

/// Compiles and runs the network's C on an image.
fn run(text: &str, name: &str, libraries: &[&str], folder: &Path) -> (Vec<f32>, Vec<f32>) {
    let place = folder.join(name);
    export(text, "c", &[], folder, &place).unwrap();
    let (image, expected) = answer(text, folder);
    let mut main = format!("#include <stdio.h>\n#include \"{name}.h\"\nstatic const float image[] = {{");
    for number in &image {
        write!(main, "{number:?}f,").unwrap();
    }
    let n = expected.len();
    write!(main, "}};\nint main(void) {{\n float output[{n}];\n {name}_run(image, output);\n {name}_run(image, output);\n for (int i = 0; i < {n}; i++) printf(\"%.9g\\n\", (double)output[i]);\n return 0;\n}}\n").unwrap();
    std::fs::write(place.join("main.c"), main).unwrap();
    let flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-o", "run", "main.c"];
    let file = format!("{name}.c");
    let built =
        Command::new("cc").current_dir(&place).args(flags).arg(file).args(libraries).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(place.join("run")).output().unwrap();
    let found = String::from_utf8(ran.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    (expected, found)
}

#[test]
fn c_computes_the_same() {
    if !compiles() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (expected, found) = run(DIGITS, "digits", &[], folder.path());
    assert!(distance(&expected, &found) < 1e-5, "{expected:?} {found:?}");
    for (text, name) in [(NETWORK, "mixed"), (PLACES, "places"), (VOLUMES, "volumes")] {
        let (expected, found) = run(text, name, &["-lm"], folder.path());
        assert!(distance(&expected, &found) < 1e-5, "{name}: {expected:?} {found:?}");
    }
}
