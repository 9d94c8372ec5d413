//! Each question that an editor has about a place, answered in the protocol's terms.

use serde_json::{Value, json};

use super::editor::{Editor, edited, modern, old, range};

const PARTS: &str = "block unit(c) {\n    conv2d c 3x3\n}\n";
const MAIN: &str = "use \"parts.model\"\n# é😀\nmodel M {\n    input 1x28x28\n    unit 8 -> relu\n    conv2d 16 2x2 stride=2\n    \
                    flatten\n    linear 10\n}\n";

fn started(capabilities: Value) -> Editor {
    let mut editor = Editor::start(capabilities, &[("parts.model", PARTS)]);
    editor.open("main.net", MAIN);
    assert_eq!(editor.findings("main.net"), [Value::Null; 0]);
    editor
}

/// Asks about a text, at the beginning of a word in it.
fn asked(editor: &mut Editor, method: &str, word: &str, more: Value) -> Value {
    let at = MAIN.find(word).unwrap();
    let before = &MAIN[..at];
    let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1);
    let mut params = editor.of("main.net");
    params["position"] = json!({ "line": before.matches('\n').count(), "character": column });
    if let Value::Object(more) = more {
        params.as_object_mut().unwrap().extend(more);
    }
    editor.ask(method, params).unwrap_or_else(|e| panic!("{method}: {e:?}"))
}

#[test]
fn words_are_explained_and_shapes_are_shown() {
    let mut editor = started(modern());
    let hover = asked(&mut editor, "textDocument/hover", "conv2d", json!({}));
    assert_eq!(hover["range"], range((5, 4), (5, 10)));
    assert_eq!(hover["contents"]["kind"], "markdown");
    assert!(hover["contents"]["value"].as_str().unwrap().contains("16x13x13"), "{hover}");
    assert_eq!(asked(&mut editor, "textDocument/hover", "# é", json!({})), Value::Null);
    let all = range((0, 0), (99, 0));
    let hints = asked(&mut editor, "textDocument/inlayHint", "use", json!({ "range": all }));
    let labels: Vec<&str> =
        hints.as_array().unwrap().iter().map(|hint| hint["label"].as_str().unwrap()).collect();
    assert!(labels.contains(&": 8x26x26") && labels.contains(&": 16x13x13"), "{labels:?}");
    let help = asked(&mut editor, "textDocument/signatureHelp", "2x2 stride", json!({}));
    let label = help["signatures"][0]["label"].as_str().unwrap();
    let active = help["activeParameter"].as_u64().unwrap() as usize;
    let place = &help["signatures"][0]["parameters"][active]["label"];
    let [start, end] = [0, 1].map(|i| place[i].as_u64().unwrap() as usize);
    assert_eq!(&label[start..end], "KERNEL", "{label}");
    editor.end();
}

#[test]
fn completions_fit_what_the_editor_can_fill_in() {
    for (capabilities, format) in [(modern(), 2), (old(), 1)] {
        let mut editor = started(capabilities);
        let found = asked(&mut editor, "textDocument/completion", "nv2d 16", json!({}));
        let items = found.as_array().unwrap();
        let conv = items.iter().find(|item| item["label"] == "conv2d").unwrap();
        assert_eq!(conv["insertTextFormat"], format, "{conv}");
        assert_eq!(conv["textEdit"]["range"]["start"], json!({ "line": 5, "character": 4 }));
        let text = conv["textEdit"]["newText"].as_str().unwrap();
        assert_eq!(text.contains("${1:"), format == 2, "{text}");
        let ranks: Vec<&str> = items.iter().map(|item| item["sortText"].as_str().unwrap()).collect();
        assert!(ranks.is_sorted() && items.iter().any(|item| item["label"] == "unit"));
        let files = asked(&mut editor, "textDocument/completion", "parts.model", json!({}));
        assert_eq!(files[0]["label"], "parts.model");
        editor.end();
    }
}

#[test]
fn names_are_followed_and_changed_in_every_file() {
    let mut editor = started(modern());
    // A third file, which is not open, uses the same block.
    let third = "use \"parts.model\"\nmodel T { input 1x8x8; unit 4 }\n";
    std::fs::write(editor.folder.path().join("third.net"), third).unwrap();
    let found = asked(&mut editor, "textDocument/definition", "unit 8", json!({}));
    assert_eq!(found, json!({ "uri": editor.uri("parts.model"), "range": range((0, 6), (0, 10)) }));
    let file = asked(&mut editor, "textDocument/definition", "parts.model", json!({}));
    assert_eq!(file["range"], range((0, 0), (0, 0)));
    for (own, n_places) in [(true, 3), (false, 2)] {
        let context = json!({ "context": { "includeDeclaration": own } });
        let found = asked(&mut editor, "textDocument/references", "unit 8", context);
        assert_eq!(found.as_array().unwrap().len(), n_places, "{found:#}");
    }
    let here = asked(&mut editor, "textDocument/documentHighlight", "unit 8", json!({}));
    assert_eq!(here, json!([{ "range": range((4, 4), (4, 8)) }]));
    let name = asked(&mut editor, "textDocument/prepareRename", "unit 8", json!({}));
    assert_eq!(name, range((4, 4), (4, 8)));
    let renamed = asked(&mut editor, "textDocument/rename", "unit 8", json!({ "newName": "cell" }));
    for (file, text, version) in
        [("main.net", MAIN, json!(1)), ("parts.model", PARTS, Value::Null), ("third.net", third, Value::Null)]
    {
        let changes = renamed["documentChanges"].as_array().unwrap();
        let change = changes.iter().find(|change| change["textDocument"]["uri"] == editor.uri(file)).unwrap();
        assert_eq!(change["textDocument"]["version"], version, "{file}");
        assert_eq!(edited(text, change["edits"].as_array().unwrap()), text.replace("unit", "cell"));
    }
    // What cannot be done is said in words.
    let mut params = editor.of("main.net");
    params["position"] = json!({ "line": 4, "character": 4 });
    params["newName"] = json!("conv2d");
    let (_, words) = editor.ask("textDocument/rename", params).unwrap_err();
    assert!(words.contains("conv2d"), "{words}");
    editor.end();
}

#[test]
fn a_text_has_an_outline_folds_links_and_colours() {
    let mut editor = started(modern());
    let outline = asked(&mut editor, "textDocument/documentSymbol", "use", json!({}));
    let model = outline.as_array().unwrap().iter().find(|symbol| symbol["name"] == "M").unwrap();
    assert_eq!(model["range"], range((2, 0), (8, 1)));
    assert!(model["children"].as_array().unwrap().len() >= 5, "{model:#}");
    let folds = asked(&mut editor, "textDocument/foldingRange", "use", json!({}));
    assert_eq!(folds, json!([{ "startLine": 2, "endLine": 7 }]), "the line of the brace stays");
    let links = asked(&mut editor, "textDocument/documentLink", "use", json!({}));
    assert_eq!(links, json!([{ "range": range((0, 5), (0, 16)), "target": editor.uri("parts.model") }]));
    let positions = json!({ "positions": [{ "line": 5, "character": 12 }, { "line": 99, "character": 0 }] });
    let grown = asked(&mut editor, "textDocument/selectionRange", "use", positions);
    assert_eq!(grown.as_array().unwrap().len(), 2);
    let (mut inner, mut n_steps) = (grown[0].clone(), 0);
    while inner["parent"] != Value::Null {
        (inner, n_steps) = (inner["parent"].clone(), n_steps + 1);
    }
    assert!(n_steps >= 3 && inner["range"]["start"] == json!({ "line": 0, "character": 0 }), "{grown:#}");
    let legend = editor.offered["semanticTokensProvider"]["legend"]["tokenTypes"].clone();
    let tokens = asked(&mut editor, "textDocument/semanticTokens/full", "use", json!({}));
    let data: Vec<u64> = tokens["data"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let (mut at, mut seen) = ((0, 0), Vec::new());
    for token in data.chunks(5) {
        at = if token[0] == 0 { (at.0, at.1 + token[1]) } else { (at.0 + token[0], token[1]) };
        let line = MAIN.lines().nth(at.0 as usize).unwrap();
        let text = &line[at.1 as usize..(at.1 + token[2]) as usize];
        seen.push((text, legend[token[3] as usize].as_str().unwrap()));
    }
    for expected in [
        ("use", "keyword"),
        ("# é😀", "comment"),
        ("M", "class"),
        ("conv2d", "function"),
        ("stride", "parameter"),
        ("unit", "class"),
    ] {
        assert!(seen.contains(&expected), "{expected:?}: {seen:?}");
    }
    let part = range((5, 0), (5, 99));
    let part = asked(&mut editor, "textDocument/semanticTokens/range", "use", json!({ "range": part }));
    assert!(part["data"].as_array().unwrap().len() < data.len());
    editor.end();
}
