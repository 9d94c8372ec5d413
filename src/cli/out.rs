//! Standard output and standard error. A reader that goes away (`| head`) ends a command quietly, with the exit code of
//! a program that SIGPIPE ended; a full disk is an error; neither is a panic. On a terminal a control character in a
//! name or a text is shown and does nothing.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::cli::Stop;

/// What a process has to say that does not speak for itself; `None` in one that does.
static HELD: Mutex<Option<String>> = Mutex::new(None);
/// More of it is not held.
const MOST_HELD: usize = 1 << 16;

/// From now on everything is held back instead of written.
pub fn hold() {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(String::new());
}

/// From now on everything is written again.
pub fn release() {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// What has been held back so far.
pub fn held() -> String {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
}

/// Whether a text is held back, and does not go to a stream.
fn is_held(text: &str) -> bool {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(held) = held.as_mut() else { return false };
    if held.len() + text.len() < MOST_HELD {
        held.push_str(text);
        held.push_str(if text.ends_with('\n') { "" } else { "\n" });
    }
    true
}

/// Writes lines to standard output; a line's end is added if there is none.
pub fn out(text: &str) -> Result<(), Stop> {
    print(text, Styles::None)
}

/// The same of a text with styles, in which names and texts of the user have been escaped.
pub fn styled(text: &str) -> Result<(), Stop> {
    print(text, Styles::Own)
}

/// Writes lines to standard error. Nobody may be listening: a run goes on all the same.
pub fn err(text: &str) {
    complain(text, Styles::None);
}

/// The same of a text with styles, in which names and texts of the user have been escaped.
pub fn err_styled(text: &str) {
    complain(text, Styles::Own);
}

/// Why something could not be written to standard output.
pub fn unwritten(error: &io::Error) -> Stop {
    match error.kind() {
        ErrorKind::BrokenPipe => Stop::Closed,
        _ => Stop::Environment(format!("error: standard output cannot be written: {error}")),
    }
}

fn print(text: &str, styles: Styles) -> Result<(), Stop> {
    if is_held(text) {
        return Ok(());
    }
    let mut stream = io::stdout().lock();
    let text = if stream.is_terminal() { escaped(text, styles) } else { Cow::Borrowed(text) };
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write!(stream, "{text}{end}").and_then(|()| stream.flush()).map_err(|e| unwritten(&e))
}

fn complain(text: &str, styles: Styles) {
    if is_held(text) {
        return;
    }
    let mut stream = io::stderr().lock();
    let text = if stream.is_terminal() { escaped(text, styles) } else { Cow::Borrowed(text) };
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(stream, "{text}{end}");
}

/// Which escape sequences of a text are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Styles {
    None,
    /// Colours, bold and the like: `ESC [ … m`.
    Own,
}

/// The text with every character written out (`\u{1b}`) that would steer the terminal instead of standing on it, but for
/// the ends of lines, tabs and styles that are meant.
fn escaped(text: &str, styles: Styles) -> Cow<'_, str> {
    if !text.chars().any(|c| steers(c) && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let whole = match c {
            '\n' | '\t' => Some(1),
            '\r' if rest.starts_with("\r\n") => Some(2),
            '\u{1b}' if styles == Styles::Own => style(rest),
            c if steers(c) => None,
            c => Some(c.len_utf8()),
        };
        let taken = whole.unwrap_or(c.len_utf8());
        match whole {
            Some(n) => out.push_str(&rest[..n]),
            None => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
        }
        rest = &rest[taken..];
    }
    Cow::Owned(out)
}

/// Whether a terminal does something else with a character than to show it: control characters, and those that turn the
/// direction of the text behind them.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The length of the style that a text begins with.
fn style(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("\u{1b}[")?;
    let n = inside.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    inside[n..].starts_with('m').then_some("\u{1b}[".len() + n + 1)
}

/// A name that stands in a styled text on standard output, so that no style in it is taken for one that is meant.
pub fn name(path: &std::path::Path) -> String {
    let shown = path.display().to_string();
    match io::stdout().is_terminal() {
        true => escaped(&shown, Styles::None).into_owned(),
        false => shown,
    }
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

#[cfg(test)]
mod tests {
    use super::{Styles, escaped};

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        for (text, shown) in [
            ("plain: é, 中, →\n\tx\r\ny", "plain: é, 中, →\n\tx\r\ny"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("a\rb\u{7}\u{0}\u{9b}1m\u{7f}", "a\\u{d}b\\u{7}\\u{0}\\u{9b}1m\\u{7f}"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ] {
            assert_eq!(escaped(text, Styles::None), shown);
        }
    }

    #[test]
    fn styles_that_are_meant_stay() {
        for (text, shown) in [
            ("\u{1b}[1;31mred\u{1b}[0m é", "\u{1b}[1;31mred\u{1b}[0m é"),
            ("\u{1b}[1;31", "\\u{1b}[1;31"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
        ] {
            assert_eq!(escaped(text, Styles::Own), shown);
        }
    }
}
