//! A small editor: it talks to the server in this process, keeps what it has not read yet, and leaves nothing unread.

use std::collections::VecDeque;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use dslc::lsp::{Ended, serve};
use lsp_server::{Connection, Message, Notification, Request, RequestId, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Editor {
    connection: Connection,
    server: JoinHandle<Ended>,
    /// The project, which is open as a folder.
    pub folder: TempDir,
    /// What the server said it can do.
    pub offered: Value,
    unread: VecDeque<Message>,
    n_asked: i32,
}

/// What a modern editor says of itself, with columns in UTF-8.
pub fn modern() -> Value {
    json!({
        "general": { "positionEncodings": ["utf-32", "utf-16", "utf-8"] },
        "workspace": { "workspaceEdit": { "documentChanges": true } },
        "textDocument": {
            "publishDiagnostics": { "relatedInformation": true },
            "completion": { "completionItem": { "snippetSupport": true } },
            "hover": { "contentFormat": ["markdown", "plaintext"] },
        },
    })
}

/// The same, asking for findings itself.
pub fn pulling() -> Value {
    let mut capabilities = modern();
    capabilities["textDocument"]["diagnostic"] = json!({ "relatedInformation": true });
    capabilities["workspace"]["diagnostics"] = json!({ "refreshSupport": true });
    capabilities
}

/// The least: columns in UTF-16, nothing else said.
pub fn old() -> Value {
    json!({})
}

impl Editor {
    /// Starts a server and opens a folder with these files.
    pub fn start(capabilities: Value, files: &[(&str, &str)]) -> Editor {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut editor = Editor::silent(folder);
        let root = editor.uri("");
        let hello = json!({
            "processId": std::process::id(),
            "rootUri": root,
            "workspaceFolders": [{ "uri": root, "name": "project" }],
            "capabilities": capabilities,
        });
        editor.offered = editor.ask("initialize", hello).unwrap()["capabilities"].clone();
        editor.tell("initialized", json!({}));
        editor
    }

    /// Starts a server and says nothing yet.
    pub fn silent(folder: TempDir) -> Editor {
        let (own, other) = Connection::memory();
        let server = std::thread::spawn(move || serve(other));
        Editor { connection: own, server, folder, offered: Value::Null, unread: VecDeque::new(), n_asked: 0 }
    }

    pub fn uri(&self, name: &str) -> String {
        uri(&self.folder.path().join(name))
    }

    pub fn send(&self, message: impl Into<Message>) {
        self.connection.sender.send(message.into()).unwrap();
    }

    pub fn tell(&self, method: &str, params: Value) {
        self.send(Notification { method: method.to_owned(), params });
    }

    /// Asks without waiting for the answer.
    pub fn request(&mut self, method: &str, params: Value) -> RequestId {
        self.n_asked += 1;
        let id = RequestId::from(self.n_asked);
        self.send(Request { id: id.clone(), method: method.to_owned(), params });
        id
    }

    /// The answer to a request, or the code and the words of its refusal.
    pub fn answer(&mut self, id: &RequestId) -> Result<Value, (i32, String)> {
        let message = self.wait(|message| matches!(message, Message::Response(answer) if answer.id == *id));
        match message {
            Message::Response(Response { response_result, .. }) => {
                response_result.map_err(|e| (e.code, e.message))
            }
            Message::Request(_) | Message::Notification(_) => unreachable!("only an answer was waited for"),
        }
    }

    pub fn ask(&mut self, method: &str, params: Value) -> Result<Value, (i32, String)> {
        let id = self.request(method, params);
        self.answer(&id)
    }

    /// The next notification or request of the server with this method: its parameters.
    pub fn told(&mut self, method: &str) -> Value {
        let message = self.wait(|message| match message {
            Message::Notification(own) => own.method == method,
            Message::Request(own) => own.method == method,
            Message::Response(_) => false,
        });
        match message {
            Message::Notification(notification) => notification.params,
            Message::Request(request) => {
                self.send(Response { id: request.id, response_result: Ok(Value::Null) });
                request.params
            }
            Message::Response(_) => unreachable!("no answer was waited for"),
        }
    }

    pub fn open(&self, name: &str, text: &str) {
        let document = json!({ "uri": self.uri(name), "languageId": "dslc", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Changes, each a range (or none: the whole text) and a new text.
    pub fn change(&self, name: &str, version: i32, changes: &[(Option<Value>, &str)]) {
        let change = |(range, text): &(Option<Value>, &str)| match range {
            Some(range) => json!({ "range": range, "text": text }),
            None => json!({ "text": text }),
        };
        let changes: Vec<Value> = changes.iter().map(change).collect();
        let document = json!({ "uri": self.uri(name), "version": version });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
    }

    pub fn close(&self, name: &str) {
        self.tell("textDocument/didClose", self.of(name));
    }

    /// Parameters that name a text and nothing else.
    pub fn of(&self, name: &str) -> Value {
        json!({ "textDocument": { "uri": self.uri(name) } })
    }

    /// The next findings that are sent for a text.
    pub fn findings(&mut self, name: &str) -> Vec<Value> {
        let uri = self.uri(name);
        let message = self.wait(|message| match message {
            Message::Notification(own) => {
                own.method == "textDocument/publishDiagnostics" && own.params["uri"] == uri.as_str()
            }
            Message::Request(_) | Message::Response(_) => false,
        });
        match message {
            Message::Notification(own) => own.params["diagnostics"].as_array().unwrap().clone(),
            Message::Request(_) | Message::Response(_) => unreachable!("only findings were waited for"),
        }
    }

    /// The codes of the next findings of a text.
    pub fn codes(&mut self, name: &str) -> Vec<String> {
        self.findings(name).iter().map(|d| d["code"].as_str().unwrap().to_owned()).collect()
    }

    /// Ends the server in order and looks that it said nothing that was not read.
    pub fn end(mut self) {
        assert_eq!(self.ask("shutdown", Value::Null), Ok(Value::Null));
        self.tell("exit", Value::Null);
        let (ended, unread) = self.join();
        assert_eq!(ended, Ended::Asked);
        assert!(unread.is_empty(), "unread: {unread:#?}");
    }

    /// Waits for the server's end: how it came, and what was not read.
    pub fn join(self) -> (Ended, Vec<Message>) {
        let ended = self.server.join().unwrap();
        let late = self.connection.receiver.try_iter();
        (ended, self.unread.into_iter().chain(late).collect())
    }

    /// Hangs up without a word.
    pub fn hang_up(self) -> Ended {
        drop(self.connection);
        self.server.join().unwrap()
    }

    fn wait(&mut self, wanted: impl Fn(&Message) -> bool) -> Message {
        if let Some(at) = self.unread.iter().position(&wanted) {
            return self.unread.remove(at).unwrap();
        }
        loop {
            let message = self.connection.receiver.recv_timeout(Duration::from_secs(60));
            let message =
                message.unwrap_or_else(|e| panic!("nothing comes ({e}); unread: {:#?}", self.unread));
            if wanted(&message) {
                return message;
            }
            self.unread.push_back(message);
        }
    }
}

pub fn uri(path: &Path) -> String {
    gen_lsp_types::Uri::from_file_path(path).unwrap().to_string()
}

/// A range of the protocol.
pub fn range(start: (u32, u32), end: (u32, u32)) -> Value {
    let position = |(line, character): (u32, u32)| json!({ "line": line, "character": character });
    json!({ "start": position(start), "end": position(end) })
}

/// A text with edits of the protocol made, whose columns are in UTF-8; a second reading of what the server does.
pub fn edited(text: &str, edits: &[Value]) -> String {
    let offset = |position: &Value| {
        let line = position["line"].as_u64().unwrap() as usize;
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        starts.clone().nth(line).unwrap() + position["character"].as_u64().unwrap() as usize
    };
    let mut edits: Vec<_> = edits
        .iter()
        .map(|edit| {
            (
                offset(&edit["range"]["start"])..offset(&edit["range"]["end"]),
                edit["newText"].as_str().unwrap(),
            )
        })
        .collect();
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = text.to_owned();
    edits.into_iter().for_each(|(range, new)| text.replace_range(range, new));
    text
}
