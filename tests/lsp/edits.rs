//! Typing: changes of ranges, in the columns of either encoding, alone and many at once.

use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use serde_json::{Value, json};

use super::editor::{Editor, modern, old, pulling, range};

#[test]
fn only_the_last_of_many_texts_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = lsp_server::Connection::memory();
    let tell = |method: &str, params: Value| {
        let message = lsp_server::Notification { method: method.to_owned(), params };
        own.sender.send(message.into()).unwrap();
    };
    let uri = super::editor::uri(&folder.path().join("a.net"));
    let hello = json!({ "processId": null, "rootUri": null, "capabilities": {} });
    let id = lsp_server::RequestId::from(1);
    let request = lsp_server::Request { id, method: "initialize".to_owned(), params: hello };
    own.sender.send(request.into()).unwrap();
    let document = json!({ "uri": uri, "languageId": "dslc", "version": 0, "text": "" });
    tell("textDocument/didOpen", json!({ "textDocument": document }));
    // All of it waits before the server begins.
    for (version, letter) in "model M { input 1x8x8; rleu }".chars().enumerate() {
        let at = version as u32;
        let change = json!({ "range": range((0, at), (0, at)), "text": letter.to_string() });
        let document = json!({ "uri": uri, "version": version + 1 });
        tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    }
    let server = std::thread::spawn(move || dslc::lsp::serve(other));
    let answer = own.receiver.recv().unwrap();
    assert!(matches!(answer, lsp_server::Message::Response(_)), "{answer:?}");
    let lsp_server::Message::Notification(sent) = own.receiver.recv().unwrap() else { panic!("no findings") };
    assert_eq!(sent.params["version"], 29);
    place(sent.params["diagnostics"].as_array().unwrap(), "E0201");
    drop(own.sender);
    server.join().unwrap();
    assert_eq!(own.receiver.try_iter().count(), 0, "findings of texts that are gone");
}

/// The range of the one finding of a code.
fn place(found: &[Value], code: &str) -> Value {
    let mut places = found.iter().filter(|d| d["code"] == code).map(|d| d["range"].clone());
    let place = places.next().unwrap_or_else(|| panic!("no {code}: {found:#?}"));
    assert_eq!(places.next(), None, "{found:#?}");
    place
}

#[test]
fn columns_are_counted_as_agreed() {
    for (capabilities, wide) in [(modern(), 4), (old(), 2)] {
        let mut editor = Editor::start(capabilities, &[]);
        // The comment's `😀` is four bytes and two code units of UTF-16; lines end in `\r\n`.
        let text = "model M { # 😀\r\n    input 1x8x8 # 😀\r\n    rleu # 😀 ü\r\n}\r\n";
        editor.open("a.net", text);
        let found = editor.findings("a.net");
        assert_eq!(place(&found, "E0201"), range((2, 4), (2, 8)));
        // Behind the `😀` of the first line, a statement: `; tahn`; then one far behind the end of a line.
        let at = 12 + wide;
        editor.change(
            "a.net",
            2,
            &[
                (Some(range((0, 10), (0, at))), "relu"),
                (Some(range((0, 10), (0, 14))), ""),
                (Some(range((2, 4), (2, 8))), "relu"),
                (Some(range((1, 16), (1, 99))), "; tahn # ü"),
                (Some(range((77, 0), (99, 3))), "# end"),
            ],
        );
        let found = editor.findings("a.net");
        assert_eq!(place(&found, "E0201"), range((1, 18), (1, 22)));
        editor.end();
    }
}

/// A change as the editor makes it: where (in thousandths of the text), how much of it goes, and what comes.
#[derive(Clone, Debug)]
struct Change {
    at: usize,
    cut: usize,
    text: String,
    whole: bool,
}

fn change() -> impl Strategy<Value = Change> {
    let text = prop_oneof![
        prop::sample::select(vec![
            "",
            "\n",
            "\r\n",
            " ",
            "{",
            "}",
            ";",
            "relu",
            "linear 10",
            "# é😀\n",
            "😀",
            "ü",
            "\"",
            "model M {\n    input 1x8x8\n",
            "block b(c) { conv2d c 3x3 }\n",
            " -> tanh",
            ": 8x8x8",
            "b 4\n",
            "\u{feff}",
            "\r",
            "𝕏",
        ])
        .prop_map(str::to_owned),
        "[ -~é😀\n]{0,12}",
    ];
    (0usize..=1000, 0usize..30, text, prop::bool::weighted(0.05)).prop_map(|(at, cut, text, whole)| Change {
        at,
        cut,
        text,
        whole,
    })
}

/// A position as the protocol counts it, by looking at every character.
fn position(text: &str, offset: usize, wide: bool) -> (u32, u32) {
    let before = &text[..offset];
    let line = before.rsplit('\n').next().unwrap_or_default();
    let units = if wide { line.chars().map(char::len_utf16).sum() } else { line.len() };
    (before.matches('\n').count() as u32, units as u32)
}

/// Between the parts of a line's end there is no place in the protocol.
fn boundary(text: &str, mut offset: usize) -> usize {
    offset = offset.min(text.len());
    while !text.is_char_boundary(offset)
        || (text[..offset].ends_with('\r') && text[offset..].starts_with('\n'))
    {
        offset -= 1;
    }
    offset
}

/// Questions about a text or a place in it.
const METHODS: &[&str] = &[
    "textDocument/diagnostic",
    "textDocument/formatting",
    "textDocument/rangeFormatting",
    "textDocument/codeAction",
    "textDocument/inlayHint",
    "textDocument/hover",
    "textDocument/completion",
    "textDocument/signatureHelp",
    "textDocument/definition",
    "textDocument/documentHighlight",
    "textDocument/prepareRename",
    "textDocument/documentSymbol",
    "textDocument/foldingRange",
    "textDocument/selectionRange",
    "textDocument/semanticTokens/full",
    "textDocument/documentLink",
];

/// What the server says of a text, by every kind of question that concerns the text as a whole.
fn answers(editor: &mut Editor, name: &str, at: (u32, u32)) -> Vec<Value> {
    let uri = editor.uri(name);
    let position = json!({ "line": at.0, "character": at.1 });
    let mut params = editor.of(name);
    params["options"] = json!({ "tabSize": 4, "insertSpaces": true });
    params["range"] = range((at.0 / 2, 0), (u32::MAX, 0));
    params["context"] = json!({ "diagnostics": [], "triggerKind": 1, "isRetrigger": false });
    params["positions"] = json!([position, { "line": 0, "character": 4_000_000_000u32 }]);
    params["position"] = position;
    let mut answer = |method: &&str| {
        let mut answer = match editor.ask(method, params.clone()) {
            Ok(answer) => answer,
            // Where there is no name, none can be changed.
            Err((-32803, words)) if *method == "textDocument/prepareRename" => json!(words),
            Err(e) => panic!("{method}: {e:?}"),
        };
        // The id counts the texts of a document, and the address is its own.
        answer.as_object_mut().map(|answer| answer.remove("resultId"));
        let words = answer.to_string().replace(&uri, "URI");
        serde_json::from_str(&words).unwrap()
    };
    METHODS.iter().map(&mut answer).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// However a text was typed, the server answers as for the text as a whole.
    #[test]
    fn a_typed_text_is_the_text(
        batches in prop::collection::vec((prop::collection::vec(change(), 1..5), 0usize..=1000), 1..12),
        wide in any::<bool>(),
    ) {
        let mut capabilities = pulling();
        if wide {
            capabilities["general"] = json!({});
        }
        let mut editor = Editor::start(capabilities, &[]);
        let mut text = "model M {\n    input 1x8x8\n    relu # 😀\r\n}\n".to_owned();
        editor.open("typed.net", &text);
        for (batch, batch_place) in batches {
            let mut changes: Vec<(Option<Value>, String)> = Vec::new();
            for Change { at, cut, text: new, whole } in batch {
                if whole {
                    text = new.clone();
                    changes.push((None, new));
                    continue;
                }
                let start = boundary(&text, text.len() * at / 1000);
                let end = boundary(&text, start + cut).max(start);
                let mut place = range(position(&text, start, wide), position(&text, end, wide));
                let line_ends = text[end..].starts_with('\n') || text[end..].starts_with("\r\n");
                if end == text.len() && cut % 3 == 0 {
                    place["end"] = json!({ "line": 4_000_000_000u32, "character": 7 });
                } else if line_ends && cut % 3 == 0 {
                    place["end"]["character"] = json!(4_000_000_000u32);
                }
                text.replace_range(start..end, &new);
                changes.push((Some(place), new));
            }
            let changes: Vec<(Option<Value>, &str)> =
                changes.iter().map(|(place, text)| (place.clone(), text.as_str())).collect();
            editor.change("typed.net", 1, &changes);
            let at = position(&text, boundary(&text, text.len() * batch_place / 1000), wide);
            let typed = answers(&mut editor, "typed.net", at);
            editor.open("whole.net", &text);
            let whole = answers(&mut editor, "whole.net", at);
            editor.close("whole.net");
            assert_eq!(typed, whole, "{text:?}");
        }
        editor.end();
    }
}
