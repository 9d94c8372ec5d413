//! `dslc lsp`: the language server's protocol around [`crate::editor`]: documents, positions, requests, answers. The
//! only folder that knows the protocol's crates; it holds no analysis of its own.
//!
//! One thread takes messages in their order. Texts are checked when nothing waits, or when an answer needs it, so that
//! of many changes in a row the last text is checked. A request is a file here and a line in [`REQUESTS`].

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
mod workspace;

use std::io;

use lsp_server::{Connection, Message};

pub use crate::lsp::server::{Ended, serve};

use crate::lsp::request::{Request, request};

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

/// Serves the editor on the other end of standard input and output until it ends.
pub fn stdio() -> io::Result<Ended> {
    let (stdio, threads) = Connection::stdio();
    // Standard input hands over one message at a time; behind this queue it can be seen what waits.
    let (queue, filled) = Connection::memory();
    let receiver = stdio.receiver;
    std::thread::Builder::new().name("inbox".to_owned()).spawn(move || {
        receiver.into_iter().map(|message: Message| filled.sender.send(message)).all(|sent| sent.is_ok())
    })?;
    let ended = serve(Connection { sender: stdio.sender, receiver: queue.receiver });
    match ended {
        // Whoever held the other end may have left it open to nobody: nothing comes from there any more.
        Ended::Orphaned => Ok(ended),
        Ended::Asked | Ended::Unasked | Ended::Closed => threads.join().map(|()| ended),
    }
}
