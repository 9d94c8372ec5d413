//! `--devices`: processes that one of them starts, which share every batch.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::cli::{Desk, NET, done};

fn weights(desk: &Desk, run: &str) -> Vec<u8> {
    std::fs::read(desk.path(&format!("{run}/last.safetensors"))).unwrap()
}

#[test]
fn processes_on_several_devices_train_to_the_bits_of_one() {
    let desk = Desk::new();
    desk.write("small.net", NET.replace("max_pool2d 2", "batch_norm -> dropout 20% -> max_pool2d 2"));
    for (run, devices) in
        [("one", "--device cpu"), ("two", "--devices cpu,cpu"), ("three", "--devices cpu,cpu,cpu")]
    {
        let done = desk.run(&format!("run small.net --out {run} {devices}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        let n = devices.matches("cpu").count();
        assert_eq!(done.out.matches("test accuracy").count(), 1, "{}", done.out);
        assert!(n == 1 || format!("{}{}", done.out, done.err).contains(&format!("processes {n} on 1 host")));
        assert!(weights(&desk, run) == weights(&desk, "one"), "{devices}");
    }
}

/// A training that takes minutes, in two processes, after its first steps; with the numbers of the processes.
#[cfg(target_os = "linux")]
fn begun(desk: &Desk, run: &str) -> (std::process::Child, Vec<u32>) {
    desk.write("long.net", NET.replace("epochs 2", "epochs 5000"));
    let mut command = desk.command(&format!("run long.net --out {run} --devices cpu,cpu"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    let others = loop {
        let others = started_by(child.id());
        let events = std::fs::read_to_string(desk.path(&format!("{run}/metrics.jsonl"))).unwrap_or_default();
        if !others.is_empty() && events.lines().count() > 1 {
            break others;
        }
        assert!(begin.elapsed() < Duration::from_secs(300), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    };
    (child, others)
}

/// The processes that another one has started.
#[cfg(target_os = "linux")]
fn started_by(parent: u32) -> Vec<u32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_own = |number: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let behind_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        behind_name.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    numbers.filter(is_own).collect()
}

#[cfg(target_os = "linux")]
fn signal(signal: &str, process: u32) {
    let status = std::process::Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
    assert!(status.success());
}

#[cfg(target_os = "linux")]
fn is_gone(process: u32) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        if !std::path::Path::new(&format!("/proc/{process}/exe")).exists() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_dies_ends_the_others_and_a_signal_to_one_stops_all() {
    let desk = Desk::new();
    let (child, others) = begun(&desk, "killed");
    signal("-KILL", others[0]);
    let killed = done(child.wait_with_output().unwrap());
    assert_eq!(killed.code, Some(2), "{}", killed.err);
    for said in ["process 1 has ended", "SIGKILL", "dslc resume"] {
        assert!(killed.err.contains(said), "{}", killed.err);
    }

    let (mut child, others) = begun(&desk, "orphaned");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_gone(others[0]), "a process that was left goes on");

    let (child, others) = begun(&desk, "stopped");
    signal("-TERM", others[0]);
    let stopped = done(child.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(130), "{}", stopped.err);
    assert!(stopped.err.contains("dslc resume stopped"), "{}", stopped.err);
}

#[test]
fn devices_that_are_not_one_for_each_process_are_refused() {
    let desk = Desk::new();
    for (devices, said) in [
        ("cuda:0,cuda:0", "names `cuda:0` twice"),
        ("cuda,cuda:1", "`--devices` takes `cpu` and `cuda:N`, not `cuda`"),
        ("cpu,cuda:0", "`--devices` mixes CPUs and GPUs"),
        ("cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu", "at most 8 devices"),
        ("cpu,gpu", "a device is `cpu`"),
        ("cpu,cpu --device cpu", "cannot be used with"),
    ] {
        let done = desk.run(&format!("run small.net --devices {devices}"));
        assert_eq!(done.code, Some(2), "{devices}: {}", done.err);
        assert!(done.err.contains(said), "{devices}: {}", done.err);
    }
    let launched = desk.command("run small.net --devices cpu,cpu").env("PMI_SIZE", "2").output().unwrap();
    assert!(done(launched).err.contains("`--devices` starts processes of its own, but `PMI_SIZE` says 2"));
    let told =
        desk.command("run small.net --devices cpu,cpu").env("DSLC_LOCAL", "5 of 2 at x").output().unwrap();
    assert!(done(told).err.contains("`DSLC_LOCAL=5 of 2 at x` was not set by dslc"));
}
