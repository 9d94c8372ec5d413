//! The life of a server: messages in, answers and findings out, until the editor asks for the end or is gone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use gen_lsp_types::{
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidChangeWatchedFilesRegistrationOptions,
    DidChangeWorkspaceFoldersParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    FileSystemWatcher, InitializeParams, InitializeResult, LogMessageParams, MessageType,
    PublishDiagnosticsParams, Registration, RegistrationParams, ServerCapabilities, ServerInfo,
    TextDocumentSyncKind, TextDocumentSyncOptions, Uri, WorkspaceFolders, WorkspaceFoldersServerCapabilities,
    WorkspaceOptions,
};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request as Asked, RequestId, Response};
use serde::Serialize;
use serde_json::Value;

use crate::lsp::client::Client;
use crate::lsp::inbox::{Inbox, Nothing};
use crate::lsp::request::{Refusal, Request, read, written};
use crate::lsp::workspace::Workspace;
use crate::lsp::{REQUESTS, diagnostics};

/// How often it is seen whether the editor still lives, while it is silent.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The same while data are being looked at.
const LOOK: Duration = Duration::from_millis(50);
const DID_CHANGE: &str = "textDocument/didChange";
const PUBLISH: &str = "textDocument/publishDiagnostics";

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// `shutdown` and `exit`, in order.
    Asked,
    /// `exit` alone.
    Unasked,
    /// Nothing comes any more.
    Closed,
    /// The process that started this one is gone, though its end of the line is open.
    Orphaned,
}

/// Serves one editor until the end.
pub fn serve(connection: Connection) -> Ended {
    serve_by(connection, REQUESTS)
}

fn serve_by(connection: Connection, requests: &'static [Request]) -> Ended {
    let inbox = Inbox::new(connection);
    let mut server = Server { inbox, requests, state: State::New, n_asked: 0, parent: None };
    loop {
        let Some(message) = server.inbox.next() else {
            if server.idle() {
                continue;
            }
            let time = if server.is_looking() { LOOK } else { HEARTBEAT };
            match server.inbox.wait(time) {
                Ok(()) => continue,
                Err(Nothing::Silence) if server.orphaned() => return Ended::Orphaned,
                Err(Nothing::Silence) => continue,
                Err(Nothing::Closed) => return Ended::Closed,
            }
        };
        match message {
            Message::Request(request) => server.request(request),
            Message::Notification(Notification { method, .. }) if method == "exit" => {
                return if matches!(server.state, State::Down) { Ended::Asked } else { Ended::Unasked };
            }
            Message::Notification(notification) => server.notification(notification),
            Message::Response(Response { id, response_result: Err(e) }) => {
                server.log(MessageType::Warning, format!("the editor refused request {id}: {}", e.message));
            }
            Message::Response(_) => {}
        }
    }
}

enum State {
    /// Nobody has said hello.
    New,
    Up(Box<Workspace>),
    /// Only `exit` is left.
    Down,
}

struct Server {
    inbox: Inbox,
    requests: &'static [Request],
    state: State,
    /// Requests that this server made.
    n_asked: i32,
    /// The process that started this one, where that is the editor.
    parent: Option<u32>,
}

impl Server {
    fn request(&mut self, Asked { id, method, params }: Asked) {
        let answer = match (&mut self.state, method.as_str()) {
            (State::New, "initialize") => self.initialize(params),
            (State::New, _) => Err(Refusal::new(ErrorCode::ServerNotInitialized, "`initialize` comes first")),
            (State::Up(_), "initialize") => {
                Err(Refusal::new(ErrorCode::InvalidRequest, "`initialize` was already sent"))
            }
            (State::Up(_), "shutdown") => {
                self.state = State::Down;
                Ok(Value::Null)
            }
            (State::Up(workspace), method) => match self.requests.iter().find(|own| own.method == method) {
                Some(request) => guarded(method, || (request.answer)(workspace, params)),
                None => Err(Refusal::new(ErrorCode::MethodNotFound, format!("`{method}` is not supported"))),
            },
            (State::Down, _) => {
                Err(Refusal::new(ErrorCode::InvalidRequest, "after `shutdown`, only `exit` is allowed"))
            }
        };
        self.inbox.send(match answer {
            Ok(value) => Response { id, response_result: Ok(value) },
            Err(refusal) => Response { id, response_result: Err(refusal.into()) },
        });
    }

    fn initialize(&mut self, params: Value) -> Result<Value, Refusal> {
        let params: InitializeParams = read(params)?;
        let client = Client::of(&params.capabilities);
        let parent = params.process_id.and_then(|id| u32::try_from(id).ok());
        self.parent = parent.filter(|id| parent_id() == Some(*id));
        let workspace = Workspace::new(client, &folders(&params));
        let mut capabilities = ServerCapabilities {
            position_encoding: Some(client.encoding.kind()),
            text_document_sync: Some(
                TextDocumentSyncOptions {
                    open_close: Some(true),
                    change: Some(TextDocumentSyncKind::Incremental),
                    ..TextDocumentSyncOptions::default()
                }
                .into(),
            ),
            workspace: Some(WorkspaceOptions {
                workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                    supported: Some(true),
                    change_notifications: Some(true.into()),
                }),
                ..WorkspaceOptions::default()
            }),
            ..ServerCapabilities::default()
        };
        self.requests.iter().for_each(|request| (request.offer)(&client, &mut capabilities));
        let info = ServerInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        };
        let answer = written(InitializeResult { capabilities, server_info: Some(info) })?;
        self.state = State::Up(Box::new(workspace));
        Ok(answer)
    }

    fn notification(&mut self, Notification { method, params }: Notification) {
        let State::Up(workspace) = &mut self.state else { return };
        let done = guarded(&method, || notified(workspace, &method, params));
        if method == "initialized" && workspace.client.watches {
            self.watch();
        }
        if let Err(refusal) = done {
            self.log(MessageType::Error, format!("{method}: {}", refusal.message));
        }
    }

    /// Checks one text that has changed and sends what was found; whether there was something to do.
    fn idle(&mut self) -> bool {
        let State::Up(workspace) = &mut self.state else { return false };
        workspace.gather_looks();
        if workspace.client.pulls {
            // The editor asks for the text that it changed; it cannot know that others are touched.
            let refresh = std::mem::take(&mut workspace.touched_others) && workspace.client.refreshes;
            if refresh {
                self.ask("workspace/diagnostic/refresh", Value::Null);
            }
            return refresh;
        }
        if let Some(uri) = workspace.closed.pop() {
            self.notify(PUBLISH, PublishDiagnosticsParams { uri, version: None, diagnostics: Vec::new() });
            return true;
        }
        let Some(uri) = workspace.take_due() else {
            workspace.tidy();
            return false;
        };
        let found = guarded("check", || diagnostics::push(workspace, &uri));
        let newer =
            |params: &DidChangeTextDocumentParams| params.text_document.text_document_identifier.uri == uri;
        match found {
            // Its text is of the past already; the newer one will be due.
            Ok(_) if self.inbox.waits(DID_CHANGE, newer) => {}
            Ok(found) => self.notify(PUBLISH, found),
            Err(refusal) => self.log(MessageType::Error, format!("{uri}: {}", refusal.message)),
        }
        true
    }

    /// Asks the editor to tell of network files that change on the disk.
    fn watch(&mut self) {
        let watchers =
            vec![FileSystemWatcher { glob_pattern: "**/*.{model,net}".to_owned().into(), kind: None }];
        let options = DidChangeWatchedFilesRegistrationOptions { watchers };
        let registration = Registration {
            id: "network files".to_owned(),
            method: "workspace/didChangeWatchedFiles".to_owned(),
            register_options: serde_json::to_value(options).ok(),
        };
        self.ask("client/registerCapability", RegistrationParams { registrations: vec![registration] });
    }

    fn ask(&mut self, method: &str, params: impl Serialize) {
        self.n_asked += 1;
        match written(params) {
            Ok(params) => {
                let id = RequestId::from(self.n_asked);
                self.inbox.send(Asked { id, method: method.to_owned(), params });
            }
            Err(refusal) => self.log(MessageType::Error, format!("{method}: {}", refusal.message)),
        }
    }

    fn notify(&self, method: &str, params: impl Serialize) {
        match written(params) {
            Ok(params) => self.inbox.send(Notification { method: method.to_owned(), params }),
            Err(refusal) => self.log(MessageType::Error, format!("{method}: {}", refusal.message)),
        }
    }

    fn log(&self, kind: MessageType, message: String) {
        if let Ok(params) = written(LogMessageParams { kind, message }) {
            self.inbox.send(Notification { method: "window/logMessage".to_owned(), params });
        }
    }

    fn is_looking(&self) -> bool {
        match &self.state {
            State::Up(workspace) => workspace.is_looking(),
            State::New | State::Down => false,
        }
    }

    fn orphaned(&self) -> bool {
        self.parent.is_some() && parent_id() != self.parent
    }
}

fn notified(workspace: &mut Workspace, method: &str, params: Value) -> Result<(), Refusal> {
    match method {
        "textDocument/didOpen" => {
            let DidOpenTextDocumentParams { text_document } = read(params)?;
            workspace.open(text_document.uri, text_document.version, text_document.text);
        }
        DID_CHANGE => {
            let DidChangeTextDocumentParams { text_document, content_changes } = read(params)?;
            let uri = text_document.text_document_identifier.uri;
            workspace.change(&uri, text_document.version, content_changes)?;
        }
        "textDocument/didClose" => {
            let DidCloseTextDocumentParams { text_document } = read(params)?;
            workspace.close(&text_document.uri)?;
        }
        "workspace/didChangeWatchedFiles" => {
            let DidChangeWatchedFilesParams { changes } = read(params)?;
            changes.iter().for_each(|change| workspace.changed_on_disk(&change.uri));
        }
        "workspace/didChangeWorkspaceFolders" => {
            let DidChangeWorkspaceFoldersParams { event } = read(params)?;
            let uris = |folders: Vec<gen_lsp_types::WorkspaceFolder>| -> Vec<Uri> {
                folders.into_iter().map(|folder| folder.uri).collect()
            };
            workspace.change_folders(&uris(event.removed), &uris(event.added));
        }
        // Saving changes no text, a request that was taken back too late is answered, and the rest is not for us.
        _ => {}
    }
    Ok(())
}

/// The folders that are open in the editor.
fn folders(params: &InitializeParams) -> Vec<Uri> {
    match &params.workspace_folders_initialize_params.workspace_folders {
        Some(WorkspaceFolders::WorkspaceFolderList(folders)) => {
            folders.iter().map(|folder| folder.uri.clone()).collect()
        }
        // Editors from before there could be several.
        #[expect(deprecated, reason = "older editors say it so")]
        Some(WorkspaceFolders::Null) | None => params.root_uri.iter().cloned().collect(),
    }
}

/// A defect of dslc costs one answer, not the server.
fn guarded<T>(what: &str, run: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let message = format!("`{what}` failed because of a bug in dslc: please report it with the file");
        Err(Refusal::new(ErrorCode::InternalError, message))
    })
}

#[cfg(unix)]
fn parent_id() -> Option<u32> {
    Some(std::os::unix::process::parent_id())
}

#[cfg(not(unix))]
fn parent_id() -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    static BROKEN: &[Request] =
        &[Request { method: "test/break", offer: |_, _| {}, answer: |_, _| panic!("on purpose") }];

    #[test]
    fn a_defect_costs_one_answer() {
        let (editor, connection) = Connection::memory();
        let ask = |id: i32, method: &str| {
            let params = serde_json::json!({ "processId": null, "rootUri": null, "capabilities": {} });
            let request = Asked { id: RequestId::from(id), method: method.to_owned(), params };
            editor.sender.send(request.into()).unwrap();
        };
        ask(1, "initialize");
        ask(2, "test/break");
        ask(3, "shutdown");
        let exit = Notification { method: "exit".to_owned(), params: Value::Null };
        editor.sender.send(exit.into()).unwrap();
        assert_eq!(serve_by(connection, BROKEN), Ended::Asked);
        let refused = editor.receiver.try_iter().map(|message| match message {
            Message::Response(answer) => answer.response_result.err().map(|e| e.code),
            Message::Request(_) | Message::Notification(_) => panic!("unasked: {message:?}"),
        });
        assert_eq!(refused.collect::<Vec<_>>(), [None, Some(ErrorCode::InternalError as i32), None]);
    }
}
