//! The binary as a user has it: every command over small data, its output, its exit codes, and what it says to
//! input that is wrong.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const NET: &str = "model Small {
    input 1x28x28
    conv2d 4 6x6 stride=2 -> relu
    max_pool2d 2
    flatten
    linear 10
}
data {
    source mnist \"data\"
    validation 50
    normalize mean=0.1307 std=0.3081
}
train {
    loss cross_entropy
    optimizer adam lr=0.01
    epochs 2
    batch 32
    seed 3
}
";

/// A folder with `small.net` and a data set that is easily learnt: digit `k` is a bright block at a place of its own.
pub struct Desk {
    folder: TempDir,
}

/// What a command came to.
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

fn idx(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| out.extend(dim.to_be_bytes()));
    out.extend(bytes);
    out
}

pub fn digit(class: u32, i: u32) -> Vec<u8> {
    let (left, top) = (class % 5 * 5 + 1 + i % 3, class / 5 * 13 + 2 + i / 3 % 4);
    let noise = |at: u32| (at.wrapping_add(i * 7919).wrapping_mul(2_654_435_761) >> 27) as u8;
    let inside = |x: u32, y: u32| (left..left + 4).contains(&x) && (top..top + 6).contains(&y);
    (0..784).map(|at| if inside(at % 28, at / 28) { 230 } else { noise(at) }).collect()
}

impl Desk {
    pub fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(desk.path("data")).unwrap();
        for (stem, n, from) in [("train", 350u32, 0), ("t10k", 100, 1000)] {
            let labels: Vec<u8> = (0..n).map(|i| (i * 7 % 10) as u8).collect();
            let pixels: Vec<u8> =
                (0..n).flat_map(|i| digit(u32::from(labels[i as usize]), from + i)).collect();
            desk.write(&format!("data/{stem}-images-idx3-ubyte"), idx(&[n, 28, 28], &pixels));
            desk.write(&format!("data/{stem}-labels-idx1-ubyte"), idx(&[n], &labels));
        }
        desk.write("small.net", NET);
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dslc"));
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command
    }

    pub fn run(&self, line: &str) -> Done {
        done(self.command(line).output().unwrap())
    }

    /// The command must fail with this code and say all of these; nothing may panic.
    pub fn refused(&self, line: &str, code: i32, said: &[&str]) -> Done {
        let done = self.run(line);
        let text = format!("{}{}", done.out, done.err);
        assert_eq!(done.code, Some(code), "{line}: {text}");
        assert!(!text.contains("panicked"), "{line}: {text}");
        let flat = text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        for phrase in said {
            assert!(flat.contains(phrase), "{line} does not say `{phrase}`: {text}");
        }
        done
    }

    /// The command must succeed; its last line on standard output as JSON.
    pub fn json(&self, line: &str) -> Value {
        let done = self.run(line);
        assert_eq!(done.code, Some(0), "{line}: {}", done.err);
        serde_json::from_str(done.out.lines().last().unwrap()).unwrap()
    }
}

fn done(output: Output) -> Done {
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn png(path: &Path, pixels: Vec<u8>) {
    image::GrayImage::from_raw(28, 28, pixels).unwrap().save(path).unwrap();
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
    assert!(text.out.contains("taken for") && text.out.contains("first/best.safetensors"), "{}", text.out);

    png(&desk.path("seven.png"), digit(7, 2000));
    png(&desk.path("two.png"), digit(2, 2001));
    desk.write("text.png", "hello");
    desk.write("empty.png", "");
    let line = "predict first seven.png text.png nowhere.png two.png empty.png --json";
    let answers =
        desk.refused(line, 2, &["text.png is not a PNG", "nowhere.png does not exist", "empty.png"]);
    let answers: Vec<Value> = answers.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let images: Vec<&str> = answers.iter().map(|answer| answer["image"].as_str().unwrap()).collect();
    assert_eq!(images, ["seven.png", "text.png", "nowhere.png", "two.png", "empty.png"]);
    let best = |i: usize| answers[i]["top"][0]["class"].as_str();
    assert_eq!((best(0), best(1), best(3)), (Some("7"), None, Some("2")));
    let table = desk.run("predict first two.png seven.png --top 1");
    let rows: Vec<Vec<&str>> = table.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((table.code, rows.len()), (Some(0), 3));
    assert_eq!((&rows[1][..2], &rows[2][..2]), (&["two.png", "2"][..], &["seven.png", "7"][..]));

    desk.refused("run small.net --out first", 2, &["first", "holds a run already", "another folder"]);
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
fn files_are_checked_summarised_and_shown_at_every_stage() {
    let desk = Desk::new();
    let fine = desk.run("check small.net");
    assert_eq!((fine.code, fine.out.as_str()), (Some(0), "small.net: fine (Small, 1,598 parameters)\n"));
    let figures = desk.json("summary small.net --json");
    assert_eq!(figures["parameters"], 1598);
    // 4 filters of 6x6 at 12x12 places with a bias, and 144 to 10 features with a bias; ReLU and pooling are more.
    assert!(figures["flops"].as_u64().unwrap() >= 2 * (4 * 144 * 36) + 2 * 1440, "{figures}");
    let layers = figures["layers"].as_array().unwrap();
    let kinds: Vec<&str> = layers.iter().map(|layer| layer["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["conv2d", "relu", "max_pool2d", "flatten", "linear"]);
    for key in ["name", "output", "parameters", "flops", "line"] {
        assert!(layers.iter().all(|layer| !layer[key].is_null()), "{key}");
    }
    assert!(desk.run("summary small.net").out.contains("planned memory"));
    for (stage, word) in [("ast", "conv2d 4"), ("model", "conv2d_1"), ("lowered", "%0"), ("final", "update")]
    {
        let shown = desk.run(&format!("graph small.net --stage {stage}"));
        assert!(shown.code == Some(0) && shown.out.contains(word), "{stage}: {}{}", shown.out, shown.err);
    }
    for (stage, shown) in
        [("ast", "label=\"batch\\n32\""), ("model", "conv2d_1"), ("lowered", "max_pool2d"), ("final", "loss")]
    {
        let drawn = desk.run(&format!("graph small.net --stage {stage} --format dot")).out;
        assert!(
            drawn.starts_with("digraph") && drawn.contains(shown) && drawn.ends_with("}\n"),
            "{stage}: {drawn}"
        );
    }

    for stage in ["ast", "model", "lowered", "fused"] {
        let drawn =
            |format: &str| desk.run(&format!("graph small.net --stage {stage} --format {format}")).out;
        assert!(drawn("mermaid").contains("flowchart TB\n  n0"), "{stage}");
        let svg = drawn("svg");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("conv2d"), "{stage}");
        let json: Value = serde_json::from_str(&drawn("json")).unwrap();
        let n_boxes = json["boxes"].as_array().unwrap().len() as u64;
        let arrows = json["arrows"].as_array().unwrap();
        assert!(n_boxes > 5 && arrows.iter().all(|arrow| arrow["to"].as_u64().unwrap() < n_boxes), "{stage}");
    }
    let planned = desk.run("graph small.net --stage planned --batch 9").out;
    assert!(planned.contains("9 images in 8 parts") && planned.contains("each step:"), "{planned}");
    desk.refused("graph small.net --stage planned --format svg", 2, &["--stage fused"]);
    let why = desk.run("graph small.net --why").out;
    assert!(why.contains("conv2d_1") && why.contains("in all:"), "{why}");

    desk.write("wrong.net", NET.replace("linear 10", "linear 12").replace("relu", "rleu"));
    let concise =
        desk.refused("check wrong.net --message-format concise", 1, &["wrong.net:3:30: error[E0201]"]);
    assert!(concise.out.lines().all(|line| line.starts_with("wrong.net:")), "{}", concise.out);
    let found = desk.refused("check wrong.net --message-format json", 1, &[]);
    let found: Value = serde_json::from_str(found.out.lines().next().unwrap()).unwrap();
    assert_eq!((found["line"].as_u64(), found["severity"].as_str()), (Some(3), Some("error")));
    // One file that is not there does not lose the findings of the others.
    desk.refused(
        "check nowhere.net wrong.net",
        2,
        &["nowhere.net does not exist", "there are:", "wrong.net: "],
    );
    desk.refused("run", 2, &["<FILE>"]);
    desk.refused("nonsense", 2, &["nonsense"]);
}

#[test]
fn texts_of_every_kind_are_answered() {
    let desk = Desk::new();
    let repeat = |text: &str, n: usize| text.repeat(n).into_bytes();
    let cases: Vec<(&str, Vec<u8>, i32, &str)> = vec![
        ("empty", Vec::new(), 1, "no `model` section"),
        ("comments", b"# only\n# this\n".to_vec(), 1, "no `model` section"),
        ("latin", b"model \xff".to_vec(), 2, "is not UTF-8 text (byte 6)"),
        ("crlf", NET.replace('\n', "\r\n").into_bytes(), 0, "fine"),
        ("braces", repeat("{", 1_000), 1, "nest more than 64 deep"),
        ("more-braces", repeat("{", 1_000_000), 1, "nest more than 64 deep"),
        ("parens", repeat("(", 1_000_000), 1, "nest more than 64 deep"),
        ("closing", repeat("}", 100_000), 1, "closes nothing"),
        ("arrows", repeat("-> relu ", 50_000), 1, "arrows.net:1:"),
        ("long-word", repeat("a", 1_000_000), 1, "cannot stand at the top"),
        ("too-large", repeat("# ", 3_000_000), 2, "is too large: a network file has at most 1 MiB"),
        ("channels", NET.replace("conv2d 4 ", "conv2d 1000000000000 ").into_bytes(), 1, "at most"),
        ("extents", NET.replace("1x28x28", "1000000x1000000x1000000").into_bytes(), 1, "at most"),
    ];
    for (name, text, code, said) in cases {
        desk.write(&format!("{name}.net"), text);
        desk.refused(&format!("check {name}.net"), code, &[said]);
    }
    desk.refused("check data", 2, &["there is no `.net` or `.model` file in data", "dslc new"]);
    desk.refused("summary data", 2, &["data is a folder", "name a `.net`"]);
    desk.refused("check small.net/x", 2, &["small.net/x"]);
}

#[test]
fn folders_stand_for_the_files_below_them() {
    let desk = Desk::new();
    let done = desk.run("check data small.net");
    assert_eq!((done.code, done.out.lines().count()), (Some(0), 1), "{}{}", done.out, done.err);
    std::fs::create_dir_all(desk.path("nets/deep")).unwrap();
    let wrong = NET.replace("linear 10", "linear 12");
    desk.write("nets/deep/b.net", &wrong);
    desk.write("nets/deep/c.net", &wrong);
    desk.write("nets/a.net", NET);
    let done = desk.refused("check nets", 1, &["nets/a.net: fine", "nets/deep/c.net: 1 error"]);
    assert!(done.out.ends_with("\n`dslc explain E0402` tells more\n"), "{}", done.out);
    assert_eq!(done.out.matches("dslc explain").count(), 1);
    let dry = desk.run("fix nets --dry-run");
    assert_eq!((dry.code, dry.out.matches("==> nets/deep/").count()), (Some(0), 2), "{}{}", dry.out, dry.err);
    assert_eq!(desk.run("fix nets").code, Some(0));
    assert_eq!(std::fs::read_to_string(desk.path("nets/deep/c.net")).unwrap(), NET);
    let all = desk.run("check .");
    assert!(all.code == Some(0) && all.out.starts_with("nets/a.net: fine"), "{}", all.out);
}

#[test]
fn new_writes_files_that_check_and_overwrites_none() {
    let desk = Desk::new();
    let list = desk.run("new").out;
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    for entry in std::fs::read_dir(models).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(list.contains(&format!("\n  {name} ")), "{name} is not listed: {list}");
        let written = desk.run(&format!("new {name}"));
        assert_eq!(written.code, Some(0), "{name}: {}", written.err);
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(desk.path(&file)).unwrap();
        assert!(!text.contains("models/"), "{text}");
        assert!(written.out.contains(&format!("  dslc check {file}\n")), "{}", written.out);
        let checked = desk.run(&format!("check {file}"));
        assert!(checked.code == Some(0) && checked.out.contains(": fine ("), "{}", checked.out);
    }
    desk.refused("new lenet5", 2, &["lenet5.net exists already", "-o FILE"]);
    desk.refused("new lenet", 2, &["no network is called `lenet`", "dslc new lenet5"]);
    desk.refused("new resnet18 -o r.txt", 2, &["-o r.txt.model"]);
    desk.refused("new resnet18 --data data -o r.model", 2, &["without data and training", "mnist, lenet5"]);
    desk.refused("new lenet5 -o no/such/a.net", 2, &["no/such/a.net cannot be written"]);
}

#[test]
fn new_fits_a_file_to_a_folder_of_images() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.path("nets/deep")).unwrap();
    for (line, path) in [
        ("new lenet5 --data data -o own.net", "own.net"),
        ("new data -o nets/deep/own.net", "nets/deep/own.net"),
    ] {
        let done = desk.run(line);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let text = std::fs::read_to_string(desk.path(path)).unwrap();
        let up = if path.starts_with("nets") { "../../" } else { "" };
        assert!(text.contains(&format!("source mnist \"{up}data\"")), "{text}");
        assert!(!text.contains("mean=0.1307") && text.contains("normalize mean=0."), "{text}");
        let eval = desk
            .run(&format!("run {path} --set train.epochs=1 --set train.batch=50 --set data.validation=50"));
        assert_eq!(eval.code, Some(0), "{}", eval.err);
    }
    desk.refused(
        "new --data nets -o x.net",
        2,
        &["lacks train-images-idx3-ubyte", "what can be read", "cannot be read"],
    );
    assert!(!desk.path("x.net").exists());
}

#[test]
fn fix_mends_a_file_and_show_fills_it_in() {
    let desk = Desk::new();
    desk.write("wrong.net", NET.replace("linear 10", "linear 12").replace("relu", "rleu"));
    let dry = desk.run("fix wrong.net --dry-run");
    assert!(
        dry.code == Some(0) && dry.out.contains("linear 10") && dry.err.contains("rleu"),
        "{}{}",
        dry.out,
        dry.err
    );
    assert_eq!(desk.run("check wrong.net").code, Some(1));
    assert_eq!(desk.run("fix wrong.net").code, Some(0));
    assert_eq!(std::fs::read_to_string(desk.path("wrong.net")).unwrap(), NET);
    assert!(desk.run("fix wrong.net").err.contains("nothing to fix"));
    desk.write("hopeless.net", "model M { input 1x28x28; conv2d 8 }");
    assert_eq!(desk.run("fix hopeless.net").code, Some(1));

    let shown = desk.run("show small.net --resolved --set train.batch=7").out;
    assert!(
        shown.contains("stride=2") && shown.contains("batch 7") && shown.contains("schedule constant"),
        "{shown}"
    );
    desk.write("again.net", &shown);
    let plain = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap_or(line).trim_end().to_owned()).collect()
    };
    assert_eq!(plain(&desk.run("show again.net --resolved").out), plain(&shown));
    let moved = desk.run("show small.net --resolved --set data.source.path=\"moved\"").out;
    assert!(moved.contains("source mnist \"moved\""), "{moved}");
}

const UGLY: &str = "model M {\ninput 1x9x9\n  conv2d   4 3x3->relu:4x1x1 # odd\n\n\n    flatten\n}\n";
const NEAT: &str = "model M {
    input 1x9x9
    conv2d 4 3x3 -> relu                : 4x1x1     # odd

    flatten
}
";

#[test]
fn fmt_lays_files_out_and_leaves_broken_ones() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.path("nets/deep/run-1")).unwrap();
    std::fs::create_dir_all(desk.path("nets/.hidden")).unwrap();
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    desk.write("nets/a.model", UGLY);
    desk.write("nets/deep/b.net", NEAT);
    desk.write("nets/deep/notes.txt", UGLY);
    // The record of a run is not laid out anew, and neither is what is hidden.
    desk.write("nets/deep/run-1/run.json", "{}");
    desk.write("nets/deep/run-1/c.net", UGLY);
    desk.write("nets/.hidden/d.net", UGLY);

    let checked = desk.refused(
        "fmt --check nets",
        1,
        &["nets/a.model:2", "-input 1x9x9", "+ input 1x9x9", "1 of 2 files would change"],
    );
    assert!(!checked.out.contains("b.net"), "{}", checked.out);
    assert_eq!(read("nets/a.model"), UGLY);
    let done = desk.run("fmt nets");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "nets/a.model: formatted\n"), "{}", done.err);
    assert_eq!((read("nets/a.model").as_str(), read("nets/deep/run-1/c.net").as_str()), (NEAT, UGLY));
    let again = desk.run("fmt --check nets small.net nets/a.model");
    assert_eq!((again.code, again.out.as_str()), (Some(0), ""), "{}", again.err);

    desk.write("broken.net", "model M {\n  input 1x9x9\n   ->\n}\n");
    let broken = read("broken.net");
    desk.write("nets/a.model", UGLY);
    desk.refused(
        "fmt broken.net nets/a.model",
        1,
        &["E01", "broken.net: left as it is: 1 error", "1 left alone"],
    );
    assert_eq!((read("broken.net"), read("nets/a.model").as_str()), (broken, NEAT));
    desk.refused("fmt nowhere.net nets/a.model", 2, &["nowhere.net does not exist", "0 of 1 file"]);
    desk.refused("fmt data", 2, &["there is no `.net` or `.model` file in data"]);
    desk.refused("fmt", 2, &["FILE|FOLDER"]);

    desk.write("shapes.net", UGLY);
    assert_eq!(desk.run("fmt --shapes shapes.net").code, Some(0));
    assert_eq!(read("shapes.net"), NEAT.replace("4x1x1", "4x7x7"));
    assert_eq!(desk.run("fmt --shapes=all shapes.net").code, Some(0));
    let all = NEAT.replace("4x1x1", "4x7x7").replace("flatten\n", &format!("flatten{:29}: 196\n", ""));
    assert_eq!(read("shapes.net"), all);
}

#[test]
fn fmt_reads_standard_input() {
    let desk = Desk::new();
    let piped = |line: &str, text: &str| {
        use std::io::Write;
        let mut command = desk.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        done(child.wait_with_output().unwrap())
    };
    let fine = piped("fmt -", UGLY);
    assert_eq!((fine.code, fine.out.as_str(), fine.err.as_str()), (Some(0), NEAT, ""));
    let nothing = piped("fmt -", "\n\n");
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(0), ""));
    assert_eq!(piped("fmt --check -", UGLY).code, Some(1));
    assert_eq!(piped("fmt --check -", NEAT).code, Some(0));
    let broken = piped("fmt -", "model M {");
    assert_eq!((broken.code, broken.out.as_str()), (Some(1), ""));
    assert!(broken.err.contains("never closed") && broken.err.contains("standard input"), "{}", broken.err);
    desk.refused("fmt - small.net", 2, &["stands alone"]);
}

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
    refused("=1", "not the path of a setting");
    refused("train..=1", "lacks a name");
    refused("nowhere.epochs=1", "no section `nowhere`");
    refused("train.nothing=1", "`nothing`");
    refused("train.epochs=1; batch 2", "not one value");
    refused("train.epochs=1\nbatch 2", "not one value");
    refused("train.epochs=1 2", "E0206");
    refused("train.epochs=1}", "closes nothing");
    refused("train.epochs=0", "at least 1");
    refused("train.epochs=-1", "at least 1");
    refused("train.optimizer.lr=nan", "a number");
    desk.write("two.net", NET.replace("flatten", "flatten\n linear 5"));
    desk.refused("check two.net --set model.linear=7", 1, &["`model` has 2 lines `linear`"]);
}

/// Bytes of `1.23 MB` behind a word of a text.
fn megabytes(text: &str, behind: &str) -> f64 {
    let rest = text.split(behind).nth(1).unwrap_or_else(|| panic!("no `{behind}` in {text}"));
    let mut words = rest.split_whitespace();
    let number: f64 = words.next().unwrap().parse().unwrap();
    match words.next() {
        Some("kB") => number / 1e3,
        Some("MB") => number,
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
    assert!(megabytes(&done.err, "memory ") <= 1.0, "{}", done.err);
    let more = run(&format!("--set train.batch={}", images * 3 / 2), "more").err;
    assert!(
        !more.contains("batch  ") && megabytes(&more, "memory ") > megabytes(&done.err, "memory "),
        "{more}"
    );
    let kept = std::fs::read_to_string(desk.path("auto/auto.net")).unwrap();
    assert!(kept.contains(line), "{kept}");
    assert!(std::fs::read_to_string(desk.path("auto/summary.txt")).unwrap().contains(&head));
    let last = std::fs::read_to_string(desk.path("auto/metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(last["batch"].as_u64(), Some(images as u64));
    assert_eq!(desk.run("eval auto").code, Some(0));

    // Never more than the training images, of which 50 of 350 are set aside; and by name as by place.
    for value in ["auto 8GB", "auto"] {
        let mut command = desk.command("summary auto.net --json --set");
        let output = command.arg(format!("train.batch={value}")).output().unwrap();
        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(figures["batch"].as_u64(), Some(300), "{value}: {figures}");
    }
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
    desk.refused("check wrong.net", 1, &["a size of memory such as `500MB` or `2GB`"]);
    changed("batch 64 memory=2GB");
    desk.refused("check wrong.net", 1, &["the number of images is given", "`batch auto`"]);
    desk.write(
        "expects.net",
        format!("{}expect {{ memory < 1GB }}\n", NET.replace("batch 32", "batch auto 1GB")),
    );
    desk.refused("check expects.net", 1, &["not known before `batch auto` has chosen", "leave this out"]);
    let train = NET.find("data {").unwrap()..NET.find("train {").unwrap();
    let mut alone = NET.replace("batch 32", "batch auto 1GB");
    alone.replace_range(train, "");
    desk.write("alone.net", alone);
    desk.refused("summary alone.net", 1, &["the file has no `data`", "such as `batch 64`"]);
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
    refused(good[..good.len() / 2].to_vec(), "is not a whole file of weights");
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
    desk.refused("eval nowhere", 2, &["nowhere does not exist", "a run is a folder"]);
    std::fs::create_dir(desk.path("hollow")).unwrap();
    desk.refused("eval hollow", 2, &["hollow holds no weights"]);
    desk.write("good/run.json", "{");
    desk.refused("eval good", 2, &["run.json cannot be read"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_its_weights() {
    use std::io::{BufRead, BufReader};
    let desk = Desk::new();
    for signal in ["INT", "TERM"] {
        let mut run = desk
            .command(&format!("run small.net --set train.epochs=100000 --json --out {signal}"))
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

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let desk = Desk::new();
    desk.write(
        "long.net",
        NET.replace("linear 10", &format!("{}linear 10", "linear 9 -> relu -> ".repeat(400))),
    );
    let mut graph = desk
        .command("graph long.net --stage final")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(graph.stdout.take());
    let done = done(graph.wait_with_output().unwrap());
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
}

#[test]
fn snapshots_show_a_change_of_the_network() {
    let desk = Desk::new();
    desk.write("small.net", NET);
    desk.refused("snapshot --check small.net", 1, &["small.net.snap is not there", "1 not as before"]);
    assert_eq!(desk.run("snapshot small.net").code, Some(0));
    let kept = std::fs::read_to_string(desk.path("small.net.snap")).unwrap();
    assert!(kept.contains("parameters") && kept.contains("conv2d"), "{kept}");
    // A comment is no change of the network.
    desk.write("small.net", format!("# a remark\n{NET}"));
    assert_eq!(desk.run("snapshot --check small.net").code, Some(0));
    desk.write("small.net", NET.replace("linear 10", "linear 16 -> linear 10"));
    let differing = desk.refused("snapshot small.net", 1, &["dslc snapshot --accept"]);
    assert!(differing.out.contains("\n+") && differing.out.contains("linear_2"), "{}", differing.out);
    assert_eq!(std::fs::read_to_string(desk.path("small.net.snap")).unwrap(), kept);
    assert_eq!(desk.run("snapshot --accept small.net").code, Some(0));
    assert_eq!(desk.run("snapshot --check small.net").code, Some(0));
}

#[test]
fn bench_measures_training_and_inference() {
    let desk = Desk::new();
    desk.write("small.net", NET);
    for (flags, batch) in [("--train", 32), ("--batch 3 --threads 1", 3)] {
        let done = desk.run(&format!("bench small.net --json --seconds 0 {flags}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        let figures: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(figures["batch"].as_u64(), Some(batch));
        for key in ["images_per_second", "threads", "peak_bytes", "peak_flops_per_second"] {
            assert!(figures[key].as_f64().unwrap() > 0.0, "{key}: {figures}");
        }
        assert!(figures["parts"].as_array().unwrap().iter().any(|part| part["op"] == "conv2d"));
    }
    assert!(desk.run("bench small.net --seconds 0").out.contains("images/s in batches of 32"));
    desk.refused("bench small.net --seconds forever", 2, &["a number of seconds from 0 to 3600"]);
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
    if cfg!(target_os = "linux") {
        let bytes = |what: &str| listed["devices"][0][what].as_u64().unwrap();
        assert!(bytes("free_bytes") <= bytes("total_bytes"));
    }
    assert!(desk.run("devices").out.contains("backends in this build"));
    let there = |name: &str| listed["devices"].as_array().unwrap().iter().any(|d| d["device"] == name);
    for name in ["cuda:0", "metal"].into_iter().filter(|name| !there(name)) {
        for command in ["bench small.net", "run small.net", "predict plain.model a.png"] {
            desk.refused(&format!("{command} --device {name}"), 2, &["E0409", "--device cpu"]);
        }
        // A file is checked before a device is opened.
        desk.refused(&format!("bench broken.net --device {name}"), 1, &["E0307"]);
        desk.refused(&format!("eval small.net --device {name}"), 2, &["is not a whole file of weights"]);
    }
    desk.refused("bench small.net --device gpu", 2, &["`cpu`, `cuda`, `cuda:N`, `metal` or `auto`"]);
    let done = desk.run("bench small.net --seconds 0 --device auto");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("device "), "{}", done.err);
}
