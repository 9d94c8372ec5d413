//! Real photographs of many sizes and colours: looked at, trained on, measured and predicted; the same as folders and as a table,
//! kept in memory or not, on any number of threads.

use std::path::Path;

use crate::cli::machine::digest;
use crate::cli::{Desk, done};

const NET: &str = "model Small {
    input 3x24x24
    conv2d 8 4x4 stride=2 -> batch_norm -> relu
    conv2d 8 3x3 stride=2 -> relu
    flatten -> linear 3
}
data {
    source folder \"ROOT\"
    resize short=28
    center_crop 24
    normalize auto
    augment { random_resized_crop 24 scale=[0.5, 1] -> random_flip -> color_jitter brightness=0.2 hue=0.1 }
}
train { loss cross_entropy; optimizer adam lr=3e-3; epochs 2; batch 32; seed 3 }
";

fn root() -> String {
    format!("{}/models/data/textures", env!("CARGO_MANIFEST_DIR"))
}

/// The weights of a run of this text.
fn weights(desk: &Desk, name: &str, text: &str, threads: &str) -> u64 {
    desk.write(&format!("{name}.net"), text.replace("ROOT", &root()));
    let mut command = desk.command(&format!("run {name}.net --out {name}"));
    let done = done(command.env("RAYON_NUM_THREADS", threads).output().unwrap());
    assert_eq!(done.code, Some(0), "{name}: {}", done.err);
    digest(&std::fs::read(desk.path(&format!("{name}/last.safetensors"))).unwrap())
}

#[test]
fn photographs_give_the_same_weights_as_folder_and_table_kept_or_read_anew() {
    let desk = Desk::new();
    let first = weights(&desk, "folder", NET, "2");
    let none = NET.replace("    resize", "    cache none\n    resize");
    assert_eq!(weights(&desk, "none", &none, "1"), first);
    // The table lies among the pictures, in another order.
    let mut lines = Vec::new();
    let pictures = desk.path("pictures");
    for part in ["train", "test"] {
        for class in ["gravel", "brick", "grass"] {
            let folder = Path::new(&root()).join(part).join(class);
            std::fs::create_dir_all(pictures.join(part).join(class)).unwrap();
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{part}/{class}/{}", entry.file_name().into_string().unwrap());
                std::fs::copy(entry.path(), pictures.join(&name)).unwrap();
                lines.push(format!("{class},{name},{part}"));
            }
        }
    }
    desk.write("pictures/labels.csv", format!("kind,file,part\n{}\n", lines.join("\n")));
    let table =
        NET.replace("folder \"ROOT\"", "table \"pictures/labels.csv\" image=file label=kind part=part");
    assert_eq!(weights(&desk, "table", &table, "2"), first);
    // What was settled is kept, and resolves to the same.
    let kept = std::fs::read_to_string(desk.path("folder/folder.net")).unwrap();
    assert!(kept.contains("classes=3") && kept.contains("normalize mean=[0.4"), "{kept}");
    let eval = desk.json("eval folder --json");
    assert_eq!(eval["test.images"], 120);
    let picture = format!("{}/test/brick/brick_000.png", root());
    let answer = desk.json(&format!("predict folder {picture} --json"));
    assert!(["brick", "grass", "gravel"].contains(&answer["top"][0]["class"].as_str().unwrap()), "{answer}");
    let all = desk.run(&format!("predict folder {}/test/grass", root()));
    assert_eq!(
        (all.code, all.out.lines().filter(|line| line.contains("grass_")).count()),
        (Some(0), 40),
        "{}",
        all.err
    );
}

#[test]
fn data_that_are_looked_at_are_counted_and_their_faults_named() {
    let desk = Desk::new();
    desk.write("small.net", NET.replace("ROOT", &root()));
    let found = desk.json("data small.net --json");
    assert_eq!(found["classes"][0]["class"], "brick");
    assert_eq!(
        (&found["classes"][2]["train"], &found["images"], &found["reaches"]),
        (&120.into(), &480.into(), &"3x24x24".into())
    );
    assert_eq!(
        (found["leaks"].as_array().unwrap().len(), found["unreadable"].as_array().unwrap().len()),
        (0, 0)
    );
    assert!(desk.run("data small.net").out.contains("gravel"));
    for (name, from) in [
        ("train/a/1.png", 0),
        ("train/a/2.png", 1),
        ("train/b/3.png", 2),
        ("test/a/4.png", 0),
        ("test/b/5.png", 3),
    ] {
        let path = desk.path("pictures").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_pixel(30, 40, image::Luma([from * 50])).save(path).unwrap();
    }
    desk.write("pictures/test/b/6.png", "no picture");
    let own = NET.replace("ROOT", "pictures").replace("linear 3", "linear 2");
    desk.write("own.net", &own);
    let said = desk.refused("data own.net", 1, &["train/a/1.png = test/a/4.png", "6.png", "3x24x24"]);
    assert!(said.out.contains("cannot be used: 1"), "{}", said.out);
    // A run finds it before the first step.
    desk.refused("run own.net", 2, &["test/b/6.png", "is not a picture"]);
}

#[test]
fn what_a_file_states_is_held_against_the_pictures_that_are_there() {
    let desk = Desk::new();
    let check = |text: &str, code: i32, said: &[&str]| {
        desk.write("small.net", text.replace("ROOT", &root()));
        desk.refused("check small.net", code, said);
    };
    let with = |source: &str| NET.replace("source folder \"ROOT\"", source);
    check(NET, 0, &["fine"]);
    let absent = ["there is no data at `gone`", "looked for ./gone", "1 warning"];
    check(&with("source folder \"gone\" classes=3"), 0, &absent);
    check(&with("source folder \"gone\""), 1, &["the number of classes is unknown", "state `classes=`"]);
    check(&with("source folder \"ROOT\" classes=4"), 1, &["the data has 3 classes, but `classes` says 4"]);
    check(&with("source folder \"ROOT\"\nsplit test=20%"), 1, &["already has a test part, with 120 images"]);
    check(&with("source folder \"ROOT/train\""), 1, &["there are no images to test on", "split test=20%"]);
    check(
        &NET.replace("linear 3", "linear 5"),
        1,
        &["the model gives 5 outputs, but the data has 3 classes"],
    );
    check(
        &NET.replace("center_crop 24\n", "").replace("random_resized_crop 24 scale=[0.5, 1] ->", ""),
        1,
        &["each its own size", "center_crop 24x24"],
    );
}

#[test]
fn a_file_for_a_folder_of_pictures_fits_it() {
    let desk = Desk::new();
    for (i, class) in ["a", "b", "c", "d"].into_iter().enumerate() {
        std::fs::create_dir_all(desk.path("own").join(class)).unwrap();
        for j in 0..5u8 {
            let path = desk.path("own").join(class).join(format!("{j}.png"));
            image::GrayImage::from_pixel(80, 70, image::Luma([40 * i as u8 + j])).save(path).unwrap();
        }
    }
    assert_eq!(desk.run("new own -o own.net").code, Some(0));
    let text = std::fs::read_to_string(desk.path("own.net")).unwrap();
    for said in ["source folder \"own\" classes=4", "linear 4", "split test=20%"] {
        assert!(text.contains(said), "{text}");
    }
    desk.refused("check own.net", 0, &["fine"]);
}

/// The file of prepared images serves later runs, and no damage to it changes a number.
#[test]
fn pictures_on_the_disk_give_the_same_weights_until_they_change() {
    let desk = Desk::new();
    for class in ["brick", "grass"] {
        for part in ["train", "test"] {
            let from = Path::new(&root()).join(part).join(class);
            let to = desk.path("photos").join(part).join(class);
            std::fs::create_dir_all(&to).unwrap();
            for entry in std::fs::read_dir(from).unwrap().take(12) {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }
    let run = |cache: &str, out: &str| {
        let text = NET.replace("ROOT", "photos").replace("linear 3", "linear 2");
        desk.write("small.net", text.replace("    resize", &format!("    cache {cache}\n    resize")));
        let mut command = desk.command(&format!("run small.net --set train.epochs=1 --out {out}"));
        let done = done(command.env("DSLC_CACHE", desk.path("kept")).output().unwrap());
        assert_eq!(done.code, Some(0), "{out}: {}", done.err);
        let line = done.err.lines().find(|line| line.starts_with("cache")).unwrap_or_default().to_owned();
        (digest(&std::fs::read(desk.path(&format!("{out}/last.safetensors"))).unwrap()), line)
    };
    let (first, line) = run("none", "none");
    assert_eq!(line, "");
    let (ram, line) = run("ram", "ram");
    assert!(ram == first && line.ends_with("in memory"), "{line}");
    let (made, line) = run("disk", "made");
    assert!(made == first && line.contains("kept") && line.ends_with(".images"), "{line}");
    let (kept, line) = run("disk", "again");
    assert!(kept == first && line.ends_with("made by an earlier run"), "{line}");
    let file = std::fs::read_dir(desk.path("kept")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1000..30_000].fill(0);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(run("disk", "damaged").0, first);
    assert!(!file.exists(), "it is made again");
    run("disk", "whole");
    let picture = std::fs::read_dir(desk.path("photos/train/grass")).unwrap().next().unwrap().unwrap().path();
    let other = std::fs::read_dir(desk.path("photos/train/brick")).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(other, picture).unwrap();
    let (changed, line) = run("disk", "changed");
    assert!(changed != first && line.ends_with(".images"), "{line}");
    // What is recorded of the data does not tell how they are kept.
    let record = |out: &str| {
        let text = std::fs::read_to_string(desk.path(&format!("{out}/run.json"))).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["data"].clone()
    };
    assert!(
        record("none").is_string() && [record("ram"), record("made")] == [record("none"), record("none")]
    );
}

#[test]
fn batches_are_measured_without_a_network() {
    let desk = Desk::new();
    desk.write("small.net", NET.replace("ROOT", &root()));
    let figures = desk.json("bench small.net --data --json --seconds 0 --batch 50");
    assert!(figures["images_per_second"].as_f64().unwrap() > 0.0, "{figures}");
    assert_eq!((figures["batch"].as_u64(), figures["images"].as_u64()), (Some(50), Some(50)));
    let text = desk.run("bench small.net --data --seconds 0 --threads 1").out;
    assert!(text.contains("in batches of 32 on 1 thread\n") && text.contains("in memory"), "{text}");
    desk.refused("bench small.net --data --train", 2, &["--train"]);
}
