//! Measurements, and the devices to measure on.

use serde_json::Value;

use crate::cli::{Desk, NET};

#[test]
fn bench_measures_training_and_inference() {
    let desk = Desk::new();
    desk.write("small.net", NET);
    for (flags, batch) in [("--train", 32), ("--batch 3 --threads 1 --precision bf16", 3)] {
        let done = desk.run(&format!("bench small.net --json --seconds 0 {flags}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        let figures: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(figures["batch"].as_u64(), Some(batch));
        assert_eq!(figures["precision"], "f32", "the CPU has no other");
        for key in ["images_per_second", "threads", "peak_bytes", "peak_flops_per_second"] {
            assert!(figures[key].as_f64().unwrap() > 0.0, "{key}: {figures}");
        }
        assert!(figures["parts"].as_array().unwrap().iter().any(|part| part["op"] == "conv2d"));
    }
    let text = desk.run("bench small.net --seconds 0").out;
    assert!(text.contains("images/s in batches of 32"), "{text}");
    assert_eq!(text.contains("with everything that the process took"), cfg!(target_os = "linux"), "{text}");
    let figures = desk.json("bench small.net --train --seconds 0 --processes 2 --json");
    let deeds = figures["shared"]["deeds"].as_array().unwrap();
    // 1,598 weights; the loss and more besides.
    let sent = |kind: &str| deeds.iter().filter_map(|deed| deed[kind][0].as_u64()).sum::<u64>();
    assert!((4 * 1598..4 * 2000).contains(&(sent("exchange") + sent("begin"))), "{figures}");
    assert!(deeds.iter().any(|deed| deed["divided"].as_f64().is_some_and(|time| time > 0.0)), "{figures}");
    let text = desk.run("bench small.net --train --seconds 0 --processes 4").out;
    assert!(text.contains("4 processes would exchange "), "{text}");
    desk.refused("bench small.net --precision f16", 2, &["f32", "tf32", "bf16"]);
    desk.refused("bench small.net --seconds forever", 2, &["a number of seconds from 0 to 3600"]);
}

/// The loss of a file that names none follows from what its model gives.
#[test]
fn bench_trains_what_has_no_train_section() {
    let desk = Desk::new();
    let model = |input: &str, layers: &str| format!("model M {{ input {input}; {layers} }}\n");
    desk.write("classes.model", model("1x9x9", "conv2d 3 3x3 -> flatten -> linear 7"));
    desk.write("images.model", model("2x9x9", "conv2d 2 3x3 padding=1"));
    desk.write("others.model", model("2x9x9", "conv2d 3 3x3"));
    for (file, loss) in [("classes", "cross_entropy"), ("images", "mse target=input")] {
        let done = desk.run(&format!("bench {file}.model --train --seconds 0 --batch 2"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(done.out.contains(&format!("this was `train {{ loss {loss};")), "{}", done.out);
    }
    assert!(!desk.run("bench others.model --seconds 0 --batch 2").out.contains("this was"));
    let said = ["no default loss fits an output of 3x7x7", "omit `--train`"];
    desk.refused("bench others.model --train", 2, &said);
}

#[test]
fn devices_are_listed_and_what_is_not_there_is_refused_with_the_way_to_have_it() {
    let desk = Desk::new();
    desk.write("small.net", NET);
    desk.write("plain.model", "model P { input 1x2x2; flatten -> softmax }\n");
    desk.write("broken.net", "model B { input 1x2x2; flatten -> linear 10 in=7 }\n");
    let listed = desk.run("devices --json");
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed["devices"][0]["device"], "cpu");
    let bytes = |which: &str| listed["devices"][0][which].as_u64();
    assert!(bytes("free_bytes") <= bytes("total_bytes"), "{listed}");
    assert_eq!(bytes("total_bytes").is_some(), cfg!(target_os = "linux"), "{listed}");
    assert!(desk.run("devices").out.contains("backends in this build"));
    let there = |name: &str| listed["devices"].as_array().unwrap().iter().any(|d| d["device"] == name);
    for name in ["cuda:0", "metal"].into_iter().filter(|name| !there(name)) {
        for command in ["bench small.net", "run small.net", "predict plain.model a.png"] {
            desk.refused(&format!("{command} --device {name}"), 2, &["E0409", "--device cpu"]);
        }
        // A file is checked before a device is opened.
        desk.refused(&format!("bench broken.net --device {name}"), 1, &["E0307"]);
        desk.refused(&format!("eval small.net --device {name}"), 2, &["small.net is a network file"]);
    }
    desk.refused("bench small.net --device gpu", 2, &["`cpu`, `cuda`, `cuda:N`, `metal` or `auto`"]);
    let done = desk.run("bench small.net --seconds 0 --device auto");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("device "), "{}", done.err);
}
