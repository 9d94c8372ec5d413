//! What changes a file: fixes, and the one layout.

use std::process::Stdio;

use crate::cli::{Desk, NET, done};

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
    // What is printed instead of being written is the text alone.
    desk.write("wrong.net", NET.replace("linear 10", "linear 12 foo").replace("relu", "rleu"));
    let dry = desk.run("fix wrong.net --dry-run");
    assert_eq!(dry.out, NET.replace("linear 10", "linear 12 foo"));
    assert!(dry.code == Some(1) && dry.err.contains("E0206") && dry.err.contains("--unsafe"), "{}", dry.err);
    // What somebody wrote goes only where that is asked for.
    assert_eq!(desk.run("fix wrong.net").code, Some(1));
    assert_eq!(desk.run("fix wrong.net --unsafe").code, Some(0));
    assert_eq!(std::fs::read_to_string(desk.path("wrong.net")).unwrap(), NET);
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
    desk.refused("fmt - small.net", 2, &["takes no files besides"]);
}
