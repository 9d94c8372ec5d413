//! Several files: what is open counts in place of the disk, and what a change touches is checked again.

use serde_json::json;

use super::editor::{Editor, modern, pulling, range};

const PARTS: &str = "block unit { conv2d 4 3x3 }\n";
const MAIN: &str = "use \"parts.model\"\nmodel M {\n    input 1x8x8\n    unit : 4x6x6\n}\n";

#[test]
fn an_open_text_counts_in_place_of_the_file() {
    let mut editor = Editor::start(modern(), &[("parts.model", PARTS)]);
    editor.open("main.net", MAIN);
    assert_eq!(editor.codes("main.net"), [""; 0]);
    // Not saved: the shape that arrives is another one.
    editor.open("parts.model", &PARTS.replace("3x3", "5x5"));
    assert_eq!(editor.codes("parts.model"), [""; 0]);
    assert_eq!(editor.codes("main.net"), ["E0304"]);
    editor.change("parts.model", 2, &[(Some(range((0, 22), (0, 25))), "3x3")]);
    assert_eq!(editor.codes("parts.model"), [""; 0]);
    assert_eq!(editor.codes("main.net"), [""; 0]);
    // Closed without saving: the file counts again.
    editor.change("parts.model", 3, &[(None, "")]);
    assert_eq!(editor.codes("parts.model"), ["E0209"]);
    assert_eq!(editor.codes("main.net"), ["W0203", "E0201"]);
    editor.close("parts.model");
    assert_eq!(editor.codes("parts.model"), [""; 0], "what was found is taken back");
    assert_eq!(editor.codes("main.net"), [""; 0]);
    editor.end();
}

#[test]
fn a_change_reaches_those_that_use_the_file_through_others() {
    let middle = "use \"parts.model\"\nblock two { unit -> unit }\n";
    let main = "use \"sub/middle.model\"\nmodel M { input 1x8x8; two : 4x4x4 }\n";
    let mut editor = Editor::start(modern(), &[]);
    std::fs::create_dir(editor.folder.path().join("sub")).unwrap();
    editor.open("sub/middle.model", middle);
    assert_eq!(editor.codes("sub/middle.model"), ["E0214"], "there is no such file yet");
    editor.open("main.net", main);
    assert!(editor.codes("main.net").contains(&"E0214".to_owned()));
    std::fs::write(editor.folder.path().join("sub/parts.model"), PARTS).unwrap();
    let created = json!({ "changes": [{ "uri": editor.uri("sub/parts.model"), "type": 1 }] });
    editor.tell("workspace/didChangeWatchedFiles", created);
    assert_eq!(editor.codes("main.net"), [""; 0]);
    assert_eq!(editor.codes("sub/middle.model"), [""; 0]);
    // A file that nobody looked for concerns nobody.
    let other = json!({ "changes": [{ "uri": editor.uri("other.model"), "type": 1 }] });
    editor.tell("workspace/didChangeWatchedFiles", other);
    editor.end();
}

#[test]
fn a_finding_in_another_file_stands_where_it_is_used() {
    let mut editor =
        Editor::start(modern(), &[("parts.model", "let size = 3\nblock unit { covn2d 4 3x3 }\n")]);
    editor.open("main.net", "# first\nuse \"parts.model\"\nmodel M { input 1x8x8; unit }\n");
    let found = editor.findings("main.net");
    let misspelt = found.iter().find(|d| d["code"] == "E0201").unwrap();
    let message = misspelt["message"].as_str().unwrap();
    assert!(message.starts_with("parts.model:2: "), "{message}");
    let place = &misspelt["relatedInformation"][0]["location"];
    assert_eq!(place["uri"], editor.uri("parts.model"));
    assert_eq!(place["range"], range((1, 13), (1, 19)));
    let line = misspelt["range"]["start"]["line"].as_u64().unwrap();
    assert!([1, 2].contains(&line), "{misspelt}");
    editor.end();
}

#[test]
fn an_editor_that_asks_is_told_when_to_ask_again() {
    let mut editor = Editor::start(pulling(), &[("parts.model", PARTS)]);
    editor.open("main.net", MAIN);
    let first = editor.ask("textDocument/diagnostic", editor.of("main.net")).unwrap();
    assert_eq!((&first["kind"], &first["items"]), (&json!("full"), &json!([])));
    let mut again = editor.of("main.net");
    again["previousResultId"] = first["resultId"].clone();
    let second = editor.ask("textDocument/diagnostic", again.clone()).unwrap();
    assert_eq!(second, json!({ "kind": "unchanged", "resultId": first["resultId"] }));
    editor.open("parts.model", &PARTS.replace("3x3", "5x5"));
    editor.told("workspace/diagnostic/refresh");
    let third = editor.ask("textDocument/diagnostic", again).unwrap();
    assert_eq!(third["items"][0]["code"], "E0304");
    assert_ne!(third["resultId"], first["resultId"]);
    editor.end();
}

#[test]
fn names_are_found_in_every_file_of_the_project() {
    let other = "let size = 3\nblock untold { relu }\n";
    let mut editor = Editor::start(modern(), &[("parts.model", PARTS), ("other.model", other)]);
    editor.open("main.net", MAIN);
    // What is not saved counts.
    editor.open("other.model", &other.replace("untold", "unspoken"));
    assert_eq!([editor.codes("main.net"), editor.codes("other.model")], [[""; 0]; 2]);
    let mut found = |query: &str| {
        let found = editor.ask("workspace/symbol", json!({ "query": query })).unwrap();
        let told = |symbol: &serde_json::Value| {
            let name = |key: &str| symbol[key].as_str().unwrap().to_owned();
            (name("name"), name("containerName"), symbol["location"]["range"].clone())
        };
        let mut found: Vec<_> = found.as_array().unwrap().iter().map(told).collect();
        found.sort_by_key(|(name, ..)| name.clone());
        found
    };
    let own = |name: &str, file: &str, line: u32, column: u32| {
        let end = column + name.len() as u32;
        (name.to_owned(), file.to_owned(), range((line, column), (line, end)))
    };
    assert_eq!(found("UN"), [own("unit", "parts.model", 0, 6), own("unspoken", "other.model", 1, 6)]);
    assert_eq!(found("sz"), [own("size", "other.model", 0, 4)]);
    assert_eq!(found("").len(), 4, "and the model");
    assert_eq!(found("untold"), []);
    editor.end();
}

#[test]
fn nothing_outside_of_the_project_is_read() {
    let mut editor = Editor::start(modern(), &[]);
    editor.open("main.net", "use \"../../etc/passwd\"\nmodel M { input 1x8x8; relu }\n");
    assert_eq!(editor.codes("main.net"), ["E0214"]);
    editor.end();
}

#[test]
fn a_text_without_a_file_is_checked_too() {
    let mut editor = Editor::start(modern(), &[("parts.model", PARTS)]);
    let document = json!({ "uri": "untitled:Untitled-1", "languageId": "dslc", "version": 7, "text": MAIN.replace("4x6", "4x7") });
    editor.tell("textDocument/didOpen", json!({ "textDocument": document }));
    let found = editor.told("textDocument/publishDiagnostics");
    assert_eq!((&found["uri"], &found["version"]), (&json!("untitled:Untitled-1"), &json!(7)));
    assert_eq!(found["diagnostics"][0]["code"], "E0304");
    editor.end();
}

/// What was read of a file before serves the next check, also where files come, go and change places.
#[test]
fn files_are_read_again_only_where_they_have_changed() {
    let other = "block other { relu -> tanh }\n";
    let mut editor = Editor::start(modern(), &[("parts.model", PARTS), ("other.model", other)]);
    let both = "use \"other.model\"\nuse \"parts.model\"\nmodel M { input 1x8x8; unit; other : 4x6x6 }\n";
    editor.open("main.net", &both.replace("use \"other.model\"\n", ""));
    assert!(editor.codes("main.net").contains(&"E0201".to_owned()));
    editor.change("main.net", 2, &[(None, both)]);
    assert_eq!(editor.codes("main.net"), [""; 0]);
    editor.change("main.net", 3, &[(Some(range((2, 37), (2, 38))), "3")]);
    assert_eq!(editor.codes("main.net"), ["E0304"]);
    std::fs::write(
        editor.folder.path().join("other.model"),
        format!("# one\n{other}block third {{ relu }}\n"),
    )
    .unwrap();
    let changed = json!({ "changes": [{ "uri": editor.uri("other.model"), "type": 2 }] });
    editor.tell("workspace/didChangeWatchedFiles", changed);
    assert_eq!(editor.codes("main.net"), ["E0304"]);
    let moved =
        "use \"parts.model\"\nuse \"other.model\"\nmodel M { input 1x8x8; unit; other; third : 4x6x6 }\n";
    editor.change("main.net", 4, &[(None, moved)]);
    assert_eq!(editor.codes("main.net"), [""; 0]);
    editor.end();
}
