//! Standard output and standard error. A reader that goes away (`| head`) ends a command quietly and a full disk is
//! an error; neither is a panic.

use std::io::{ErrorKind, IsTerminal, Write};

use crate::cli::Stop;

/// Writes lines to standard output; a line's end is added if there is none.
pub fn out(text: &str) -> Result<(), Stop> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let mut stream = std::io::stdout().lock();
    write!(stream, "{text}{end}").and_then(|()| stream.flush()).map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => Stop::Closed,
        _ => Stop::Environment(format!("error: standard output cannot be written: {e}")),
    })
}

/// Writes lines to standard error. Nobody may be listening: a run goes on all the same.
pub fn err(text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(std::io::stderr().lock(), "{text}{end}");
}

/// How text for a stream is laid out.
#[derive(Clone, Copy)]
pub struct Look {
    pub color: bool,
    pub width: usize,
}

impl Look {
    pub fn stdout() -> Look {
        Look::of(std::io::stdout().is_terminal(), console::colors_enabled(), &console::Term::stdout())
    }

    pub fn stderr() -> Look {
        Look::of(std::io::stderr().is_terminal(), console::colors_enabled_stderr(), &console::Term::stderr())
    }

    /// `NO_COLOR` and `TERM` are heard by `console`.
    fn of(terminal: bool, color: bool, term: &console::Term) -> Look {
        let width = if terminal { usize::from(term.size().1) } else { 120 };
        Look { color: terminal && color, width: width.clamp(60, 140) }
    }
}
