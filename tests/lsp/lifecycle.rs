//! How a server begins and ends, and what it makes of what it does not understand.

use dslc::lsp::Ended;
use lsp_server::{Notification, Request, RequestId};
use serde_json::{Value, json};

use super::editor::{Editor, modern, old, pulling};

const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const INVALID_REQUEST: i32 = -32600;
const NOT_INITIALIZED: i32 = -32002;
const CANCELED: i32 = -32800;

fn code(answer: Result<Value, (i32, String)>) -> i32 {
    answer.expect_err("a refusal").0
}

#[test]
fn what_is_offered_depends_on_the_editor() {
    let editor = Editor::start(modern(), &[]);
    assert_eq!(editor.offered["positionEncoding"], "utf-8");
    assert_eq!(editor.offered["textDocumentSync"]["change"], 2);
    assert_eq!(editor.offered["diagnosticProvider"], Value::Null, "findings are sent");
    editor.end();
    let editor = Editor::start(old(), &[]);
    assert_eq!(editor.offered["positionEncoding"], "utf-16");
    editor.end();
    let editor = Editor::start(pulling(), &[]);
    assert_eq!(editor.offered["diagnosticProvider"]["interFileDependencies"], true);
    editor.end();
}

#[test]
fn files_are_watched_by_editors_that_can() {
    let mut capabilities = modern();
    capabilities["workspace"]["didChangeWatchedFiles"] = json!({ "dynamicRegistration": true });
    let mut editor = Editor::start(capabilities, &[]);
    let asked = editor.told("client/registerCapability");
    assert_eq!(asked["registrations"][0]["method"], "workspace/didChangeWatchedFiles");
    let glob = &asked["registrations"][0]["registerOptions"]["watchers"][0]["globPattern"];
    assert_eq!(glob, "**/*.{model,net}");
    editor.end();
}

#[test]
fn nothing_is_answered_before_the_beginning_or_behind_the_end() {
    let mut editor = Editor::silent(tempfile::tempdir().unwrap());
    assert_eq!(code(editor.ask("textDocument/hover", json!({}))), NOT_INITIALIZED);
    editor.open("a.net", "model");
    assert_eq!(code(editor.ask("initialize", json!({ "capabilities": 3 }))), INVALID_PARAMS);
    assert!(
        editor.ask("initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} })).is_ok()
    );
    assert_eq!(code(editor.ask("initialize", json!({ "capabilities": {} }))), INVALID_REQUEST);
    assert_eq!(editor.ask("shutdown", Value::Null), Ok(Value::Null));
    assert_eq!(code(editor.ask("shutdown", Value::Null)), INVALID_REQUEST);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.join().0, Ended::Asked);
}

#[test]
fn an_end_without_shutdown_is_told_apart() {
    let editor = Editor::start(modern(), &[]);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.join().0, Ended::Unasked);
    assert_eq!(Editor::start(modern(), &[]).hang_up(), Ended::Closed);
    assert_eq!(Editor::silent(tempfile::tempdir().unwrap()).hang_up(), Ended::Closed);
}

#[test]
fn what_is_not_understood_is_refused_and_forgotten() {
    let mut editor = Editor::start(modern(), &[]);
    assert_eq!(code(editor.ask("textDocument/brew", json!({}))), METHOD_NOT_FOUND);
    assert_eq!(code(editor.ask("textDocument/formatting", json!({ "textDocument": 3 }))), INVALID_PARAMS);
    assert_eq!(code(editor.ask("textDocument/formatting", Value::Null)), INVALID_PARAMS);
    // Of a text that is not open, nothing is known.
    let options = json!({ "tabSize": 4, "insertSpaces": true });
    let mut params = editor.of("a.net");
    params["options"] = options;
    let (_, words) = editor.ask("textDocument/formatting", params).unwrap_err();
    assert!(words.contains("a.net is not open"), "{words}");
    // Notifications have no answer; a fault in one is told of all the same.
    editor.tell("textDocument/didOpen", json!({}));
    assert!(
        editor.told("window/logMessage")["message"].as_str().unwrap().starts_with("textDocument/didOpen: ")
    );
    editor.change("a.net", 2, &[(None, "")]);
    assert!(editor.told("window/logMessage")["message"].as_str().unwrap().contains("is not open"));
    editor.tell("$/setTrace", json!({ "value": "off" }));
    editor.tell("workspace/brew", json!([]));
    editor.end();
}

#[test]
fn a_request_that_is_taken_back_in_time_is_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = lsp_server::Connection::memory();
    // All of it waits before the server begins.
    let send = |id: i32, method: &str, params: Value| {
        let message = Request { id: RequestId::from(id), method: method.to_owned(), params };
        own.sender.send(message.into()).unwrap();
    };
    let tell = |method: &str, params: Value| {
        own.sender.send(Notification { method: method.to_owned(), params }.into()).unwrap();
    };
    let uri = super::editor::uri(&folder.path().join("a.net"));
    send(1, "initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }));
    let document = json!({ "uri": uri, "languageId": "dslc", "version": 1, "text": "relu\n" });
    tell("textDocument/didOpen", json!({ "textDocument": document }));
    let format = json!({ "textDocument": { "uri": uri }, "options": { "tabSize": 4, "insertSpaces": true } });
    send(2, "textDocument/formatting", format.clone());
    send(3, "textDocument/formatting", format);
    tell("$/cancelRequest", json!({ "id": 2 }));
    tell("$/cancelRequest", json!({ "id": 77 }));
    send(4, "shutdown", Value::Null);
    tell("exit", Value::Null);
    assert_eq!(dslc::lsp::serve(other), Ended::Asked);
    let answers: Vec<(RequestId, Option<i32>)> = own
        .receiver
        .try_iter()
        .filter_map(|message| match message {
            lsp_server::Message::Response(answer) => {
                Some((answer.id, answer.response_result.err().map(|e| e.code)))
            }
            lsp_server::Message::Request(_) | lsp_server::Message::Notification(_) => None,
        })
        .collect();
    let expected = [(1, None), (2, Some(CANCELED)), (3, None), (4, None)];
    assert_eq!(answers, expected.map(|(id, code)| (RequestId::from(id), code)));
}
