//! Files as commands read and show them: findings, stages, folders, snapshots.

use std::process::Stdio;

use serde_json::Value;

use crate::cli::{Desk, NET, done};

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
    for (stage, word) in [("ast", "conv2d 4"), ("model", "conv1"), ("lowered", "%0"), ("final", "update")] {
        let shown = desk.run(&format!("graph small.net --stage {stage}"));
        assert!(shown.code == Some(0) && shown.out.contains(word), "{stage}: {}{}", shown.out, shown.err);
    }
    for (stage, shown) in
        [("ast", "label=\"batch\\n32\""), ("model", "conv1"), ("lowered", "max_pool2d"), ("final", "loss")]
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
    assert!(why.contains("conv1") && why.contains("in all:"), "{why}");

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
        &["nowhere.net does not exist", "available:", "wrong.net: "],
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
    let net = |data: &str| NET.replace("mnist \"data\"", &format!("mnist \"{data}\""));
    let right = net("../../data");
    let wrong = right.replace("linear 10", "linear 12");
    desk.write("nets/deep/b.net", &wrong);
    desk.write("nets/deep/c.net", &wrong);
    desk.write("nets/a.net", net("../data"));
    let done = desk.refused("check nets", 1, &["nets/a.net: fine", "nets/deep/c.net: 1 error"]);
    assert!(done.out.ends_with("\n`dslc explain E0402` explains it\n"), "{}", done.out);
    assert_eq!(done.out.matches("dslc explain").count(), 1);
    let dry = desk.run("fix nets --dry-run");
    assert_eq!((dry.code, dry.out.matches("==> nets/deep/").count()), (Some(0), 2), "{}{}", dry.out, dry.err);
    assert_eq!(desk.run("fix nets").code, Some(0));
    assert_eq!(std::fs::read_to_string(desk.path("nets/deep/c.net")).unwrap(), right);
    let all = desk.run("check .");
    assert!(all.code == Some(0) && all.out.starts_with("nets/a.net: fine"), "{}", all.out);
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
    assert_eq!((done.code, done.err.as_str()), (Some(141), ""));
}

/// Whether nobody reads, or the disk is full: the exit code is not that of a command that has said what it found.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let desk = Desk::new();
    desk.write("wrong.net", NET.replace("linear 10", "linear 12"));
    std::fs::create_dir(desk.path("nets")).unwrap();
    desk.write("nets/a.net", NET);
    for line in [
        "--help",
        "--version",
        "check --help",
        "check small.net",
        "check wrong.net",
        "check wrong.net --message-format sarif",
        "devices",
        "explain",
        "explain conv2d",
        "explain E0301",
        "fix wrong.net --dry-run",
        "fmt --check wrong.net",
        "graph small.net --stage ast",
        "graph small.net --stage planned",
        "graph small.net --why",
        "new",
        "show small.net --resolved",
        "snapshot --check nets",
        "summary small.net",
        "summary small.net --json",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = done(desk.command(line).stdout(writer).stderr(Stdio::piped()).output().unwrap());
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let full = done(desk.command(line).stdout(full).stderr(Stdio::piped()).output().unwrap());
        // Where nothing is to be printed on standard output, nothing is lost.
        let whole = desk.run(line);
        if whole.out.is_empty() {
            assert_eq!((closed.code, full.code), (whole.code, whole.code), "{line}");
            continue;
        }
        assert_eq!(closed.code, Some(141), "{line}: {}", closed.err);
        assert!(!closed.err.contains("cannot be written"), "{line}: {}", closed.err);
        assert_eq!(full.code, Some(2), "{line}: {}", full.err);
        assert!(full.err.contains("standard output cannot be written"), "{line}: {}", full.err);
    }
    // A reader that has gone when everything is written loses nothing.
    let shell = |script: String| {
        let done =
            std::process::Command::new("bash").args(["-c", &script]).current_dir(desk.path("")).output();
        String::from_utf8(done.unwrap().stdout).unwrap()
    };
    let dslc = env!("CARGO_BIN_EXE_dslc");
    assert_eq!(shell(format!("{dslc} check wrong.net | cat >/dev/null; echo ${{PIPESTATUS[0]}}")), "1\n");
    let code = shell(format!("{dslc} check wrong.net | true; echo ${{PIPESTATUS[0]}}"));
    assert!(["1\n", "141\n"].contains(&code.as_str()), "{code}");
}

#[test]
fn snapshots_show_a_change_of_the_network() {
    let desk = Desk::new();
    desk.write("small.net", NET);
    desk.refused("snapshot --check small.net", 1, &["small.net.snap is not there", "1 changed"]);
    assert_eq!(desk.run("snapshot small.net").code, Some(0));
    let kept = std::fs::read_to_string(desk.path("small.net.snap")).unwrap();
    assert!(kept.contains("parameters") && kept.contains("conv2d"), "{kept}");
    // A comment is no change of the network.
    desk.write("small.net", format!("# a remark\n{NET}"));
    assert_eq!(desk.run("snapshot --check small.net").code, Some(0));
    desk.write("small.net", NET.replace("linear 10", "linear 16 -> linear 10"));
    let differing = desk.refused("snapshot small.net", 1, &["dslc snapshot --accept"]);
    assert!(differing.out.contains("\n+") && differing.out.contains("linear2"), "{}", differing.out);
    assert_eq!(std::fs::read_to_string(desk.path("small.net.snap")).unwrap(), kept);
    assert_eq!(desk.run("snapshot --accept small.net").code, Some(0));
    assert_eq!(desk.run("snapshot --check small.net").code, Some(0));
}
