//! What can be asked of a text: ways out of findings, and its layout.

use serde_json::{Value, json};

use super::editor::{Editor, edited, modern, old, range};

const WRONG: &str =
    "model M {\n    input 1x28x28\n    # é😀\n    covn2d 8 3x3\n    flatten\n    linaer 10\n}\n";

fn actions(editor: &mut Editor, name: &str, at: Value, only: &[&str]) -> Vec<Value> {
    let mut params = editor.of(name);
    params["range"] = at;
    params["context"] = json!({ "diagnostics": [] });
    if !only.is_empty() {
        params["context"]["only"] = json!(only);
    }
    editor.ask("textDocument/codeAction", params).unwrap().as_array().unwrap().clone()
}

/// The edits of an action on one file, whichever way they are written.
fn edits(action: &Value) -> Vec<Value> {
    let edit = &action["edit"];
    let found = match edit["documentChanges"].as_array() {
        Some(changes) => changes[0]["edits"].clone(),
        None => edit["changes"].as_object().unwrap().values().next().unwrap().clone(),
    };
    found.as_array().unwrap().clone()
}

#[test]
fn a_finding_says_what_the_terminal_says_and_its_way_out_removes_it() {
    let mut editor = Editor::start(modern(), &[]);
    editor.open("a.net", WRONG);
    let found = editor.findings("a.net");
    assert_eq!(found.len(), 2, "{found:#?}");
    insta::assert_snapshot!(serde_json::to_string_pretty(&found[0]).unwrap(), @"");
    let offered = actions(&mut editor, "a.net", found[0]["range"].clone(), &[]);
    assert_eq!(offered.len(), 1, "{offered:#?}");
    assert_eq!(offered[0]["kind"], "quickfix");
    assert_eq!(offered[0]["isPreferred"], true);
    assert_eq!(offered[0]["diagnostics"], json!([found[0]]));
    let document = &offered[0]["edit"]["documentChanges"][0]["textDocument"];
    assert_eq!(*document, json!({ "uri": editor.uri("a.net"), "version": 1 }));
    let mended = edited(WRONG, &edits(&offered[0]));
    editor.change("a.net", 2, &[(None, &mended)]);
    assert_eq!(editor.findings("a.net").len(), 1);
    assert_eq!(
        actions(&mut editor, "a.net", range((0, 0), (0, 5)), &[]),
        [Value::Null; 0],
        "nothing is wrong there"
    );
    editor.end();
}

#[test]
fn all_is_mended_where_that_is_asked_for() {
    let mut editor = Editor::start(old(), &[]);
    editor.open("a.net", WRONG);
    editor.findings("a.net");
    let whole = range((0, 0), (99, 0));
    for kind in ["source", "source.fixAll"] {
        let offered = actions(&mut editor, "a.net", whole.clone(), &[kind]);
        assert_eq!(offered.len(), 1, "{kind}");
        // All that differs is ASCII, so the columns are the same in UTF-8.
        let mended = edited(WRONG, &edits(&offered[0]));
        assert_eq!(mended, WRONG.replace("covn2d", "conv2d").replace("linaer", "linear"));
    }
    assert_eq!(actions(&mut editor, "a.net", whole.clone(), &["quickfix"]).len(), 2);
    assert_eq!(actions(&mut editor, "a.net", whole.clone(), &["refactor"]).len(), 0);
    assert_eq!(actions(&mut editor, "a.net", whole, &["source.organizeImports"]).len(), 0);
    editor.end();
}

fn formatted(editor: &mut Editor, name: &str, within: Option<Value>) -> Value {
    let mut params = editor.of(name);
    params["options"] = json!({ "tabSize": 2, "insertSpaces": false });
    let method = match within {
        Some(range) => {
            params["range"] = range;
            "textDocument/rangeFormatting"
        }
        None => "textDocument/formatting",
    };
    editor.ask(method, params).unwrap()
}

#[test]
fn a_text_is_laid_out_as_the_command_does() {
    let mut editor = Editor::start(modern(), &[]);
    let text = "model   M{\r\n  input 1x8x8 # é😀\r\n\trelu->tanh\n\n\n\n}";
    editor.open("a.net", text);
    let edits = formatted(&mut editor, "a.net", None);
    let laid_out = edited(text, edits.as_array().unwrap());
    let (ast, _) = crate::front_end::parsed(text);
    assert_eq!(laid_out, dslc::format::format(text, &ast));
    assert_eq!(laid_out, "model M {\n    input 1x8x8  # é😀\n    relu -> tanh\n}\n");
    // Of a selection, its lines.
    let edits = formatted(&mut editor, "a.net", Some(range((2, 1), (2, 2))));
    let part = edited(text, edits.as_array().unwrap());
    assert!(part.contains("\n    relu -> tanh\n") && part.starts_with("model   M{"), "{part:?}");
    // Laid out, there is nothing to do; with mistakes in the syntax, nothing is done.
    editor.change("a.net", 2, &[(None, &laid_out)]);
    assert_eq!(formatted(&mut editor, "a.net", None), json!([]));
    editor.change("a.net", 3, &[(None, "model M {\n  ) relu\n}")]);
    assert_eq!(formatted(&mut editor, "a.net", None), Value::Null);
    for _ in 0..3 {
        editor.findings("a.net");
    }
    editor.end();
}
