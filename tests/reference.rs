//! The reference in `docs/` is what the declarations say today, leaves no word out, and its programs check.

use std::path::{Path, PathBuf};
use std::process::Command;

use dslc::experiment::SECTIONS;
use dslc::experiment::imports::Project;
use dslc::model::definitions::CONTROL;
use dslc::reference::{chapters, files, find};
use dslc::source::Sources;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_files_in_docs_are_up_to_date() {
    for (name, expected) in files() {
        let found = std::fs::read_to_string(format!("{ROOT}/docs/{name}")).unwrap_or_default();
        assert!(found == expected, "docs/{name} is out of date: write it anew by `cargo run -- docs docs`");
    }
    // The others are written by hand, and the README or the tutorial leads to each.
    let text = |name: &str| std::fs::read_to_string(format!("{ROOT}/{name}")).unwrap();
    let (readme, tutorial) = (text("README.md"), text("docs/tutorial.md"));
    let entries = std::fs::read_dir(format!("{ROOT}/docs")).unwrap();
    let names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let pages: Vec<String> =
        names.iter().filter(|name| name.ends_with(".md")).map(|name| text(&format!("docs/{name}"))).collect();
    for name in &names {
        // A picture is shown by a page.
        if (name.ends_with(".png") || name.ends_with(".jpg"))
            && pages.iter().any(|page| page.contains(&format!("({name})")))
        {
            continue;
        }
        let known = files().iter().any(|(own, _)| **own == **name)
            || readme.contains(&format!("(docs/{name})"))
            || tutorial.contains(&format!("({name})"));
        assert!(
            known,
            "docs/{name} is not in the reference, and neither the README nor the tutorial names it"
        );
    }
}

/// The fenced blocks of a text: what stands behind the fence, and the lines.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    text.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect()
}

#[test]
fn the_programs_of_the_reference_check() {
    let mut programs = 0;
    for (name, text) in files().iter().filter(|(name, _)| *name != "errors.md") {
        let blocks = blocks(text);
        for (i, (_, program)) in blocks.iter().enumerate().filter(|(_, (info, _))| *info == "net") {
            let beside: Vec<(PathBuf, &str)> = blocks[i + 1..]
                .iter()
                .map_while(|(info, text)| Some((PathBuf::from(info.strip_prefix("file ")?), *text)))
                .collect();
            let read = |path: &Path| {
                let file = beside.iter().find(|(name, _)| name == path);
                file.map(|(_, text)| (*text).to_owned()).ok_or("it does not exist".to_owned())
            };
            let project = Project { root: Path::new(""), read: &read };
            let mut sources = Sources::default();
            let text = (*program).to_owned();
            let checked = dslc::experiment::check(&mut sources, Path::new("a.net"), text, &[], &project);
            assert_eq!(checked.diagnostics, [], "{name}: {program}");
            assert!(checked.experiment.model.is_some(), "{name}: {program}");
            programs += 1;
        }
    }
    assert!(programs >= 20, "{programs} programs");
}

#[test]
fn every_word_has_an_entry() {
    let chapters = chapters();
    for word in SECTIONS.iter().chain(CONTROL) {
        assert!(!find(word).is_empty(), "`{word}` has no entry");
    }
    for chapter in &chapters {
        assert!(!chapter.entries.is_empty(), "{}", chapter.title);
        for entry in &chapter.entries {
            assert!(find(&entry.name).contains(entry), "{}", entry.name);
            assert!(entry.text.ends_with('\n') && entry.text.len() > entry.name.len() + 10, "{}", entry.text);
        }
        if ["Layers", "Joins"].contains(&chapter.title) {
            for entry in &chapter.entries {
                assert!(entry.text.contains("\nIt turns `"), "no effect of `{}`", entry.name);
            }
        }
    }
    // A schedule has the name, too.
    assert!(!find("Dense").is_empty() && find("Dense").iter().all(|entry| find("linear").contains(entry)));
}

fn explain(word: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dslc")).args(["explain", word]).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), text)
}

#[test]
fn explain_shows_a_words_entry() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/explain");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for word in [
        "conv",
        "conv2d",
        "concat",
        "cosine",
        "use",
        "basic_block",
        "test.accuracy",
        "momentum",
        "ceil_mode",
        "divisible",
        "in.width",
    ] {
        let (code, text) = explain(word);
        assert_eq!(code, Some(0), "{text}");
        settings.bind(|| insta::assert_snapshot!(word, text));
    }
    let (code, said) = explain("convd");
    assert_eq!(code, Some(2));
    assert!(
        said.contains("`convd` is neither a code nor a word") && said.contains("try: `dslc explain conv2d`"),
        "{said}"
    );
}
