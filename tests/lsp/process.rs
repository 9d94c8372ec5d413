//! The server as editors start it: a process with pipes.

use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use lsp_server::{Message, Notification, Request, RequestId};
use serde_json::{Value, json};

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(command: &mut Command) -> Process {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Process { child, input, output }
    }

    fn server() -> Process {
        Process::start(Command::new(env!("CARGO_BIN_EXE_dslc")).arg("lsp"))
    }

    fn ask(&mut self, method: &str, params: Value) -> Message {
        let id = RequestId::from(1);
        Message::from(Request { id, method: method.to_owned(), params }).write(&mut self.input).unwrap();
        Message::read(&mut self.output).unwrap().unwrap()
    }

    fn tell(&mut self, method: &str) {
        let message = Notification { method: method.to_owned(), params: Value::Null };
        Message::from(message).write(&mut self.input).unwrap();
    }

    fn initialize(&mut self, parent: u32) {
        let hello = json!({ "processId": parent, "rootUri": null, "capabilities": {} });
        let answer = self.ask("initialize", hello);
        assert!(matches!(answer, Message::Response(answer) if answer.response_result.is_ok()));
    }

    /// Closes standard input and waits: exit code and standard error.
    fn end(self) -> (Option<i32>, String) {
        let Process { mut child, input, output: _ } = self;
        drop(input);
        let mut words = String::new();
        child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        (child.wait().unwrap().code(), words)
    }
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let mut process = Process::server();
    process.initialize(std::process::id());
    process.ask("shutdown", Value::Null);
    process.tell("exit");
    assert_eq!(process.end(), (Some(0), String::new()));
    let mut process = Process::server();
    process.initialize(std::process::id());
    process.tell("exit");
    assert_eq!(process.end(), (Some(1), String::new()));
    // The editor is gone without a word.
    let mut process = Process::server();
    process.initialize(std::process::id());
    assert_eq!(process.end(), (Some(1), String::new()));
    assert_eq!(Process::server().end(), (Some(1), String::new()));
}

#[test]
fn what_is_no_message_ends_it_with_words() {
    let mut process = Process::server();
    process.input.write_all(b"hello\n").unwrap();
    let (code, words) = process.end();
    assert_eq!(code, Some(2));
    assert!(words.starts_with("error: a message from the editor cannot be read"), "{words}");
}

/// No length makes the server set memory aside, and a message that is refused is not its end.
#[test]
fn messages_that_are_too_long_or_none_are_refused_and_the_server_lives() {
    let mut process = Process::server();
    process.initialize(std::process::id());
    let lengths =
        ["100000000000", "18446744073709551615", "4294967296", "99999999999999999999999", "17000000"];
    let long = lengths.map(|length| (format!("Content-Length: {length}\r\n\r\n"), "the limit is 16 MiB"));
    // One whose bytes do come.
    let body = format!("\"{}\"", "x".repeat(20_000_000));
    let whole = (format!("Content-Length: {}\r\n\r\n{body}", body.len()), "the limit is 16 MiB");
    let none = ("Content-Length: 5\r\n\r\nhello".to_owned(), "cannot be read");
    for (bytes, reason) in long.into_iter().chain([whole, none]) {
        process.input.write_all(bytes.as_bytes()).unwrap();
        let Message::Notification(told) = Message::read(&mut process.output).unwrap().unwrap() else {
            panic!("{reason}: not told")
        };
        assert_eq!((told.method.as_str(), told.params["type"].as_u64()), ("window/logMessage", Some(1)));
        assert!(told.params["message"].as_str().unwrap().contains(reason), "{}", told.params);
        let Message::Response(answer) = process.ask("textDocument/nonsense", Value::Null) else {
            panic!("{reason}: no answer behind it")
        };
        assert!(answer.response_result.is_err());
    }
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes < 100_000, "{kilobytes} kB at the peak");
    }
    process.ask("shutdown", Value::Null);
    process.tell("exit");
    assert_eq!(process.end(), (Some(0), String::new()));
}

/// The pipe stays open, as it does where others have inherited it.
#[cfg(unix)]
#[test]
fn it_does_not_outlive_the_editor() {
    let script = format!("exec 3<&0; '{}' lsp <&3 & wait", env!("CARGO_BIN_EXE_dslc"));
    let mut shell = Process::start(Command::new("sh").args(["-c", &script]));
    shell.initialize(shell.child.id());
    shell.child.kill().unwrap();
    shell.child.wait().unwrap();
    let mut rest = Vec::new();
    shell.output.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"", "its standard output is closed, which is its end");
}
