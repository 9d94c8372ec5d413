//! Training runs: what they print and keep, what they refuse, and what later commands make of their folders.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::{Desk, NET, digit, done, idx, png};

/// A network with a head that only training has: trained, stopped and gone on with, measured, asked and exported.
#[test]
fn auxiliary_heads_are_of_training_alone() {
    let desk = Desk::new();
    let headed = NET.replace(
        "max_pool2d 2",
        "auxiliary weight=0.3 { global_avg_pool -> linear 10 } as side\n    max_pool2d 2",
    );
    desk.write("headed.net", &headed);
    let run = desk.run("run headed.net --out r");
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    assert!(std::fs::read_to_string(desk.path("r/report.html")).unwrap().contains("side.linear1"));
    let eval = desk.json("eval r --json");
    assert!(eval["test.loss"].as_f64().unwrap().is_finite(), "{eval}");
    png(&desk.path("x.png"), digit(3, 1));
    assert_eq!(desk.run("predict r x.png").code, Some(0));
    for format in ["onnx", "pytorch", "c", "safetensors"] {
        let export = desk.run(&format!("export r --to {format} -o out-{format}"));
        assert_eq!(export.code, Some(0), "{format}: {}{}", export.out, export.err);
    }
    let exported = std::fs::read(desk.path("out-onnx")).unwrap();
    assert!(!exported.windows(12).any(|bytes| bytes == b"side.linear1"));
    let summary = desk.run("summary headed.net").out;
    assert!(summary.contains("auxiliary heads, in training alone: 50 parameters"), "{summary}");
    let shown = desk.run("graph headed.net --stage model");
    assert!(shown.out.contains("auxiliary"), "{}{}", shown.out, shown.err);
}

#[test]
fn a_run_learns_and_later_commands_agree_with_it() {
    let desk = Desk::new();
    let report = desk.json("run small.net --set train.epochs=6 --out first --json");
    assert_eq!((report["run"].as_str(), report["epochs"].as_u64()), (Some("first"), Some(6)));
    assert!(report["test.accuracy"].as_f64().unwrap() >= 0.9, "{report}");
    for key in ["test.loss", "train.seconds", "train.images_per_second"] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}");
    }

    let resolved = std::fs::read_to_string(desk.path("first/small.net")).unwrap();
    assert!(resolved.contains("\n    epochs 6  ") && resolved.contains("beta1=0.9"), "{resolved}");
    let record = std::fs::read_to_string(desk.path("first/run.json")).unwrap();
    assert!(record.contains("train.epochs=6"), "{record}");
    let events = std::fs::read_to_string(desk.path("first/metrics.jsonl")).unwrap();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 7);
    assert!(events[..6].iter().all(|event| event["validation.accuracy"].is_f64()), "{events:?}");
    assert!(std::fs::read_to_string(desk.path("first/summary.txt")).unwrap().contains("test accuracy"));

    // The tested weights are those that `eval` takes.
    let again = desk.json("eval first --json");
    for key in ["test.accuracy", "test.loss", "test.confusion"] {
        assert_eq!(again[key], report[key], "{key}");
    }
    assert_eq!(again["epoch"], report["test.epoch"]);
    assert_eq!(desk.json("eval first/best.safetensors --data data --json")["test.loss"], report["test.loss"]);
    let text = desk.run("eval first");
    assert!(text.out.contains("predicted as") && text.out.contains("first/best.safetensors"), "{}", text.out);

    png(&desk.path("seven.png"), digit(7, 2000));
    png(&desk.path("two.png"), digit(2, 2001));
    desk.write("text.png", "hello");
    desk.write("empty.png", "");
    let line = "predict first seven.png text.png nowhere.png two.png empty.png --json";
    let answers = desk.refused(
        line,
        2,
        &["text.png: this is not a picture that can be read", "nowhere.png does not exist", "empty.png"],
    );
    let answers: Vec<Value> = answers.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let images: Vec<&str> = answers.iter().map(|answer| answer["image"].as_str().unwrap()).collect();
    assert_eq!(images, ["seven.png", "text.png", "nowhere.png", "two.png", "empty.png"]);
    let best = |i: usize| answers[i]["top"][0]["class"].as_str();
    assert_eq!((best(0), best(1), best(3)), (Some("7"), None, Some("2")));
    let table = desk.run("predict first two.png seven.png --top 1");
    let rows: Vec<Vec<&str>> = table.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((table.code, rows.len()), (Some(0), 3));
    assert_eq!((&rows[1][..2], &rows[2][..2]), (&["two.png", "2"][..], &["seven.png", "7"][..]));

    desk.refused("run small.net --out first", 2, &["first", "already contains a run", "another folder"]);
}

#[test]
fn the_same_seed_gives_the_same_bytes_in_any_folder() {
    let (here, there) = (Desk::new(), Desk::new());
    let weights = |desk: &Desk, line: &str, out: &str| {
        let done = desk.run(&format!("run small.net --set train.epochs=1 {line} --out {out}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        std::fs::read(desk.path(out).join("last.safetensors")).unwrap()
    };
    let first = weights(&here, "", "a");
    assert!(first == weights(&there, "", "elsewhere"), "another folder gives other weights");
    assert!(first != weights(&here, "--set train.seed=4", "b"), "another seed gives the same weights");
}

#[test]
fn a_precision_that_a_device_has_not_is_told_and_changes_nothing() {
    let desk = Desk::new();
    let report = |precision: &str| {
        let line = format!("--set train.precision={precision} --out {precision} --device cpu --json");
        let done = desk.run(&format!("run small.net --set train.epochs=1 {line}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        let told = done.err.contains(&format!("precision f32: {precision} is for CUDA devices"));
        assert_eq!(told, precision != "f32", "{}", done.err);
        let resolved = std::fs::read_to_string(desk.path(&format!("{precision}/small.net"))).unwrap();
        assert!(resolved.contains(&format!("precision {precision} ")), "{resolved}");
        serde_json::from_str::<Value>(&done.out).unwrap()["test.loss"].clone()
    };
    let full = report("f32");
    assert_eq!([report("tf32"), report("bf16")], [full.clone(), full]);
    desk.refused(
        "run small.net --set train.precision=fp16 --out no",
        1,
        &["must be one of: f32, tf32, bf16"],
    );
}

#[test]
fn what_cannot_run_is_refused_before_it_begins() {
    let desk = Desk::new();
    // A batch is never larger than the data set.
    desk.json("run small.net --set train.batch=2147483647 --set train.epochs=1 --out large --json");
    let wide = "linear 100000 -> linear 100000 -> ".repeat(6);
    desk.write("huge.net", NET.replace("linear 10", &format!("{wide}linear 10")));
    let said = ["of memory, but only", "GB are available", "fewer channels"];
    desk.refused("run huge.net --out huge", 2, &said);
    assert!(!desk.path("huge").exists(), "a folder was left for a run that never began");

    let line = "run small.net --set train.optimizer=sgd --set train.optimizer.lr=1000 --set train.epochs=40";
    desk.refused(line, 1, &["the loss became", "small.net:15:", "a smaller learning rate, such as `lr="]);

    desk.write("file", "x");
    desk.refused("run small.net --out file", 2, &["the run's folder file cannot be made"]);
    desk.refused("run small.net --out file/under", 2, &["cannot be made", "--out DIR"]);
    desk.write("part.net", NET.split("train").next().unwrap());
    desk.refused("run part.net", 1, &["no `train` section"]);

    let data = |name: &str, content: Vec<u8>, said: &str| {
        let path = format!("data/{name}-idx1-ubyte");
        let good = std::fs::read(desk.path(&path)).unwrap();
        desk.write(&path, content);
        desk.refused("run small.net", 2, &[&path, said, "small.net:9:"]);
        desk.write(&path, good);
    };
    data("train-labels", idx(&[350], &[11; 350]), "has label 11 in record 0");
    data("train-labels", idx(&[349], &[1; 349]), "349 labels");
    data("train-labels", idx(&[350], &[1; 99]), "is cut short");
    data("t10k-labels", b"<html>".to_vec(), "a web page");
    std::fs::remove_file(desk.path("data/t10k-labels-idx1-ubyte")).unwrap();
    desk.refused("run small.net", 2, &["lacks t10k-labels-idx1-ubyte"]);
}

#[test]
fn weights_are_believed_only_as_far_as_they_fit() {
    let desk = Desk::new();
    desk.json("run small.net --set train.epochs=1 --out good --json");
    let good = std::fs::read(desk.path("good/last.safetensors")).unwrap();
    png(&desk.path("x.png"), digit(1, 1));
    let refused = |content: Vec<u8>, said: &str| {
        desk.write("w.safetensors", content);
        desk.refused("predict w.safetensors x.png", 2, &["w.safetensors", said]);
        desk.refused("eval w.safetensors --data data", 2, &["w.safetensors", said]);
    };
    refused(good[..good.len() / 2].to_vec(), "is not a complete weights file");
    refused(good[..20].to_vec(), "cut short in its header");
    refused(Vec::new(), "it has 0 bytes");
    refused([&(1u64 << 60).to_le_bytes()[..], b"{}"].concat(), "its header claims 1152921504606846976 bytes");
    refused((0..50_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect(), "header claims");
    refused([&2u64.to_le_bytes()[..], b"{}"].concat(), "was not written by dslc");

    // The description claims another model than the numbers are of, one too large for any machine among them.
    let size = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for features in ["12", "2000000"] {
        let header = String::from_utf8(good[8..8 + size].to_vec()).unwrap();
        let header = header.replace("linear 10", &format!("linear {features}"));
        assert!(header.contains(&format!("linear {features}")));
        let header = header.replace(": 10", &format!(": {features}"));
        let content = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &good[8 + size..]].concat();
        desk.write("w.safetensors", content);
        let done = desk.run("predict w.safetensors x.png");
        assert!(done.code == Some(1) || done.code == Some(2), "{}", done.err);
        assert!(!done.err.contains("panicked") && done.out.is_empty(), "{}", done.err);
    }
    desk.refused("eval nowhere", 2, &["nowhere does not exist", "the folder of a run"]);
    std::fs::create_dir(desk.path("hollow")).unwrap();
    desk.refused("eval hollow", 2, &["hollow contains no weights"]);
    desk.write("good/run.json", "{");
    desk.refused("eval good", 2, &["run.json cannot be read"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_its_weights() {
    use std::io::{BufRead, BufReader};
    let desk = Desk::new();
    for signal in ["INT", "TERM"] {
        let line = format!("run small.net --set train.epochs=100000 --json --out {signal}");
        let mut run = crate::reliability::kills::listening(&desk, &line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(run.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with("epoch 1/100000")));
        let sent = Command::new("kill").args([format!("-{signal}"), run.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let rest: Vec<String> = lines.collect();
        assert!(rest.iter().any(|line| line.starts_with("stopping after this step")), "{rest:?}");
        let done = done(run.wait_with_output().unwrap());
        assert_eq!(done.code, Some(130), "{rest:?}");
        let report: Value = serde_json::from_str(done.out.lines().last().unwrap()).unwrap();
        assert_eq!(report["ended"], "interrupted");
        assert!(desk.path(signal).join("last.safetensors").exists());
        assert_eq!(desk.json(&format!("eval {signal} --json"))["test.loss"], report["test.loss"]);
    }
}

#[test]
fn the_resolved_file_of_a_run_runs_again_where_it_lies() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("nets")).unwrap();
    desk.write("nets/a.net", NET.replace("\"data\"", "\"../data\"").replace("epochs 2", "epochs 1"));
    let absolute = desk.path("data").display().to_string();
    desk.write("b.net", format!("let folder = \"data\"\n{}", NET.replace("\"data\"", "folder")));
    desk.write("c.net", NET.replace("\"data\"", &format!("\"{absolute}\"")));
    for (file, out, path) in
        [("nets/a.net", "deep/er", "../../data"), ("b.net", "b", "../data"), ("c.net", "c", &absolute)]
    {
        let name = file.rsplit('/').next().unwrap();
        let first = desk.json(&format!("run {file} --set train.epochs=1 --out {out} --json"));
        let text = std::fs::read_to_string(desk.path(&format!("{out}/{name}"))).unwrap();
        assert!(text.contains(&format!("source mnist \"{path}\"")), "{text}");
        let again = desk.json(&format!("run {out}/{name} --out {out}-again --json"));
        assert_eq!(again["test.loss"], first["test.loss"], "{file}");
        assert_eq!(again["train.loss"], first["train.loss"], "{file}");
        // And its weights are found with their data from anywhere.
        assert_eq!(desk.json(&format!("eval {out}-again --json"))["test.loss"], first["test.loss"], "{file}");
    }
}

/// One training image and a batch norm: the only batch is left out, so nothing would ever be learnt.
#[test]
fn a_run_that_can_make_no_step_is_refused_before_it_leaves_a_folder() {
    let desk = Desk::new();
    let net = "model Bn { input 1x28x28; flatten -> linear 8 -> batch_norm -> relu; linear 10 }
data { source mnist \"data\"; validation 349 }
train { loss cross_entropy; optimizer sgd lr=0.1; epochs 2; batch 32 }
";
    desk.write("norm.net", net);
    let said = ["E0408", "no training step is possible", "`bn1`", "349 of 350 images", "at least 2"];
    desk.refused("run norm.net", 1, &said);
    assert!(!desk.path("runs").exists());
    // Two images, or a norm that looks at one, are enough.
    assert_eq!(desk.run("run norm.net --set data.validation=348").code, Some(0));
    desk.write("norm.net", net.replace("batch_norm", "layer_norm"));
    assert_eq!(desk.run("run norm.net").code, Some(0));
}
