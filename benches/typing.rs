//! How long an editor waits from a keystroke to the findings: `cargo bench --bench typing`.
//!
//! Somebody types at random places of a file of 2,000 lines, letter by letter (`support/typist.rs`), so that the text is
//! wrong most of the time. The editor's side is this program, the server the binary as it is shipped, and a keystroke's
//! time that from its `didChange` until the findings of that version have come. The program fails if one keystroke in
//! a hundred takes longer than the bound.
#![allow(clippy::print_stdout)]

mod support;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use lsp_server::{Message, Notification, Request, RequestId};
use serde_json::{Value, json};

use dslc::tensor::random::Random;

use support::long_file;
use support::typist::{Keystroke, VISITS, Visit, below};

/// Visits of each kind to a place of the text.
const ROUNDS: usize = 12;
const SEED: u64 = 1;
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
        Ok(times) => verdict(&times),
        Err(e) => {
            println!("the server cannot be talked to: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The time of each keystroke, by what it was for.
fn measured() -> std::io::Result<Vec<(&'static str, Duration)>> {
    let text = long_file();
    let lines: Vec<&str> = text.lines().collect();
    let layers: Vec<usize> = (4..lines.len()).filter(|&at| is_layer(lines[at])).collect();
    let mut editor = Editor::start()?;
    editor.ask(1, "initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }))?;
    editor.tell("initialized", json!({}))?;
    let document = json!({ "uri": URI, "languageId": "dslc", "version": 0, "text": text });
    editor.tell("textDocument/didOpen", json!({ "textDocument": document }))?;
    assert_eq!(editor.findings(0)?, 0, "the file is right");
    let (mut random, mut times, mut version) = (Random::new(SEED, "typing", 0), Vec::new(), 0);
    let mut visited = |what: &'static str, visit: Visit, at: usize, random: &mut Random| {
        let (mut found, mut wrong) = (0, 0);
        for key in visit(at, lines[at], random) {
            version += 1;
            let start = Instant::now();
            found = keystroke(&mut editor, version, &key)?;
            times.push((what, start.elapsed()));
            wrong += usize::from(found > 0);
        }
        assert_eq!(found, 0, "{what} at line {at} leaves the file as it was");
        Ok::<usize, std::io::Error>(wrong)
    };
    let mut wrong = 0;
    for _ in 0..ROUNDS {
        for &(what, visit) in VISITS {
            let at = layers[below(&mut random, layers.len())];
            wrong += visited(what, visit, at, &mut random)?;
        }
        // The width of every layer.
        wrong += visited("a constant", VISITS[2].1, 0, &mut random)?;
    }
    assert!(wrong * 3 > times.len(), "while one types the file is mostly wrong");
    editor.ask(2, "shutdown", Value::Null)?;
    editor.tell("exit", Value::Null)?;
    assert!(editor.server.wait()?.success());
    Ok(times)
}

fn is_layer(line: &str) -> bool {
    line.starts_with("    ") && !line.trim().starts_with('#')
}

/// Tells of a change and waits for what is found then.
fn keystroke(editor: &mut Editor, version: usize, key: &Keystroke) -> std::io::Result<usize> {
    let place = |(line, character): (usize, usize)| json!({ "line": line, "character": character });
    let change = json!({ "range": { "start": place(key.start), "end": place(key.end) }, "text": key.text });
    let document = json!({ "uri": URI, "version": version });
    editor.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }))?;
    editor.findings(version)
}

fn verdict(times: &[(&str, Duration)]) -> ExitCode {
    let kinds: BTreeSet<&str> = times.iter().map(|(what, _)| *what).collect();
    for kind in kinds {
        let own = times.iter().filter(|(what, _)| *what == kind).map(|(_, time)| *time);
        println!("{:<12} {}", kind, Spread::of(own.collect()));
    }
    let all = Spread::of(times.iter().map(|(_, time)| *time).collect());
    let within = all.slow < BOUND;
    let verdict = if within { "under" } else { "OVER" };
    println!("in a file of {} lines: {all}: {verdict} {} ms", long_file().lines().count(), BOUND.as_millis());
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long keystrokes took.
struct Spread {
    n: usize,
    median: Duration,
    /// One in a hundred took longer.
    slow: Duration,
    slowest: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Spread {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        Spread { n: times.len(), median: at(0.5), slow: at(0.99), slowest: at(1.0) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, slow, slowest] =
            [self.median, self.slow, self.slowest].map(|time| time.as_secs_f64() * 1e3);
        write!(
            f,
            "{:>5} keystrokes, median {median:.2} ms, 99th percentile {slow:.2} ms, slowest {slowest:.2} ms",
            self.n
        )
    }
}
