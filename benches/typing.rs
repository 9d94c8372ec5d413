//! How long an editor waits from a keystroke to the findings: `cargo bench --bench typing`.
//!
//! A line is typed into the middle of a file of 2,000 lines, letter by letter, and taken back, through the binary's
//! standard input and output. The program fails if one keystroke in a hundred takes longer than the bound.
#![allow(clippy::print_stdout)]

mod support;

use std::io::{BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use lsp_server::{Message, Notification, Request, RequestId};
use serde_json::{Value, json};

use support::long_file;

/// What is typed, with mistakes on the way in all but the finished words.
const LINES: &[&str] = &[
    "    conv2d width 3x3 padding=same -> relu : 8x64x64\n",
    "    residual { conv2d width 3x3 padding=[1, 1, 1, 1] -> relu }  # as a comment\n",
    "    repeat 2 { dropout 10% }\n",
];
const ROUNDS: usize = 6;
const URI: &str = "file:///project/long.net";
/// One keystroke in a hundred may take longer.
const BOUND: Duration = Duration::from_millis(10);

struct Editor {
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Editor {
    fn start() -> std::io::Result<Editor> {
        let mut server = Command::new(env!("CARGO_BIN_EXE_dslc"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (server.stdin.take(), server.stdout.take()) else {
            return Err(std::io::Error::other("the server has no standard input and output"));
        };
        Ok(Editor { server, input, output: BufReader::new(output) })
    }

    fn send(&mut self, message: impl Into<Message>) -> std::io::Result<()> {
        message.into().write(&mut self.input)?;
        self.input.flush()
    }

    fn tell(&mut self, method: &str, params: Value) -> std::io::Result<()> {
        self.send(Notification { method: method.to_owned(), params })
    }

    fn ask(&mut self, id: i32, method: &str, params: Value) -> std::io::Result<()> {
        self.send(Request { id: RequestId::from(id), method: method.to_owned(), params })?;
        while !matches!(self.read()?, Message::Response(_)) {}
        Ok(())
    }

    fn read(&mut self) -> std::io::Result<Message> {
        Message::read(&mut self.output)?.ok_or_else(|| std::io::Error::other("the server ended"))
    }

    /// Waits for the findings of a version of the text.
    fn findings(&mut self, version: usize) -> std::io::Result<usize> {
        loop {
            if let Message::Notification(Notification { method, params }) = self.read()?
                && method == "textDocument/publishDiagnostics"
                && params["version"] == version
            {
                return Ok(params["diagnostics"].as_array().map_or(0, Vec::len));
            }
        }
    }
}

fn main() -> ExitCode {
    match measured() {
        Ok(times) => verdict(times),
        Err(e) => {
            println!("the server cannot be talked to: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The time of each keystroke.
fn measured() -> std::io::Result<Vec<Duration>> {
    let text = long_file();
    let middle = text.lines().count() / 2;
    // Behind a layer that ends its line.
    let line =
        text.lines().skip(middle).position(|line| line.ends_with("relu")).map_or(0, |at| middle + at + 1);
    let mut editor = Editor::start()?;
    editor.ask(1, "initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }))?;
    editor.tell("initialized", json!({}))?;
    let document = json!({ "uri": URI, "languageId": "dslc", "version": 0, "text": text });
    editor.tell("textDocument/didOpen", json!({ "textDocument": document }))?;
    assert_eq!(editor.findings(0)?, 0, "the file is right");
    let (mut times, mut version) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        for typed in LINES {
            // An editor gives the new line first, and the rest is typed into it.
            let letters =
                typed.trim_end().chars().enumerate().map(|(at, letter)| (at, 0, letter.to_string()));
            let keys = std::iter::once((0, 0, "\n".to_owned())).chain(letters);
            let back = (0..typed.trim_end().len()).rev().map(|at| (at, 1, String::new()));
            for (column, cut, text) in keys.chain(back) {
                let start = json!({ "line": line, "character": column });
                let end = json!({ "line": line, "character": column + cut });
                version += 1;
                times.push(keystroke(&mut editor, version, json!({ "start": start, "end": end }), &text)?);
            }
            let whole_line = json!({
                "start": { "line": line, "character": 0 },
                "end": { "line": line + 1, "character": 0 },
            });
            version += 1;
            keystroke(&mut editor, version, whole_line, "")?;
        }
    }
    editor.ask(2, "shutdown", Value::Null)?;
    editor.tell("exit", Value::Null)?;
    assert!(editor.server.wait()?.success());
    Ok(times)
}

fn keystroke(editor: &mut Editor, version: usize, range: Value, text: &str) -> std::io::Result<Duration> {
    let document = json!({ "uri": URI, "version": version });
    let change = json!({ "range": range, "text": text });
    let start = Instant::now();
    editor.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }))?;
    editor.findings(version)?;
    Ok(start.elapsed())
}

fn verdict(mut times: Vec<Duration>) -> ExitCode {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let [median, slow, slowest] = [0.5, 0.99, 1.0].map(|share| at(share).as_secs_f64() * 1e3);
    let within = at(0.99) < BOUND;
    let verdict = if within { "under" } else { "OVER" };
    println!(
        "{} keystrokes in a file of {} lines: median {median:.2} ms, 99th percentile {slow:.2} ms, slowest {slowest:.2} ms: {verdict} {} ms",
        times.len(),
        long_file().lines().count(),
        BOUND.as_millis(),
    );
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
