//! What the editor's floor answers, a file a topic, on small programs with a cursor (`‸`).

mod any_text;
mod completion;
mod ends;
mod hints;
mod hover;
mod names;
mod signature;
mod structure;

use std::fmt::Write as _;
use std::path::Path;

use dslc::editor::Program;
use dslc::editor::complete::Folders;
use dslc::experiment::imports::Project;

const PARTS: &str = "let maps = 4\n\n## A slender one.\nblock narrow(channels, act=relu) {\n    conv2d channels 1x1 -> act\n}\n";

/// A network with a bit of everything.
const EXAMPLE: &str = include_str!("../cases/editor.net");

/// Checks a text as `models/a.net` in a project that has `models/parts.model`.
fn program(text: &str) -> Program {
    file("models/a.net", text, "")
}

/// Checks a file of a project with `models/parts.model`, and `main` as `models/a.net`.
fn file(path: &str, text: &str, main: &str) -> Program {
    let read = |path: &Path| match path.to_str() {
        Some("models/parts.model") => Ok(PARTS.to_owned()),
        Some("models/a.net") => Ok(main.to_owned()),
        _ => Err("there is no such file".to_owned()),
    };
    Program::check(Path::new(path), text.to_owned(), &Project { root: Path::new(""), read: &read })
}

/// A program whose text has a cursor, and where that is.
fn with_cursor(text: &str) -> (Program, usize) {
    let at = text.find('‸').expect("a cursor");
    (program(&text.replace('‸', "")), at)
}

fn list(folder: &Path) -> Vec<(String, bool)> {
    let entries: &[(&str, bool)] = match folder.to_str() {
        Some("models") => &[
            ("parts.model", false),
            ("a.net", false),
            ("old", true),
            ("notes.txt", false),
            ("labels.csv", false),
        ],
        Some("models/old") => &[("first.net", false)],
        Some("") => &[("models", true), ("README.md", false)],
        _ => &[],
    };
    entries.iter().map(|(name, folder)| ((*name).to_owned(), *folder)).collect()
}

fn columns(source: &str, path: &str) -> Vec<String> {
    match (source, path) {
        ("table", "labels.csv") => vec!["file".to_owned(), "my label".to_owned()],
        _ => Vec::new(),
    }
}

fn folders() -> Folders<'static> {
    Folders { root: Path::new(""), list: &list, columns: &columns }
}

/// A text with what is at each place put in between `«` and `»`.
fn marked(text: &str, mut marks: Vec<(usize, String)>) -> String {
    marks.sort();
    let (mut out, mut from) = (String::new(), 0);
    for (at, mark) in marks {
        let _ = write!(out, "{}«{mark}»", &text[from..at]);
        from = at;
    }
    out + &text[from..]
}

fn snapshot(name: &str, text: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/editor");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
