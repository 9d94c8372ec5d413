//! `predict` and `eval`: what they say of pictures, of weights and of what is neither.

use dslc::train::checkpoint::Card;
use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::cli::{Desk, digit, idx, png};
use crate::reliability::files::{card, weights};

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn classes_have_their_names() {
    let desk = Desk::new();
    desk.write("w.safetensors", weights(Some(0.0), card()));
    png(&desk.path("x.png"), digit(3, 1));
    let done = desk.run("predict w.safetensors x.png --top 2");
    let row: Vec<&str> = done.out.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row, ["x.png", "cat", "33.33", "%", "dog", "33.33", "%"], "{}", done.err);
    let top = &desk.json("predict w.safetensors x.png --top 9 --json")["top"];
    assert_eq!((top[2]["class"].as_str(), top[2]["index"].as_u64()), (Some("owl"), Some(2)));
    assert!(top[3].is_null());
    // Of an older file, which knows none.
    desk.write("w.safetensors", weights(Some(0.0), Card { classes: Vec::new(), ..card() }));
    assert_eq!(desk.json("predict w.safetensors x.png --json")["top"][0]["class"], "0");
}

#[test]
fn a_network_that_gives_nan_has_no_answer() {
    let desk = Desk::new();
    desk.write("w.safetensors", weights(Some(f32::NAN), card()));
    png(&desk.path("x.png"), digit(3, 1));
    let said = ["E0412", "x.png: the network gives no number (NaN) in output 0", "smaller learning rate"];
    let done = desk.refused("predict w.safetensors x.png", 1, &said);
    assert_eq!(done.out, "");
    let done = desk.run("predict w.safetensors x.png --json");
    assert_eq!((done.code, done.err.as_str()), (Some(1), ""));
    assert_eq!(objects(&done.out)[0]["code"], "E0412");
}

#[test]
fn what_is_done_to_a_picture_is_said_and_json_is_nothing_else() {
    let desk = Desk::new();
    desk.write("w.safetensors", weights(None, card()));
    RgbImage::from_fn(64, 48, |x, _| Rgb([x as u8, 0, 0])).save(desk.path("photo.jpg")).unwrap();
    png(&desk.path("ink.png"), digit(3, 1).iter().map(|pixel| 255 - pixel).collect());
    png(&desk.path("fine.png"), digit(3, 1));
    let done = desk.run("predict w.safetensors photo.jpg ink.png fine.png");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let lines: Vec<&str> = done.err.lines().collect();
    assert_eq!(lines[0], "photo.jpg: 64x48 colour, made 28x28 grey; its proportions changed");
    assert!(lines[1].starts_with("ink.png: this looks dark on light, but the network learnt light on dark"));
    assert_eq!(lines.len(), 2, "{}", done.err);
    let done = desk.run("predict w.safetensors photo.jpg ink.png fine.png nowhere.png --json");
    assert_eq!((done.code, done.err.as_str()), (Some(2), ""));
    let remarks: Vec<usize> =
        objects(&done.out)[..3].iter().map(|answer| answer["remarks"].as_array().unwrap().len()).collect();
    assert_eq!(remarks, [1, 1, 0]);
    assert_eq!(objects(&done.out)[3]["error"], "nowhere.png does not exist");
}

#[test]
fn a_file_without_weights_is_answered_with_how_to_get_them() {
    let desk = Desk::new();
    desk.write("m.model", "model M { input 1x28x28; flatten -> linear 10 }\n");
    png(&desk.path("x.png"), digit(3, 1));
    desk.refused(
        "eval small.net",
        2,
        &["small.net is a network file", "try: `dslc run small.net`", "runs/small-1"],
    );
    desk.refused(
        "eval m.model",
        2,
        &["m.model is a network file", "`use \"m.model\"`", "`data` and `train`"],
    );
    let said = ["m.model has 7,850 weights that must be trained first", "`dslc run` on a `.net` file"];
    desk.refused("predict m.model x.png", 2, &said);
    std::fs::create_dir_all(desk.path("runs/small-12")).unwrap();
    desk.write("runs/small-12/last.safetensors", "");
    desk.refused("predict small.net x.png", 2, &["try: its run runs/small-12, in place of the file"]);
    desk.write("w.safetensors", weights(None, Card { source: String::new(), ..card() }));
    for command in ["predict w.safetensors x.png", "eval w.safetensors"] {
        let said =
            ["w.safetensors contains numbers, but no description of their model", "that `dslc run` wrote"];
        desk.refused(command, 2, &said);
    }
}

#[test]
fn other_data_needs_its_test_images_alone() {
    let desk = Desk::new();
    desk.json("run small.net --set train.epochs=1 --out r --json");
    let own = desk.json("eval r --json");
    std::fs::create_dir(desk.path("other")).unwrap();
    for name in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        std::fs::rename(desk.path("data").join(name), desk.path("other").join(name)).unwrap();
    }
    assert_eq!(desk.json("eval r --data other --json")["test.loss"], own["test.loss"]);
    desk.refused("eval r", 2, &["data lacks t10k-images-idx3-ubyte", "`--data DIR`"]);
    desk.write("other/t10k-labels-idx1-ubyte", idx(&[100], &[11; 100]));
    desk.refused("eval r --data other", 2, &["has label 11 in record 0"]);
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_folders_are_not_read() {
    let desk = Desk::new();
    desk.write("w.safetensors", weights(None, card()));
    desk.write("m.model", "model M { input 1x28x28; flatten }\n");
    let mut mkfifo = std::process::Command::new("mkfifo");
    mkfifo.args(["pipe.png", "pipe.model"]).current_dir(desk.path("."));
    assert!(mkfifo.status().unwrap().success());
    png(&desk.path("x.png"), digit(3, 1));
    let said = ["pipe.png is not a regular file", "/dev/zero is not a regular file", "data is a folder"];
    desk.refused("predict w.safetensors pipe.png /dev/zero data", 2, &said);
    desk.refused(
        "predict pipe.png x.png",
        2,
        &["pipe.png is not a complete weights file: it is not a regular file"],
    );
    desk.refused(
        "eval /dev/zero",
        2,
        &["/dev/zero is not a complete weights file: it is not a regular file"],
    );
    desk.write("n.net", "use \"pipe.model\"\nmodel N { input 1x28x28; flatten }\n");
    desk.refused("check n.net", 1, &["`use \"pipe.model\"`", "pipe.model is not a regular file"]);
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_project_is_not_followed() {
    use std::os::unix::fs::symlink;
    let (desk, outside) = (Desk::new(), Desk::new());
    outside.write("secret.model", "let secret = 5\n");
    desk.write("inside.model", "block b() { relu }\n");
    symlink(outside.path("secret.model"), desk.path("out.model")).unwrap();
    symlink("inside.model", desk.path("in.model")).unwrap();
    desk.write("n.net", "use \"out.model\"\nmodel N { input 1x28x28; flatten }\n");
    let done = desk.refused("check n.net", 1, &["out.model is a link that leads out of the project"]);
    assert!(!done.err.contains("secret = 5"), "{}", done.err);
    desk.write("n.net", "use \"in.model\"\nmodel N { input 1x28x28; b; flatten }\n");
    assert_eq!(desk.run("check n.net").code, Some(0));
}

#[cfg(unix)]
#[test]
fn force_writes_over_plain_files_alone() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let desk = Desk::new();
    desk.write("m.model", "model M { input 1x28x28; filter2d 1 1 }\n");
    png(&desk.path("x.png"), digit(3, 1));
    desk.write("mine", "mine");
    std::fs::create_dir(desk.path("o")).unwrap();
    symlink(desk.path("mine"), desk.path("o/x.png")).unwrap();
    desk.refused(
        "predict m.model x.png --out o --force",
        2,
        &["o/x.png is a symbolic link", "also with `--force`"],
    );
    assert_eq!(std::fs::read_to_string(desk.path("mine")).unwrap(), "mine");
    std::fs::remove_file(desk.path("o/x.png")).unwrap();
    desk.write("o/x.png", "kept");
    let mode =
        |mode| std::fs::set_permissions(desk.path("o/x.png"), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o444);
    desk.refused("predict m.model x.png --out o --force", 2, &["o/x.png is write-protected"]);
    mode(0o777);
    assert_eq!(desk.run("predict m.model x.png --out o --force").code, Some(0));
    let written = std::fs::metadata(desk.path("o/x.png")).unwrap();
    assert!(
        written.len() > 4 && written.permissions().mode() & 0o111 == 0,
        "{:o}",
        written.permissions().mode()
    );
}
