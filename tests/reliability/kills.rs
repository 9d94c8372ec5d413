//! A run that is killed at random moments and resumed ends with the bits of a run that nobody disturbed.
//!
//! `DSLC_KILLS=200 cargo test --release reliability::kills` kills more often than the tests do by themselves.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dslc::tensor::random::Random;
use serde_json::Value;

use crate::cli::Desk;

/// Everything that a resume must restore: statistics, dropout, augmentation, validation, early stop, Adam's moments, and a
/// schedule.
pub const NET: &str = "model N {
    input 1x28x28
    conv2d 6 5x5 stride=2 -> batch_norm -> relu
    max_pool2d 2
    flatten -> dropout 0.3 -> linear 10
}
data {
    source mnist \"data\"
    validation 61
    normalize mean=0.13 std=0.3
    augment { random_crop 28x28 padding=2 -> random_flip }
}
train {
    loss cross_entropy
    optimizer adam lr=0.003
    schedule cosine warmup=5%
    epochs 40
    batch 4
    seed 3
    early_stop patience=15
    checkpoint every=1s keep=3
}
";

/// What must not depend on what happened to a run.
#[derive(PartialEq)]
pub struct Result {
    weights: [Vec<u8>; 2],
    pub metrics: Vec<Value>,
}

pub fn result(desk: &Desk, run: &str) -> Result {
    let read = |file: &str| std::fs::read(desk.path(run).join(file)).unwrap();
    let text = String::from_utf8(read("metrics.jsonl")).unwrap();
    let metrics = text.lines().map(|line| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        // Times, and the folder's name.
        for key in ["seconds", "images_per_second", "train.seconds", "train.images_per_second", "run"] {
            event.as_object_mut().unwrap().remove(key);
        }
        event
    });
    Result { weights: ["last.safetensors", "best.safetensors"].map(read), metrics: metrics.collect() }
}

/// The numbers of both weights files, without what the files say of themselves.
pub fn numbers(result: &Result) -> [&[u8]; 2] {
    result.weights.each_ref().map(|bytes| {
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        &bytes[8 + header..]
    })
}

pub fn same(expected: &Result, actual: &Result, what: &str) {
    assert_eq!(expected.metrics, actual.metrics, "{what}");
    for (name, (a, b)) in ["last", "best"].iter().zip(expected.weights.iter().zip(&actual.weights)) {
        assert!(a == b, "{what}: other {name} weights");
    }
}

/// A command that hears signals, whatever the tests' own process ignores.
pub fn listening(desk: &Desk, line: &str) -> Command {
    if !cfg!(target_os = "linux") {
        return desk.command(line);
    }
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,HUP", env!("CARGO_BIN_EXE_dslc")]);
    command.args(line.split_whitespace()).current_dir(desk.path(""));
    command
}

pub fn start(desk: &Desk, line: &str, threads: u32) -> std::process::Child {
    let mut command = listening(desk, line);
    command.env("RAYON_NUM_THREADS", threads.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

pub fn signal(name: &str, process: u32) {
    // It may have ended by itself.
    let _ =
        Command::new("kill").args([format!("-{name}"), process.to_string()]).stderr(Stdio::null()).status();
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_with_the_same_bits() {
    let n_kills: u32 = std::env::var("DSLC_KILLS").map_or(12, |n| n.parse().unwrap());
    let desk = Desk::new();
    desk.write("n.net", NET);
    let begin = Instant::now();
    assert_eq!(desk.run("run n.net --out whole").code, Some(0));
    let length = begin.elapsed();
    let whole = result(&desk, "whole");
    let mut random = Random::new(std::process::id().into(), "kills", 0);
    let (mut kills, mut runs, mut inside) = (0, 0, 0);
    while kills < n_kills {
        let run = format!("cut-{runs}");
        runs += 1;
        let mut line = format!("run n.net --out {run}");
        let mut pieces = Vec::new();
        loop {
            let threads = 1 + random.below(3);
            let mut command = listening(&desk, &line);
            let said = std::fs::File::create(desk.path("said")).unwrap();
            command.env("RAYON_NUM_THREADS", threads.to_string()).stdout(Stdio::null()).stderr(said);
            let mut process = command.spawn().unwrap();
            let after = Duration::from_secs_f64(1.1 * length.as_secs_f64() * f64::from(random.uniform()));
            pieces.push(format!("{line}, {threads} threads, {after:?}"));
            std::thread::sleep(after);
            // Half of them have a state kept inside an epoch, or are still writing it.
            if random.below(2) == 0 {
                signal("USR1", process.id());
                std::thread::sleep(Duration::from_micros(random.below(4000).into()));
            }
            process.kill().unwrap();
            // SIGUSR1 ends a process that does not listen yet, too.
            if let Some(code) = process.wait().unwrap().code() {
                // The process before may have been killed after it had ended the run.
                let said = std::fs::read_to_string(desk.path("said")).unwrap();
                assert!(code == 0 || (code == 2 && is_over(&said)), "{pieces:#?}: {code}, {said}");
                break;
            }
            kills += 1;
            if kills >= n_kills {
                break;
            }
            // Killed before it had a folder to be resumed in.
            if !desk.path(&run).join("run.json").exists() {
                break;
            }
            inside += u32::from(is_inside(&desk, &run));
            line = format!("resume {run}");
        }
        if !desk.path(&run).join("run.json").exists() {
            continue;
        }
        let last = desk.run(&format!("resume {run}"));
        let is_right = last.code == Some(0) || (last.code == Some(2) && is_over(&last.err));
        assert!(is_right, "{pieces:#?}: {}", last.err);
        same(&whole, &result(&desk, &run), &format!("{pieces:#?}"));
        let left: Vec<_> =
            std::fs::read_dir(desk.path(&run)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("part")), "{left:?}");
    }
    let told = format!("{kills} kills of {runs} runs, {inside} of them with a state inside an epoch\n");
    std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
}

/// Whether a resume was refused because the run has nothing left to do.
fn is_over(said: &str) -> bool {
    said.contains("is complete") || said.contains("stopped early")
}

/// Whether the newest state was kept inside an epoch.
fn is_inside(desk: &Desk, run: &str) -> bool {
    let bytes = std::fs::read(desk.path(run).join("last.safetensors")).unwrap_or_default();
    let header = String::from_utf8_lossy(&bytes[..bytes.len().min(20_000)]).into_owned();
    header.contains("begun")
}
