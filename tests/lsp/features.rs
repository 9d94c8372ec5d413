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
    let expected = json!({
        "range": range((3, 4), (3, 10)),
        "severity": 1,
        "code": "E0201",
        "source": "dslc",
        "message": "there is no layer or block called `covn2d`\ndid you mean `conv2d`?\ntry: write `conv2d`",
    });
    assert_eq!(found[0], expected);
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
    assert!(laid_out.contains("# é😀\n    relu -> tanh\n}\n"), "{laid_out}");
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

/// The disk is looked at beside the answers: what is found there comes later.
#[test]
fn data_are_looked_at_beside_the_answers() {
    let text = "model M { input 3x8x8; flatten -> linear 2 }\ndata {\n    source folder \"photos\" classes=3\n    resize 8x8\n    \
                split test=50%\n}\ntrain { loss cross_entropy; optimizer sgd lr=0.1; epochs 1; batch 2 }\n";
    let mut editor = Editor::start(modern(), &[]);
    editor.open("a.net", text);
    assert_eq!(editor.codes("a.net").len(), 1, "three classes, two outputs");
    let missing = editor.findings("a.net");
    let said = |found: &[Value]| found.iter().map(|own| own["message"].to_string()).collect::<String>();
    assert!(said(&missing).contains("there is no data at `photos`"), "{missing:?}");
    for name in ["ant/1.png", "ant/2.png", "bee/1.png", "bee/2.png"] {
        let path = editor.folder.path().join("photos").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let right = text.replace("photos", "./photos");
    editor.change("a.net", 2, &[(None, &right)]);
    editor.findings("a.net");
    let found = editor.findings("a.net");
    assert!(said(&found).contains("the data has 2 classes, but `classes` says 3"), "{found:?}");
    let mut params = editor.of("a.net");
    params["range"] = range((0, 0), (99, 0));
    let hints = editor.ask("textDocument/inlayHint", params).unwrap();
    let is_of_data = |own: &&Value| own["label"].to_string().contains("2 classes, 4 + 0 images, 3xHxW");
    assert_eq!(hints.as_array().unwrap().iter().filter(is_of_data).count(), 1, "{hints}");
    editor.end();
}
