//! The formatter: what it makes of ugly texts, that it leaves formatted ones alone, that it keeps what a text says,
//! and that it makes asserted shapes true.

use std::path::{Path, PathBuf};

use dslc::experiment::imports::Project;
use dslc::model::passing::{Asserting, assert_shapes};
use dslc::source::Sources;

use crate::front_end::{applied, hold, parsed};

fn format(text: &str) -> String {
    let (ast, errors) = parsed(text);
    assert_eq!(errors, [], "{text}");
    dslc::format::format(text, &ast)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder with one of these endings, in order.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending));
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(is_one).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has none");
    files
}

#[test]
fn the_files_of_the_project_are_formatted() {
    for folder in ["models", "src/layers", "tests/cases/seeds"] {
        for path in files(folder, &["net", "model"]) {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, format(&text), "{}: `cargo run -- fmt {folder}`", path.display());
            hold(&text);
        }
    }
}

#[test]
fn ugly_texts_become_beautiful() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/format");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text = std::fs::read_to_string(root().join("tests/cases/ugly.txt")).unwrap();
    let cases: Vec<&str> = text.split("\n=== ").skip(1).collect();
    assert!(cases.len() >= 9, "{} texts", cases.len());
    for case in cases {
        let (name, ugly) = case.split_once('\n').unwrap();
        hold(ugly);
        settings.bind(|| insta::assert_snapshot!(name, format(ugly)));
    }
}

/// Texts that once broke the front end.
#[test]
fn what_was_found_by_fuzzing_stays_mended() {
    for path in files("tests/cases/fuzz", &["txt"]) {
        hold(&std::fs::read_to_string(path).unwrap());
    }
}

/// Long texts of one kind take time and memory in proportion to their length, and no deep recursion.
#[test]
fn long_texts_are_read_in_time() {
    let many = |text: &str, n: usize| text.repeat(n);
    hold(&many("\n", 200_000));
    hold(&many("# c\n", 50_000));
    hold(&many("relu;", 20_000));
    hold(&format!("foo {}", many("a ", 50_000)));
    hold(&format!("foo [{}]", many("1, ", 50_000)));
    hold(&format!("let a = ({}1)", many("1+", 50_000)));
    hold(&format!("let a = ({}1)", many("-", 50_000)));
    hold(&format!("let a = {}", many("[#\n", 5_000)));
    hold(&format!("let a = [{}", many("[1 #\n], [", 5_000)));
    hold(&format!("model M {{ input 1x1x1; if 1 == 2 {{ }} {} }}", many("else if 1 == 2 { } ", 20_000)));
    hold(&many("}", 50_000));
    // Loops, each turn of which has a finding or is long to read.
    let looped = |body: &str| hold(&format!("model M {{ input 1x28x28; repeat 1000000 {{ {body} }} }}"));
    looped("relu; conv2d 1 99x99 : 1x28x28");
    looped("relu : 1x1x1");
    looped("rleu");
    looped(&format!("for x in [{}] {{ }}", many("1, ", 9_000)));
    looped(&format!("dropout ({}1)", many("0*", 200)));
    let name = many("long", 500);
    hold(&format!("block {name} {{ relu }}\nmodel M {{ input 1x1x1; repeat 1000000 {{ {name} }} }}"));
    let parameters: String = (0..300).map(|i| format!("p{i}=1, ")).collect();
    hold(&format!("block a({parameters}) {{ relu }}\nmodel M {{ input 1x1x1; repeat 1000000 {{ a }} }}"));
    let doubled: String = (1..40).map(|i| format!("let a{i} = [a{0}, a{0}]\n", i - 1)).collect();
    hold(&format!("let a0 = [1, 1]\n{doubled}model M {{ input 1x1x1; for x in a39 {{ relu }} }}"));
}

/// The text with its shapes made true, as `dslc fmt --shapes` does it.
fn with_shapes(text: &str, which: Asserting) -> String {
    let mut sources = Sources::default();
    let project = Project { root: Path::new(""), read: &|_| Err("it does not exist".to_owned()) };
    let checked = dslc::experiment::check(&mut sources, Path::new("a.net"), text.to_owned(), &[], &project);
    let mut ast = checked.ast;
    assert_shapes(&mut ast, text, &checked.experiment.passing, which);
    dslc::format::format(text, &ast)
}

const SHAPES: &str = "block pair(n) {
    conv2d n 1x1 : 9x9x9
    relu
}

model M {
    input 3x32x32
    conv2d 8 3x3 -> relu : 8x32x32 # a comment
    pair 4 : 1x1 -> pair 5
    repeat 2 { conv2d 5 1x1 }
    residual {
        conv2d 5 3x3 padding=1
    }
    for n in [6, 7] {
        conv2d n 1x1 : 6x30x30
        relu as y
    }
    rleu
    flatten : 7
}
";

#[test]
fn shapes_at_line_ends_are_made_true() {
    let written = with_shapes(SHAPES, Asserting::Written);
    assert!(written.contains("relu                : 8x30x30   # a comment\n"), "{written}");
    assert!(written.contains("    pair 4 : 4x30x30 -> pair 5\n"), "{written}");
    // What differs from use to use, and what stands behind a fault, is not known.
    assert!(written.contains(": 9x9x9\n") && written.contains(": 6x30x30\n"), "{written}");
    assert_eq!(with_shapes(&written, Asserting::Written), written);

    let all = with_shapes(SHAPES, Asserting::Every);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/format");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("shapes_on_every_line", all));
    assert_eq!(with_shapes(&all, Asserting::Every), all);
}

/// A selection is laid out with what it needs, and the rest is left.
#[test]
fn a_selection_changes_its_own_lines() {
    let text = "model  M {\n  input 1x1x1\n  relu->\n  tanh\n  foo   1\n}\n";
    let (ast, _) = parsed(text);
    let select = |piece: &str| {
        let at = text.find(piece).unwrap();
        applied(text, &dslc::format::edits_within(text, &ast, at..at))
    };
    assert_eq!(select("M"), text.replace("model  M", "model M"));
    assert_eq!(select("foo"), text.replace("  foo   1", "    foo 1"));
    assert_eq!(select("tanh"), text.replace("  relu->\n  tanh", "    relu\n        -> tanh"));
}
