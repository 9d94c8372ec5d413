//! Of every wrong program of the corpus the editor says what the terminal says: code, severity, words, place, ways out.

use std::process::Command;

use serde_json::{Value, json};

use super::editor::{Editor, modern};

/// The file that some of the programs use.
const PARTS: &str = "let maps = 4\nblock narrow { conv2d maps 1x1 }\n";

fn programs() -> Vec<(String, String)> {
    let mut programs = Vec::new();
    for corpus in ["wrong", "ugly"] {
        let path = format!("{}/tests/cases/{corpus}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        for case in text.split("\n=== ").skip(1) {
            let (name, program) = case.split_once('\n').unwrap();
            programs.push((format!("{corpus}_{}.net", name.trim()), program.to_owned()));
        }
    }
    assert!(programs.len() > 100, "{} programs", programs.len());
    programs
}

/// Offset, line and column of the protocol, with columns in UTF-8.
fn position(text: &str, offset: usize) -> Value {
    let before = &text[..offset];
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    json!({ "line": before.matches('\n').count(), "character": column })
}

/// A finding of the terminal in the editor's words.
fn expected(text: &str, finding: &Value) -> Value {
    let words = |key: &str| finding[key].as_str().unwrap().to_owned();
    let mut lines = vec![words("message")];
    lines.extend(Some(words("label")).filter(|label| !label.is_empty()));
    lines.extend(finding["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned()));
    let fixes = finding["fixes"].as_array().unwrap();
    let titles: Vec<&str> = fixes.iter().map(|fix| fix["title"].as_str().unwrap()).collect();
    if !titles.is_empty() {
        lines.push(format!("try: {}", titles.join("\n  or: ")));
    }
    // The terminal counts lines from one, and columns in characters.
    let line = finding["line"].as_u64().unwrap() as usize - 1;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let column = finding["column"].as_u64().unwrap() as usize - 1;
    let offset = text[start..].char_indices().nth(column).map_or(text.len(), |(at, _)| start + at);
    let at = |edit: &Value, end: &str| position(text, edit[end].as_u64().unwrap() as usize);
    let edit = |edit: &Value| json!({ "range": { "start": at(edit, "start"), "end": at(edit, "end") }, "newText": edit["text"] });
    let fixes: Vec<Value> = fixes
        .iter()
        .filter(|fix| fix["edits"].as_array().is_some_and(|edits| !edits.is_empty()))
        .map(|fix| {
            let edits: Vec<Value> = fix["edits"].as_array().unwrap().iter().map(edit).collect();
            json!({ "title": fix["title"], "edits": edits })
        })
        .collect();
    json!({
        "code": finding["code"],
        "severity": if finding["severity"] == "error" { 1 } else { 2 },
        "message": lines.join("\n"),
        "start": position(text, offset),
        "fixes": fixes,
    })
}

#[test]
fn the_editor_says_what_the_terminal_says() {
    let programs = programs();
    let mut editor = Editor::start(modern(), &[("parts.model", PARTS)]);
    for (name, program) in &programs {
        std::fs::write(editor.folder.path().join(name), program).unwrap();
    }
    let names = programs.iter().map(|(name, _)| name);
    let terminal = Command::new(env!("CARGO_BIN_EXE_dslc"))
        .args(["check", "--message-format", "json"])
        .args(names)
        .current_dir(editor.folder.path())
        .output()
        .unwrap();
    let said: Vec<Value> = String::from_utf8(terminal.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut compared = 0;
    for (name, program) in &programs {
        let expected: Vec<Value> = said
            .iter()
            .filter(|finding| finding["file"] == name.as_str() && finding["code"] != "W0405")
            .map(|finding| expected(program, finding))
            .collect();
        compared += expected.len();
        editor.open(name, program);
        let mut found = editor.findings(name);
        // That the data are not there, the editor may say late.
        found.retain(|d| d["code"] != "W0405");
        let mut shown = Vec::new();
        for d in &found {
            let mut params = editor.of(name);
            params["range"] = d["range"].clone();
            params["context"] = json!({ "diagnostics": [d] });
            let actions = editor.ask("textDocument/codeAction", params).unwrap();
            let own = |action: &&Value| action["diagnostics"][0] == *d;
            let fixes: Vec<Value> = actions
                .as_array()
                .unwrap()
                .iter()
                .filter(own)
                .map(|action| json!({ "title": action["title"], "edits": action["edit"]["documentChanges"][0]["edits"] }))
                .collect();
            shown.push(json!({
                "code": d["code"],
                "severity": d["severity"],
                "message": d["message"],
                "start": d["range"]["start"],
                "fixes": fixes,
            }));
        }
        assert_eq!(shown, expected, "{name}");
        editor.close(name);
        // What was known of the data by then may have been said before.
        while editor.findings(name) != [Value::Null; 0] {}
    }
    assert!(compared >= 130, "{compared} findings");
    editor.end();
}
