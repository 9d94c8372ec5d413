//! Networks that learn masks, pictures and labels besides the class of an image: from a table to a trained, measured, resumed,
//! predicting and exported run.

use crate::cli::Desk;
use crate::cli::beside::{exports, resumes};

/// Pictures with a bright square in one of four corners; a mask that is 255 in it and 0 elsewhere; a picture of the brightness halved; and
/// a table that also lists where the square lies.
fn desk() -> Desk {
    let desk = Desk::new();
    let mut rows = String::from("scan,kind,square,half,where,left,top\n");
    for i in 0..40u32 {
        let (x, y) = (i % 2, i / 2 % 2);
        let is_inside = |px: u32, py: u32| px / 4 == x && py / 4 == y;
        let bright = |px, py| if is_inside(px, py) { 240 } else { (px * 5 + py * 3 + i) as u8 };
        let save = |name: String, of: &dyn Fn(u32, u32) -> u8| {
            let picture = image::GrayImage::from_fn(8, 8, |px, py| image::Luma([of(px, py)]));
            picture.save(desk.path(&name)).unwrap();
        };
        save(format!("a{i}.png"), &bright);
        save(format!("m{i}.png"), &|px, py| if is_inside(px, py) { 255 } else { 0 });
        save(format!("h{i}.png"), &|px, py| bright(px, py) / 2);
        let tags = [(x == 0).then_some("left"), (y == 0).then_some("top")];
        let tags: Vec<&str> = tags.into_iter().flatten().collect();
        let kind = if i % 3 == 0 { "a" } else { "b" };
        let cell = tags.join(";");
        rows.push_str(&format!(
            "a{i}.png,{kind},m{i}.png,h{i}.png,{cell},{},{}\n",
            u8::from(x == 0),
            u8::from(y == 0)
        ));
    }
    desk.write("cases.csv", rows);
    desk
}

const NET: &str = "model Drawn {
    input 1x8x8
    conv2d 8 3x3 padding=1 -> relu
    output square weight=2 { conv2d 2 1x1 }
    output half { conv2d 1 1x1 }
    flatten
    output side { linear 2 }
    linear 2
}

data {
    source table \"cases.csv\" image=scan label=kind classes=2 size=8x8 channels=1
    split test=25% validation=25%
    normalize auto
    augment { random_crop 8x8 padding=1 }
    field square mask=square names=[ground, square] values=[0, 255]
    field half image=half
    field side labels=[left, top]
}

train {
    loss cross_entropy
    optimizer adam lr=0.02
    epochs 25
    batch 8
    seed 3
    keep best by=square.mean_iou
}

expect {
    test.square.mean_iou > 90%
    test.half.psnr > 20
    test.side.macro_f1 > 70%
}
";

#[test]
fn masks_pictures_and_labels_are_learnt_besides_a_class() {
    let desk = desk();
    desk.write("drawn.net", NET);
    let run = desk.run("run drawn.net --out r");
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    for word in ["output square", "output half", "output side", "IoU", "psnr"] {
        assert!(format!("{}{}", run.out, run.err).contains(word), "{word}: {}", run.out);
    }
    let eval = desk.json("eval r --json");
    assert_eq!(eval["test.square.classes"][1]["class"], "square", "{eval}");
    let sum = |key: &str| {
        let rows = eval[key].as_array().unwrap().iter();
        rows.flat_map(|row| row.as_array().unwrap()).filter_map(|n| n.as_u64()).sum::<u64>()
    };
    assert_eq!(sum("test.square.confusion"), 64 * sum("test.confusion"), "{eval}");
    assert_eq!(eval["test.side.labels"][0]["label"], "left", "{eval}");
    assert!(eval["test.half.psnr"].as_f64().unwrap() > 20.0, "{eval}");
    let page = std::fs::read_to_string(desk.path("r/report.html")).unwrap();
    assert!(page.contains("square mean iou") && page.contains("half psnr"));
    let net = NET.split("expect {").next().unwrap();
    desk.write("short.net", net);
    resumes(&desk, "short.net", 4);
    // The images and masks in memory, on disk and in no cache give the same bits.
    for cache in ["ram", "none"] {
        let done =
            desk.run(&format!("run short.net --out {cache} --set train.epochs=4 --set data.cache={cache}"));
        assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
        // The header says how they were trained.
        let weights = |run: &str| {
            let bytes = std::fs::read(desk.path(&format!("{run}/last.safetensors"))).unwrap();
            let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
            bytes[8 + header..].to_vec()
        };
        assert!(weights(cache) == weights("whole"), "{cache}");
    }
    exports(&desk, &[], &["square", "half", "side"]);
}

#[test]
fn masks_and_pictures_of_further_outputs_are_written_beside_each_other() {
    let desk = desk();
    desk.write("drawn.net", NET);
    let run = desk.run("run drawn.net --out r");
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let said = desk.json("predict r a1.png --json");
    let outputs = &said["outputs"];
    assert!(outputs["square"]["areas"]["ground"].as_f64().unwrap() > 0.5, "{said}");
    assert!(outputs["square"]["written"].is_null() && outputs["half"]["shape"] == "1x8x8", "{said}");
    assert_eq!(outputs["side"]["labels"][1]["label"], "top", "{said}");
    let done = desk.run("predict r a1.png a2.png --csv --out drawn");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let head = "image,class,probability,class_2,probability_2,square,square.ground,square.square,half,side.left,side.top";
    assert_eq!(done.out.lines().next(), Some(head));
    for name in ["a1.square.png", "a1.half.png", "a2.square.png", "a2.half.png"] {
        let picture = image::open(desk.path(&format!("drawn/{name}"))).unwrap();
        assert_eq!((picture.width(), picture.height()), (8, 8), "{name}");
    }
    assert!(!desk.path("drawn/a1.png").exists(), "a class is no picture");
    desk.refused("predict r a1.png --out drawn", 2, &["a1.square.png", "already exists"]);
    let text = desk.run("predict r a1.png").out;
    assert!(text.contains("ground ") && text.contains("1x8x8"), "{text}");
}

#[test]
fn cells_that_are_no_mask_or_label_are_refused() {
    let desk = desk();
    let net = |field: &str| {
        let lines: Vec<String> = NET
            .lines()
            .map(|line| match line.trim_start().strip_prefix("field ") {
                Some(own) if field.starts_with(own.split(' ').next().unwrap()) => {
                    format!("    field {field}")
                }
                _ => line.to_owned(),
            })
            .collect();
        desk.write("other.net", lines.join("\n"));
    };
    net("square mask=half names=[ground, square]");
    desk.refused("run other.net", 2, &["h", ".png", "which is none of 2 classes"]);
    net("square mask=square names=[ground, square]");
    desk.refused("run other.net", 2, &["the field `square`", "masks of 0 and 255 only"]);
    net("square mask=gone names=[ground, square]");
    desk.refused("run other.net", 2, &["the field `square`", "no column `gone`"]);
    net("side labels=[left, where]");
    desk.refused("run other.net", 2, &["the field `side`: a row has `left", "in `where`", "1 or 0"]);
    net("side labels=where names=[left, up]");
    desk.refused("run other.net", 2, &["has the label `top`, which is none of its 2"]);
    net("side labels=where names=[left, top]");
    let done = desk.run("run other.net --out listed --set train.epochs=1");
    assert!(done.code != Some(2), "{}{}", done.out, done.err);
    image::GrayImage::new(7, 8).save(desk.path("m3.png")).unwrap();
    net("square mask=square names=[ground, square] values=[0, 255]");
    desk.refused("run other.net", 2, &["a3.png is 8x8 (height x width), but its mask 8x7"]);
    std::fs::write(desk.path("m3.png"), b"none").unwrap();
    desk.refused("run other.net", 2, &["m3.png"]);
}
