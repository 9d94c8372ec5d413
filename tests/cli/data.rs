//! Data sets of every kind, as a user meets them: a first file, a look, a run, and what becomes of damaged pictures.

use std::io::Write;
use std::process::Stdio;

use crate::cli::machine::digest;
use crate::cli::{Desk, done, png};
use crate::sources::fixture;

const NET: &str = "model Small { input 3x8x8; conv2d 4 3x3 -> relu -> flatten -> linear 3 }
data { source SOURCE; resize 8x8; normalize auto; augment { random_flip } }
train { loss cross_entropy; optimizer adam lr=3e-3; epochs 2; batch 4; seed 3 }
";

fn weights(desk: &Desk, name: &str, source: &str) -> u64 {
    desk.write(
        &format!("{name}.net"),
        NET.replace("SOURCE", &source.replace("ROOT", &fixture("").display().to_string())),
    );
    let done = desk.run(&format!("run {name}.net --out {name}"));
    assert_eq!(done.code, Some(0), "{name}: {}", done.err);
    digest(&std::fs::read(desk.path(&format!("{name}/last.safetensors"))).unwrap())
}

#[test]
fn the_same_files_give_the_same_weights_in_every_format() {
    let desk = Desk::new();
    let first = weights(&desk, "folder", "folder \"ROOT/pictures\"");
    for (name, source) in [
        ("csv", "table \"ROOT/pictures/labels.csv\" image=file label=kind part=part"),
        ("jsonl", "table \"ROOT/pictures/labels.jsonl\" image=file label=kind part=part"),
        ("tar", "webdataset \"ROOT/*-0.tar\" label=kind"),
        ("parquet", "parquet \"ROOT/parquet/snappy\"; cache none"),
    ] {
        assert_eq!(weights(&desk, name, source), first, "{name}");
    }
    let train = desk.json("eval tar --part train --json");
    assert_eq!((&train["part"], &train["test.images"]), (&"train".into(), &12.into()));
    assert!(desk.run("eval tar --part train").out.contains("train accuracy"));
    desk.refused("eval tar --part validation", 2, &["no images in this part"]);
}

/// Files that are numbered through all classes come in the order of their numbers: that of the IDX files that they were made of.
#[test]
fn mnist_as_png_files_in_class_folders_gives_the_bits_of_its_idx_files() {
    let desk = Desk::new();
    for (part, stem) in [("train", "train"), ("test", "t10k")] {
        let read = |name: &str| std::fs::read(desk.path(&format!("data/{stem}-{name}-ubyte"))).unwrap();
        let (pixels, labels) = (read("images-idx3"), read("labels-idx1"));
        for (i, (pixels, label)) in pixels[16..].chunks(784).zip(&labels[8..]).enumerate() {
            let folder = desk.path(&format!("png/{part}/{label}"));
            std::fs::create_dir_all(&folder).unwrap();
            png(&folder.join(format!("{i}.png")), pixels.to_vec());
        }
    }
    let net = std::fs::read_to_string(desk.path("small.net")).unwrap().replace("epochs 2", "epochs 1");
    let net = net.replace("normalize", "augment { random_crop 28 padding=2 }; normalize");
    desk.write("idx.net", &net);
    desk.write("png.net", net.replace("mnist \"data\"", "folder \"png\" channels=1 size=28x28"));
    let weights = ["idx", "png"].map(|name| {
        assert_eq!(desk.run(&format!("run {name}.net --out {name}")).code, Some(0));
        digest(&std::fs::read(desk.path(&format!("{name}/last.safetensors"))).unwrap())
    });
    assert_eq!(weights[0], weights[1]);
}

/// Data of the examples.
fn models(name: &str) -> String {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/data").join(name).display().to_string()
}

/// The bytes of an .npy file of small numbers.
fn npy(shape: &str, numbers: &[f32]) -> Vec<u8> {
    let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    head.push_str(&" ".repeat((64 - (11 + head.len()) % 64) % 64));
    head.push('\n');
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    [b"\x93NUMPY\x01\x00", &(head.len() as u16).to_le_bytes()[..], head.as_bytes(), &bytes].concat()
}

/// The same of bytes.
fn bytes(shape: &str, values: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut array = npy(shape, &[]);
    let head = String::from_utf8_lossy(&array).replace("<f4", "|u1").into_bytes();
    // The magic number is no text.
    array.splice(8.., head[head.len() - (array.len() - 8)..].iter().copied());
    array.extend(values);
    array
}

#[test]
fn signals_are_looked_at_trained_on_and_asked_about() {
    let desk = Desk::new();
    let net = "model M { input 2x8; conv1d 4 3 -> relu -> global_avg_pool -> linear 2 }\n\
               data { source arrays \"own\" layout=ncl names=[low, high] scale=2; normalize auto; split test=25%\n\
               augment { random_flip } }\n\
               train { loss cross_entropy; optimizer sgd lr=0.1; mix cutmix; epochs 2; batch 4; seed 1 }\n";
    std::fs::create_dir(desk.path("own")).unwrap();
    let signal =
        |i: usize| (0..16).map(move |at| (i * 3 + at) as f32 * if i.is_multiple_of(2) { 1.0 } else { -1.0 });
    desk.write("own/x_train.npy", npy("(16, 2, 8)", &(0..16).flat_map(signal).collect::<Vec<_>>()));
    desk.write("own/y_train.npy", bytes("(16,)", (0..16u8).map(|i| i % 2)));
    desk.write("m.net", net);
    let looked = desk.run("data m.net --html page.html");
    assert_eq!(looked.code, Some(0), "{}{}", looked.out, looked.err);
    assert!(looked.out.contains("reach the model as 2x8") && !looked.out.contains("grey"), "{}", looked.out);
    let ran = desk.run("run m.net --out run");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    desk.write("two.npy", npy("(2, 2, 8)", &(0..2).flat_map(signal).collect::<Vec<_>>()));
    let told = desk.run("predict run two.npy --csv");
    assert_eq!((told.code, told.out.lines().count()), (Some(0), 3), "{}", told.err);
    assert!(told.out.contains("two.npy[1],"), "{}", told.out);
    desk.refused("predict run own", 2, &["y_train.npy has the shape 16, but the model takes signals of 2x8"]);
    desk.write("images.net", net.replace(" layout=ncl", ""));
    let said = ["the model takes signals of 2x8, but `data` gives 1x2x8", "layout=ncl"];
    desk.refused("check images.net", 1, &said);
    desk.write("resize.net", net.replace("normalize auto", "resize 4x4"));
    desk.refused(
        "check resize.net",
        1,
        &["`resize` changes images, but signals (2x8) arrive", "`normalize`"],
    );
}

#[test]
fn volumes_are_looked_at_trained_on_and_asked_about() {
    let desk = Desk::new();
    let net = "model M { input 2x4x3x5; conv3d 4 3 padding=same -> batch_norm -> relu -> max_pool3d 2x1x1\n\
               global_avg_pool -> linear 2 }\n\
               data { source arrays \"own\" names=[low, high] scale=2; normalize auto; split test=25%\n\
               augment { random_flip } }\n\
               train { loss cross_entropy; optimizer sgd lr=0.1; mix mixup; epochs 2; batch 4; seed 1 }\n";
    std::fs::create_dir(desk.path("own")).unwrap();
    let volume =
        |i: usize| (0..120).map(move |at| (i * 3 + at) as f32 * if i.is_multiple_of(2) { 1.0 } else { -1.0 });
    desk.write("own/x_train.npy", npy("(16, 2, 4, 3, 5)", &(0..16).flat_map(volume).collect::<Vec<_>>()));
    desk.write("own/y_train.npy", bytes("(16,)", (0..16u8).map(|i| i % 2)));
    desk.write("m.net", net);
    let looked = desk.run("data m.net --html page.html");
    assert_eq!(looked.code, Some(0), "{}{}", looked.out, looked.err);
    assert!(
        looked.out.contains("reach the model as 2x4x3x5") && !looked.out.contains("grey"),
        "{}",
        looked.out
    );
    let ran = desk.run("run m.net --out run");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(desk.path("run/report.html").exists());
    desk.write("two.npy", npy("(2, 2, 4, 3, 5)", &(0..2).flat_map(volume).collect::<Vec<_>>()));
    let told = desk.run("predict run two.npy --csv");
    assert_eq!((told.code, told.out.lines().count()), (Some(0), 3), "{}", told.err);
    assert!(told.out.contains("two.npy[1],"), "{}", told.out);
    let said = "y_train.npy has the shape 16, but the model takes volumes of 2x4x3x5";
    desk.refused("predict run own", 2, &[said]);
    for command in ["summary m.net", "graph m.net", "graph m.net --stage final", "check m.net"] {
        let done = desk.run(command);
        assert_eq!(done.code, Some(0), "{command}: {}", done.err);
    }
    desk.write("flat.net", net.replace("input 2x4x3x5", "input 2x12x5"));
    desk.refused("check flat.net", 1, &["`conv3d` needs a volume", "the image 2x12x5 arrives", "`conv2d`"]);
    desk.write("other.net", net.replace("input 2x4x3x5", "input 2x3x4x5"));
    desk.refused("check other.net", 1, &["the model takes volumes of 2x3x4x5, but `data` gives 2x4x3x5"]);
    desk.write("resize.net", net.replace("normalize auto", "resize 4x4"));
    let said = ["`resize` changes images, but volumes (2x4x3x5) arrive", "`normalize`"];
    desk.refused("check resize.net", 1, &said);
}

#[test]
fn a_file_for_data_of_any_kind_checks() {
    let desk = Desk::new();
    let at = |name: &str| fixture(name).display().to_string();
    for (i, (path, said)) in [
        (at("pictures/labels.csv"), "image=file label=kind part=part"),
        (at("*-0.tar"), "source webdataset"),
        (at("parquet/snappy"), "source parquet"),
        (at("cifar-10-python.tar.gz"), "input 3x32x32"),
        (at("cifar-100-python"), "linear 100"),
        (at("arrays/medmnist.npz"), "input 1x4x5"),
        (models("shapes"), "masks\" classes=4"),
        (models("shapes/labels.csv"), "labels=[circle, square, triangle] part=part"),
        (models("dials/dials.csv"), "target=[x, y] part=part"),
        (models("signals.npz"), "classes=3 image=1x128"),
        (models("volumes.npz"), "conv3d 8 3x3x3"),
    ]
    .into_iter()
    .enumerate()
    {
        let written = desk.run(&format!("new {path} -o n{i}.net"));
        assert_eq!(written.code, Some(0), "{path}: {}", written.err);
        let text = std::fs::read_to_string(desk.path(&format!("n{i}.net"))).unwrap();
        assert!(text.contains(said), "{path}: {text}");
        assert_eq!(desk.run(&format!("check n{i}.net")).code, Some(0), "{text}");
    }
}

#[test]
fn damaged_pictures_stop_a_run_or_are_left_out_and_a_page_shows_the_rest() {
    let desk = Desk::new();
    let net = "model M { input 3x8x8; flatten -> linear 2 }\ndata { source folder \"photos\"; resize 8x8; split test=25% }\n\
               train { loss cross_entropy; optimizer sgd lr=0.1; epochs 1; batch 2; seed 1 }\n";
    for i in 0..16u8 {
        let path = desk.path("photos").join(["<ant>", "bee"][usize::from(i) % 2]).join(format!("{i:02}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(9, 9, image::Rgb([i * 9, 3, 5])).save(path).unwrap();
    }
    desk.write("photos/bee/03.png", "no picture");
    desk.write("m.net", net);
    desk.refused("run m.net", 2, &["03.png", "not a picture"]);
    desk.write("skip.net", net.replace("split", "on_error skip; split"));
    let ran = desk.run("run skip.net --out run");
    assert!(ran.code == Some(0) && ran.err.contains("1 picture is left out"), "{}", ran.err);
    assert_eq!(desk.json("eval run --part train --json")["test.images"], 11);
    desk.refused("data m.net --html page.html", 1, &["cannot be used: 1"]);
    let page = std::fs::read_to_string(desk.path("page.html")).unwrap();
    assert!(
        page.contains("&lt;ant&gt;") && page.contains("data:image/png;base64,iVBOR"),
        "{}",
        &page[..2000]
    );
    assert!(!page.contains("http") && page.contains("prefers-color-scheme: dark"));
    let mut child =
        desk.command("predict run --json -").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"photos/bee/01.png\n\nphotos/bee/05.png\n").unwrap();
    assert_eq!(done(child.wait_with_output().unwrap()).out.lines().count(), 2);
    let listed = desk.command("predict run --json").arg("photos/**/0?.png").output().unwrap();
    let listed = done(listed);
    assert_eq!((listed.code, listed.out.lines().count()), (Some(2), 10), "{}", listed.err);
    desk.refused("predict run photos/**/*.jpg", 2, &["no file is called"]);
}
