//! `dslc lsp`: the language server's protocol around [`crate::editor`]: documents, positions, requests, answers. The
//! only folder that knows the protocol's crates; it holds no analysis of its own.
//!
//! One thread takes messages in their order. Texts are checked when nothing waits, or when an answer needs it, so that
//! of many changes in a row the last text is checked. A request is a file here and a line in `REQUESTS`.

mod actions;
mod client;
mod completion;
mod diagnostics;
mod folding;
mod formatting;
mod hints;
mod hover;
mod inbox;
mod links;
mod looks;
mod names;
mod place;
mod position;
mod project_symbols;
mod request;
mod selection;
mod server;
mod signature;
mod symbols;
mod tokens;
mod wire;
mod workspace;

use std::fmt;
use std::io::{self, Write};
use std::thread;

use gen_lsp_types::{LogMessageParams, MessageType};
use lsp_server::{Connection, Message, Notification};

pub use crate::lsp::server::{Ended, serve};

use crate::lsp::request::{Request, request, written};
use crate::lsp::wire::{Incoming, Wire};

/// What an editor can ask for.
static REQUESTS: &[Request] = &[
    request::<diagnostics::Pull>(),
    request::<actions::Actions>(),
    request::<formatting::Whole>(),
    request::<formatting::Selection>(),
    request::<hints::Hints>(),
    request::<hover::Hover>(),
    request::<completion::Completions>(),
    request::<signature::Signatures>(),
    request::<names::Definition>(),
    request::<names::References>(),
    request::<names::Highlights>(),
    request::<names::PrepareRename>(),
    request::<names::Rename>(),
    request::<symbols::Symbols>(),
    request::<project_symbols::ProjectSymbols>(),
    request::<folding::Folding>(),
    request::<selection::Selections>(),
    request::<tokens::Whole>(),
    request::<tokens::Part>(),
    request::<links::Links>(),
];

/// Why a server could not go on.
#[derive(Debug)]
pub enum Broken {
    /// What the editor said is no message.
    Input(io::Error),
    /// Nobody takes the answers.
    Output(io::Error),
    /// A thread could not be started.
    Threads(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Input(e) => write!(f, "a message from the editor cannot be read: {e}"),
            Broken::Output(e) => write!(f, "the editor cannot be answered: {e}"),
            Broken::Threads(e) => write!(f, "the system cannot start the server's threads: {e}"),
        }
    }
}

/// Serves the editor on the other end of standard input and output until it ends.
pub fn stdio() -> Result<Ended, Broken> {
    // Standard input hands over one message at a time; behind this queue it can be seen what waits.
    let (queue, ends) = Connection::memory();
    let (messages, answers) = (ends.sender, ends.receiver);
    let refusals = queue.sender.clone();
    let start = |name: &str| thread::Builder::new().name(name.to_owned());
    let reader = start("reader").spawn(move || {
        let mut wire = Wire::new(io::stdin().lock());
        while let Some(incoming) = wire.read()? {
            let sent = match incoming {
                Incoming::Message(message) => {
                    let last = matches!(&message, Message::Notification(told) if told.method == "exit");
                    messages.send(message).is_ok() && !last
                }
                Incoming::Refused(reason) => refused(reason).is_none_or(|told| refusals.send(told).is_ok()),
            };
            if !sent {
                break;
            }
        }
        Ok(())
    });
    let reader = reader.map_err(Broken::Threads)?;
    let writer = start("writer").spawn(move || {
        let mut to = io::stdout().lock();
        answers.into_iter().try_for_each(|answer| answer.write(&mut to)).and_then(|()| to.flush())
    });
    let writer = writer.map_err(Broken::Threads)?;
    let ended = serve(queue);
    match ended {
        // Whoever held the other end may have left it open to nobody: nothing comes from there any more.
        Ended::Orphaned => Ok(ended),
        Ended::Asked | Ended::Unasked | Ended::Closed => {
            joined(reader).map_err(Broken::Input)?;
            joined(writer).map_err(Broken::Output)?;
            Ok(ended)
        }
    }
}

fn joined(thread: thread::JoinHandle<io::Result<()>>) -> io::Result<()> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What the editor is told of a message that was not taken.
fn refused(message: String) -> Option<Message> {
    let params = written(LogMessageParams { kind: MessageType::Error, message }).ok()?;
    Some(Message::from(Notification { method: "window/logMessage".to_owned(), params }))
}
