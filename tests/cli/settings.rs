//! Settings from the command line, and the batch that is chosen.

use serde_json::Value;

use crate::cli::{Desk, NET, done};

#[test]
fn overrides_mean_one_value_of_one_setting() {
    let desk = Desk::new();
    let refused = |setting: &str, said: &str| {
        let output = desk.command("check small.net --set").arg(setting).output().unwrap();
        let done = done(output);
        assert_eq!(done.code, Some(1), "{setting}: {}", done.out);
        assert!(done.out.contains(said), "{setting}: {}", done.out);
    };
    refused("nonsense", "has no `=`");
    refused("train.epochs=", "lacks a name or a value");
    refused("=1", "lacks a name");
    refused("train..=1", "lacks a name");
    refused("nowhere.epochs=1", "no section `nowhere`");
    refused("train.nothing=1", "`nothing`");
    refused("train.epochs=1; batch 2", "not one value");
    refused("train.epochs=1\nbatch 2", "not one value");
    refused("train.epochs=1 2", "E0206");
    refused("train.epochs=1}", "closes nothing");
    refused("train.epochs=1 as x", "not one value");
    refused("train.epochs=1 : 3x3", "not one value");
    refused("train.epochs=1 { junk }", "`epochs` takes no block");
    refused("train.epochs=1 < 2", "takes no comparison");
    refused("train.epochs=0", "at least 1");
    refused("train.epochs=-1", "at least 1");
    refused("train.optimizer.lr=nan", "a number");
    desk.write("two.net", NET.replace("flatten", "flatten\n linear 5"));
    desk.refused("check two.net --set model.linear=7", 1, &["`model` has 2 `linear` lines"]);
}

/// Bytes of `1.23 MB planned` in a text, in MB.
fn planned(text: &str) -> f64 {
    let before = text.split(" planned").next().unwrap();
    let mut words = before.split_whitespace().rev();
    let (unit, number) = (words.next().unwrap(), words.next().unwrap().parse::<f64>().unwrap());
    match unit {
        "kB" => number / 1e3,
        "MB" => number,
        other => panic!("{other:?} in {text}"),
    }
}

#[test]
fn batch_auto_is_chosen_for_a_limit_shown_and_recorded() {
    let desk = Desk::new();
    desk.write("auto.net", NET.replace("batch 32", "batch auto 1MB"));
    let shown = desk.run("show auto.net --resolved");
    let line = shown.out.lines().find(|line| line.contains("batch ")).unwrap();
    let images: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((2..300).contains(&images) && line.ends_with("# line 17: batch auto 1MB"), "{line}");
    desk.write("again.net", &shown.out);
    assert_eq!(desk.run("check again.net").code, Some(0));

    let summary = desk.run("summary auto.net").out;
    let said = format!("for training in batches of {images}, chosen by `batch auto` for 1.00 MB");
    assert!(summary.contains(&said), "{summary}");
    let figures = desk.json("summary auto.net --json");
    assert_eq!(
        (figures["batch"].as_u64(), figures["batch_within"].as_u64()),
        (Some(images as u64), Some(1_000_000))
    );

    // What a run plans for this number fits, and for half as many again does not. (`auto_batch.rs` counts bytes.)
    let run = |settings: &str, out: &str| {
        desk.run(&format!("run auto.net --set train.epochs=1 {settings} --out {out}"))
    };
    let done = run("", "auto");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let head = format!("batch  {images} images, chosen for 1.00 MB\n");
    assert!(done.err.contains(&head), "{}", done.err);
    assert!(planned(&done.err) <= 1.0, "{}", done.err);
    let more = run(&format!("--set train.batch={}", images * 3 / 2), "more").err;
    assert!(!more.contains("batch  ") && planned(&more) > planned(&done.err), "{more}");
    let kept = std::fs::read_to_string(desk.path("auto/auto.net")).unwrap();
    assert!(kept.contains(line), "{kept}");
    assert!(std::fs::read_to_string(desk.path("auto/summary.txt")).unwrap().contains(&head));
    let last = std::fs::read_to_string(desk.path("auto/metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(last["batch"].as_u64(), Some(images as u64));
    assert_eq!(desk.run("eval auto").code, Some(0));

    // Never more than the training images, of which 50 of 350 are set aside; without a size, so few that an epoch
    // keeps its steps; and by name as by place.
    for (value, images) in [("auto 8GB", 300), ("auto", 16)] {
        let mut command = desk.command("summary auto.net --json --set");
        let output = command.arg(format!("train.batch={value}")).output().unwrap();
        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(figures["batch"].as_u64(), Some(images), "{value}: {figures}");
    }
    let mut command = desk.command("summary auto.net --set");
    let said = command.arg("train.batch=auto").output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let few = "in batches of 16, chosen by `batch auto` as the most without a memory size";
    assert!(said.contains(few), "{said}");
    assert_eq!(
        desk.json("summary auto.net --json --set train.batch.memory=2GB")["batch"].as_u64(),
        Some(300)
    );
}

#[test]
fn batch_auto_is_refused_with_the_sizes() {
    let desk = Desk::new();
    desk.write("small.net", NET.replace("batch 32", "batch auto 20kB"));
    let said = ["`batch auto` may take 20.0 kB, but batches of 1 image need", "small.net:17:", "kB` or more"];
    for command in ["run small.net --out none", "summary small.net", "show small.net --resolved"] {
        desk.refused(command, 1, &said);
    }
    assert!(!desk.path("none").exists());
    assert_eq!(desk.run("check small.net").code, Some(0));
    // The remedy holds.
    let said = desk.run("summary small.net").err;
    let enough = said.split("`batch auto ").last().unwrap().split('`').next().unwrap();
    let enlarged = format!("summary small.net --json --set train.batch.memory={enough}");
    assert_eq!(desk.json(&enlarged)["batch"].as_u64(), Some(1), "{said}");

    let normed = NET.replace("linear 10", "linear 10 -> batch_norm");
    desk.write("normed.net", normed.replace("batch 32", "batch auto 20kB"));
    let two = ["batches of 2 images need", "`batch_norm` needs two images to train on"];
    desk.refused("summary normed.net", 1, &two);
    let changed = |to: &str| desk.write("wrong.net", NET.replace("batch 32", to));
    changed("batch many");
    desk.refused("check wrong.net", 1, &["a whole number of at least 1, or `auto`"]);
    changed("batch auto 2");
    desk.refused("check wrong.net", 1, &["an amount of memory such as `500MB` or `2GB`"]);
    changed("batch 64 memory=2GB");
    desk.refused("check wrong.net", 1, &["the number of images is given", "`batch auto`"]);
    desk.write(
        "expects.net",
        format!("{}expect {{ memory < 1GB }}\n", NET.replace("batch 32", "batch auto 1GB")),
    );
    desk.refused("check expects.net", 1, &["not known until `batch auto` has chosen", "remove this"]);
    let train = NET.find("data {").unwrap()..NET.find("train {").unwrap();
    let mut alone = NET.replace("batch 32", "batch auto 1GB");
    alone.replace_range(train, "");
    desk.write("alone.net", alone);
    desk.refused("summary alone.net", 1, &["the file has no `data`", "such as `batch 64`"]);
}

/// A setting that is given as an option, or without its section, is answered with its path.
#[test]
fn a_setting_given_as_an_option_is_answered_with_its_path() {
    let desk = Desk::new();
    for (option, path) in [
        ("--epochs 3", "`--set train.epochs=3`"),
        ("--batch-size=8", "`--set train.batch=8`"),
        ("--lr 0.1", "`--set train.optimizer.lr=0.1`"),
        ("--validation 10%", "`--set data.validation=10%`"),
    ] {
        desk.refused(&format!("run small.net {option}"), 2, &[path]);
    }
    desk.refused("run small.net --colour red", 2, &["unexpected argument '--colour'"]);
    for (setting, path) in
        [("epochs=1", "`--set train.epochs=1`"), ("learning_rate=0.5", "`--set train.optimizer.lr=0.5`")]
    {
        desk.refused(&format!("check small.net --set {setting}"), 1, &[path]);
    }
    desk.refused("check small.net --set colour=red", 1, &["is not the path of a setting"]);
}

#[test]
fn another_component_begins_with_its_own_defaults_and_says_what_was_dropped() {
    let desk = Desk::new();
    let switched = NET.replace("adam lr=0.01", "sgd lr=0.1 momentum=0.9 nesterov=true");
    desk.write("switch.net", switched.replace("epochs 2", "epochs 2\n    schedule cosine warmup=5%"));
    let show = |setting: &str| {
        let mut command = desk.command("show switch.net --resolved --set");
        let done = done(command.arg(setting).output().unwrap());
        assert_eq!(done.code, Some(0), "{setting}: {}", done.err);
        done
    };
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");

    let shown = show("train.optimizer=adam");
    let line = "optimizer adam lr=0.001 beta1=0.9 beta2=0.999 epsilon=1e-8 weight_decay=0 amsgrad=false # --set; default: lr, ";
    assert!(flat(&shown.out).contains(line), "{}", shown.out);
    let said = "`adam` takes the place of `sgd`: `lr=0.1`, `momentum=0.9` and `nesterov=true` are dropped";
    assert!(flat(&shown.err).contains(said) && shown.err.contains("W0404"), "{}", shown.err);
    let keep = "`--set \"train.optimizer=adam lr=0.1\"` to keep that";
    assert!(flat(&shown.err).contains(keep), "{}", shown.err);

    let shown = show("train.optimizer=adam lr=1e-4");
    assert!(flat(&shown.out).contains("optimizer adam lr=1e-4 beta1=0.9 "), "{}", shown.out);
    let said = "`adam` takes the place of `sgd`: `momentum=0.9` and `nesterov=true` are dropped";
    assert!(flat(&shown.err).contains(said), "{}", shown.err);

    let shown = show("train.schedule=step every=5");
    assert!(flat(&shown.out).contains("schedule step every=5 gamma=0.1 warmup=0 "), "{}", shown.out);
    assert!(flat(&shown.err).contains("`warmup=5%` is dropped"), "{}", shown.err);

    // The same component keeps what is not given anew, and one without arguments loses none.
    let shown = show("train.optimizer=sgd lr=0.2");
    assert!(flat(&shown.out).contains("optimizer sgd momentum=0.9 nesterov=true lr=0.2 "), "{}", shown.out);
    assert_eq!(shown.err, "");
    assert_eq!(show("train.loss=mse").err, "");
    // A block takes the place of the file's.
    desk.write("switch.net", switched.replace("validation 50", "augment { random_flip }"));
    let shown = show("data.augment={ random_rotation 5 }");
    assert!(shown.out.contains("random_rotation 5 ") && !shown.out.contains("random_flip"), "{}", shown.out);
    // A word that is none is one mistake.
    desk.refused(
        "check switch.net --set train.optimizer=adm",
        1,
        &["there is no optimizer called `adm`", "1 error"],
    );
}
