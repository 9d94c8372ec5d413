//! Seed S4, from image to image: a picture is read, worked on and written, by filters of given numbers and by a model
//! that learns images; every pixel that can be worked out by hand is.

use std::path::Path;

use dslc::run::{Backend, Cpu};
use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};

use crate::cli::{Desk, digit, png};
use crate::support::{check, distance, training};

/// Rows of a grey picture.
fn rows(path: &Path) -> Vec<Vec<u8>> {
    let DynamicImage::ImageLuma8(grey) = image::open(path).unwrap() else { panic!("{path:?} is not grey") };
    grey.rows().map(|row| row.map(|pixel| pixel.0[0]).collect()).collect()
}

/// Black on the left, white on the right. Smoothed by (1 2 1)/4 a row is (0 0 ¼ ¾ 1 1); four times the difference of
/// a pixel's neighbours is (0 1 3 3 1 0), a quarter of that (0 ¼ ¾ ¾ ¼ 0), times 255 (0 63.75 191.25 191.25 63.75 0).
#[test]
fn the_edges_of_a_picture_are_those_worked_out_by_hand() {
    let desk = Desk::new();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/edges.model");
    let step = GrayImage::from_fn(6, 6, |x, _| Luma([if x < 3 { 0 } else { 255 }]));
    step.save(desk.path("upright.png")).unwrap();
    image::imageops::rotate90(&step).save(desk.path("lying.png")).unwrap();
    DynamicImage::from(step).to_rgb8().save(desk.path("coloured.png")).unwrap();

    let line =
        format!("predict {model} upright.png lying.png coloured.png --out a/b --set model.input=1x6x6");
    let done = desk.run(&line);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("upright.png → a/b/upright.png  1x6x6\n"), "{}", done.out);
    let row = [0, 64, 191, 191, 64, 0];
    let upright = rows(&desk.path("a/b/upright.png"));
    assert_eq!(upright, [row; 6]);
    assert_eq!(rows(&desk.path("a/b/lying.png")), row.map(|pixel| vec![pixel; 6]));
    assert_eq!(rows(&desk.path("a/b/coloured.png")), upright);
}

#[test]
fn colours_stay_apart_and_numbers_beyond_0_to_1_are_cut_off() {
    let desk = Desk::new();
    let colours = RgbImage::from_fn(2, 1, |x, _| if x == 0 { Rgb([200, 10, 0]) } else { Rgb([0, 100, 255]) });
    colours.save(desk.path("x.png")).unwrap();
    for (factor, expected) in [("0.5", [[100, 5, 0], [0, 50, 128]]), ("2", [[255, 20, 0], [0, 200, 255]])] {
        desk.write("m.net", format!("model M {{ input 3x1x2; filter2d 1 {factor} }}\n"));
        let report = desk.json(&format!("predict m.net x.png --out {factor} --json"));
        assert_eq!((report["image"].as_str(), report["shape"].as_str()), (Some("x.png"), Some("3x1x2")));
        let written = image::open(desk.path(report["written"].as_str().unwrap())).unwrap();
        assert_eq!(written, RgbImage::from_raw(2, 1, expected.concat()).unwrap().into(), "{factor}");
    }
}

#[test]
fn no_picture_is_lost() {
    let desk = Desk::new();
    desk.write("m.model", "model M { input 1x28x28; filter2d 1 0 }\n");
    for name in ["x.png", "a/x.png", "a/x-2.png"] {
        std::fs::create_dir_all(desk.path("a")).unwrap();
        png(&desk.path(name), digit(3, 1));
    }
    let before = std::fs::read(desk.path("x.png")).unwrap();
    // One name twice, and the name that the second would have had.
    let done = desk.run("predict m.model x.png a/x.png a/x-2.png text.png --out black");
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("text.png does not exist"), "{}", done.err);
    for name in ["x.png", "x-2.png", "x-2-2.png"] {
        assert_eq!(rows(&desk.path(&format!("black/{name}"))), [[0; 28]; 28], "{name}");
    }
    assert!(!desk.path("black/text.png").exists());

    let exists = ["black/x.png (and 1 more) already exists", "or `--force`"];
    desk.refused("predict m.model x.png a/x.png --out black", 2, &exists);
    desk.write("m.model", "model M { input 1x28x28; filter2d 1 0 -> scale 0.5 -> identity }\n");
    assert_eq!(desk.run("predict m.model x.png --out black --force").code, Some(0));
    for folder in [".", "black/..", "a/.."] {
        let said = ["x.png is one of the images themselves", "another folder"];
        desk.refused(&format!("predict m.model x.png --out {folder} --force"), 2, &said);
    }
    desk.refused("predict m.model a/x.png --out x.png", 2, &["the folder x.png cannot be made"]);
    assert_eq!(std::fs::read(desk.path("x.png")).unwrap(), before);
    std::fs::create_dir_all(desk.path("c/x.png")).unwrap();
    desk.refused("predict m.model x.png --out c --force", 2, &["c/x.png is a folder and is left as it is"]);
}

#[test]
fn models_that_give_no_picture_say_so() {
    let desk = Desk::new();
    png(&desk.path("x.png"), digit(3, 1));
    let refused = |layers: &str, flags: &str, said: &[&str]| {
        desk.write("m.net", format!("model M {{ {layers} }}\n"));
        desk.refused(&format!("predict m.net x.png {flags}"), 2, said);
    };
    let trained = ["m.net has 10 weights that must be trained first", "`dslc run m.net`"];
    refused("input 1x28x28; conv2d 1 3x3", "--out o", &trained);
    let pooled = "input 1x28x28; global_avg_pool";
    refused(pooled, "--out o", &["`M` gives classes, not images", "no `--out`"]);
    refused(pooled, "--force", &["--out"]);
    refused("input 1x28x28; reshape 4x14x14", "--out o", &["`M` gives 4x14x14", "1 or 3 channels"]);
    refused("input 1x28x28; filter2d 3 1", "", &["`M` gives images (1x26x26)", "`--out FOLDER`"]);
    refused("input 1x28x28; filter2d 3 1", "--top 2", &["not classes"]);
    refused(
        "input 784; reshape 1x28x28",
        "--out o",
        &["x.png: a picture cannot be brought to the shape 784"],
    );
    desk.write("m.net", "model M { input 1x28x28; filter2d 3 }\n");
    desk.refused("predict m.net x.png --out o", 1, &["`filter2d` needs `weights`"]);
    assert!(!desk.path("o/x.png").exists());
    desk.write("m.net", format!("model M {{ {pooled} }}\n"));
    assert_eq!(desk.json("predict m.net x.png --json")["top"][0]["class"], "0");
}

/// An output of half the image, (0.1, 0.4) for (0.2, 0.8): its distances are -0.1 and -0.4. The factor's gradient is
/// the mean of 2·distance·pixel, -0.34, or of -pixel, -0.5.
#[test]
fn losses_held_against_the_image_are_those_worked_out_by_hand() {
    for (loss, expected, factor) in [("mse", 0.085, 0.84), ("l1", 0.25, 1.0)] {
        let (experiment, found) = check(&format!(
            "model M {{ input 1x1x2; scale 0.5 learned=true }}\n\
             train {{ loss {loss} target=input; optimizer sgd lr=1 }}\n"
        ));
        assert_eq!(found, []);
        let mut session = Cpu.compile(vec![training(&experiment, 1)]).unwrap().start(0).unwrap();
        session.write(0, "images", |out| out.copy_from_slice(&[0.2, 0.8])).unwrap();
        session.write(0, "lr", |out| out[0] = 1.0).unwrap();
        session.step(0).unwrap();
        assert!(distance(&[expected], &session.read(0, "loss").unwrap()) < 1e-6, "{loss}");
        assert!(distance(&[factor], &session.read_state("scale1.weight").unwrap()) < 1e-6, "{loss}");
    }
}

#[test]
fn a_model_learns_to_give_images_back() {
    let desk = Desk::new();
    desk.write(
        "auto.net",
        "model Auto {
    input 1x28x28
    conv2d 8 3x3 stride=2 padding=1 -> leaky_relu
    conv_transpose2d 1 2x2 stride=2
}
data { source mnist \"data\"; validation 50 }
train { loss mse target=input; optimizer adam lr=0.01; epochs 6; batch 16; seed 3; early_stop patience=3 }
expect { test.loss < 0.005 }
",
    );
    let done = desk.run("run auto.net --out r --json");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("validation loss") && !done.err.contains("accuracy"), "{}", done.err);
    let report: serde_json::Value = serde_json::from_str(done.out.lines().last().unwrap()).unwrap();
    for key in ["test.accuracy", "train.accuracy", "validation.accuracy", "test.classes", "test.confusion"] {
        assert!(report[key].is_null(), "{key}: {report}");
    }
    assert_eq!(desk.json("eval r --json")["test.loss"], report["test.loss"]);
    let told = desk.run("eval r").out;
    assert!(told.starts_with("test loss 0.00") && told.contains("(100 images)"), "{told}");

    let drawn = digit(7, 2000);
    png(&desk.path("seven.png"), drawn.clone());
    assert_eq!(desk.run("predict r seven.png --out given").code, Some(0));
    let given = rows(&desk.path("given/seven.png")).concat();
    let apart: u32 = given.iter().zip(&drawn).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    assert!(apart / 784 < 12, "{} grey levels apart on average", apart / 784);
    desk.refused("predict r seven.png --set model.input=1x6x6 --out b", 2, &["`--set` changes a file"]);
}
