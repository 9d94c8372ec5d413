//! A run's folder and what can happen to it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::cli::Desk;
use crate::reliability::kills::{NET, listening, numbers, result, same, signal, start};

/// Starts a run that would take for ever, and waits for its first epoch.
fn endless(desk: &Desk, out: &str) -> std::process::Child {
    let line =
        format!("run n.net --set train.epochs=100000 --set train.early_stop.patience=100000 --out {out}");
    let mut process = desk.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.as_mut().unwrap()).lines().map(std::result::Result::unwrap);
    assert!(lines.any(|line| line.starts_with("epoch 1/")));
    process
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("n.net", NET);
    desk
}

#[test]
fn a_folder_is_one_process_s() {
    let desk = desk();
    let mut first = endless(&desk, "out");
    desk.refused("run n.net --out out", 2, &["another process is using out", "--out DIR"]);
    desk.refused("resume out", 2, &["another process is using out"]);
    first.kill().unwrap();
    first.wait().unwrap();
    desk.refused("run n.net --out out", 2, &["it already contains a run", "`dslc resume out`"]);
}

#[test]
fn nothing_that_was_there_is_written_over() {
    let desk = desk();
    desk.refused("run n.net --out .", 2, &["it contains n.net, which the run would overwrite"]);
    assert_eq!(std::fs::read_to_string(desk.path("n.net")).unwrap(), NET);
    let long = format!("{}.net", "n".repeat(240));
    desk.write(&long, NET);
    let done = desk.run(&format!("run {long} --set train.epochs=1 --json"));
    assert_eq!(done.code, Some(0), "{}", done.err);
}

#[test]
fn two_runs_that_begin_at_once_do_not_mix() {
    let desk = desk();
    for i in 0..4 {
        let line = format!("run n.net --set train.epochs=2 --out at-once-{i}");
        let both = [start(&desk, &line, 1), start(&desk, &line, 1)];
        let mut codes = both.map(|mut process| process.wait().unwrap().code());
        codes.sort();
        assert_eq!(codes, [Some(0), Some(2)]);
    }
}

#[test]
fn a_stopped_run_goes_on_to_the_same_end() {
    let desk = desk();
    let settings = "--set train.epochs=200 --set train.early_stop.patience=200";
    assert_eq!(desk.run(&format!("run n.net --out whole {settings}")).code, Some(0));
    for name in ["INT", "TERM", "HUP"] {
        let mut process = start(&desk, &format!("run n.net --out {name} {settings}"), 2);
        while !desk.path(name).join("metrics.jsonl").exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        signal("USR1", process.id());
        std::thread::sleep(std::time::Duration::from_millis(15));
        signal(name, process.id());
        assert_eq!(process.wait().unwrap().code(), Some(130));
        let done = desk.run(&format!("resume {name}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(done.err.contains(&format!("resuming {name} ")), "{}", done.err);
        same(&result(&desk, "whole"), &result(&desk, name), name);
    }
    desk.refused("resume whole", 2, &["whole is complete: 200 of 200 epochs", "--set train.epochs=400"]);
    desk.refused("resume nowhere", 2, &["nowhere does not exist", "runs/mnist-1"]);
    desk.refused("resume data", 2, &["data contains no run"]);
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let desk = desk();
    let binary = env!("CARGO_BIN_EXE_dslc");
    let script = format!(
        "trap '' HUP; exec {binary} run n.net --set train.epochs=200 --set train.early_stop.patience=200 --json --out out"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(desk.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    while !desk.path("out/metrics.jsonl").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(process.try_wait().unwrap(), None);
    signal("HUP", process.id());
    assert_eq!(process.wait().unwrap().code(), Some(0));
    let text = std::fs::read_to_string(desk.path("out/metrics.jsonl")).unwrap();
    assert!(text.contains("\"ended\":\"complete\""), "{text}");
}

#[test]
fn a_damaged_state_gives_way_to_the_one_before() {
    let desk = desk();
    assert_eq!(desk.run("run n.net --out whole --set train.epochs=5").code, Some(0));
    let whole = result(&desk, "whole");
    let last = desk.path("whole/last.safetensors");
    let good = std::fs::read(&last).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    for damaged in [bad, good[..good.len() - 7].to_vec(), good[..100].to_vec(), Vec::new()] {
        std::fs::write(&last, damaged).unwrap();
        let done = desk.run("resume whole");
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(
            done.err.contains("is not a complete weights file") && done.err.contains("checkpoints/step-"),
            "{}",
            done.err
        );
        same(&whole, &result(&desk, "whole"), "behind damage");
    }
    // Also where the last state has new best weights, and the one before knows of other ones.
    for epochs in 2..8 {
        let run = format!("run-{epochs}");
        let line = format!("run n.net --out {run} --set train.epochs={epochs} --set train.checkpoint.keep=2");
        assert_eq!(desk.run(&line).code, Some(0));
        let expected = result(&desk, &run);
        std::fs::write(desk.path(&run).join("last.safetensors"), &good[..100]).unwrap();
        let done = desk.run(&format!("resume {run}"));
        assert_eq!(done.code, Some(0), "{epochs} epochs: {}", done.err);
        same(&expected, &result(&desk, &run), &run);
    }
    std::fs::remove_dir_all(desk.path("whole/checkpoints")).unwrap();
    std::fs::write(&last, "").unwrap();
    desk.refused("resume whole", 2, &["contains no intact state", "dslc run n.net"]);
}

#[test]
fn a_longer_run_goes_on_from_a_complete_one() {
    let desk = desk();
    assert_eq!(desk.run("run n.net --out short --set train.epochs=3").code, Some(0));
    let done = desk.run("resume short --set train.epochs=5 --json");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let report: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(report["epochs"], 5);
    assert!(
        done.err.contains("the learning rate continues at") && done.err.contains("a run of 5 epochs"),
        "{}",
        done.err
    );
    assert!(std::fs::read_to_string(desk.path("short/n.net")).unwrap().contains("epochs 5"));
    desk.refused("resume short --set train.seed=4", 2, &["`train.seed` cannot change", "train.epochs"]);
    desk.refused("resume short --set model.input=1x32x32", 2, &["`model.input` cannot change"]);
    // Where no schedule looks at the length, it is as if it had been so long from the beginning.
    desk.write("n.net", NET.replace("    schedule cosine warmup=5%\n", ""));
    for (out, epochs) in [("parts", 2), ("all", 4)] {
        let line = format!("run n.net --out {out} --set train.epochs={epochs}");
        assert_eq!(desk.run(&line).code, Some(0));
    }
    assert_eq!(desk.run("resume parts --set train.epochs=4").code, Some(0));
    let [parts, all] = ["parts", "all"].map(|run| result(&desk, run));
    assert_eq!(all.metrics, parts.metrics);
    assert!(numbers(&all) == numbers(&parts), "other weights");
}

#[test]
fn other_data_are_refused() {
    let desk = desk();
    assert_eq!(desk.run("run n.net --out run --set train.epochs=2").code, Some(0));
    let path = "data/train-labels-idx1-ubyte";
    let mut labels = std::fs::read(desk.path(path)).unwrap();
    labels[20] = (labels[20] + 1) % 10;
    desk.write(path, labels);
    desk.refused(
        "resume run --set train.epochs=3",
        2,
        &["the data have changed since the run began", "CRC-32"],
    );
}

/// The one step has a finite loss, and leaves weights that give none.
#[test]
fn a_measurement_that_is_no_number_fails_the_run() {
    let desk = desk();
    let net = "model N { input 1x28x28; flatten -> scale 1e6 -> scale 1e6 -> scale 1e6 -> linear 10 }
data { source mnist \"data\"; validation 61 }
train { loss cross_entropy; optimizer sgd lr=1000; epochs 1; batch 400 }
expect { validation.loss < 1e9 }
";
    desk.write("n.net", net);
    desk.refused("run n.net --out out", 1, &["the loss on 61 images is", "outputs are not finite"]);
}

/// A file may not grow beyond some blocks there: as on a full disk, what is written in part fails.
#[test]
fn a_disk_without_room_does_not_end_a_run() {
    let desk = desk();
    assert_eq!(desk.run("run n.net --out whole --set train.epochs=4").code, Some(0));
    let binary = env!("CARGO_BIN_EXE_dslc");
    let script =
        format!("trap '' XFSZ; ulimit -f 16; exec {binary} run n.net --set train.epochs=4 --out full");
    let run = Command::new("sh").args(["-c", &script]).current_dir(desk.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("training continues; the next attempt") && said.contains("epoch 4/4"), "{said}");
    assert!(said.contains("`dslc resume full` once the folder can be written to"), "{said}");
    assert!(String::from_utf8_lossy(&run.stdout).contains("test accuracy"));
    assert!(!desk.path("full/last.safetensors.part").exists());
    let done = desk.run("resume full");
    assert_eq!(done.code, Some(0), "{}", done.err);
    same(&result(&desk, "whole"), &result(&desk, "full"), "behind a full disk");
}

/// The room comes back in the middle of the run: nothing of what was learnt or measured before is missing then.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_has_room_again_gets_everything() {
    let desk = desk();
    let settings = "--set train.epochs=400 --set train.early_stop.patience=400";
    assert_eq!(desk.run(&format!("run n.net --out whole {settings}")).code, Some(0));
    let binary = env!("CARGO_BIN_EXE_dslc");
    let script = format!("trap '' XFSZ; ulimit -S -f 16; exec {binary} run n.net --out full {settings}");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(desk.path("")).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(std::result::Result::unwrap);
    assert!(lines.any(|line| line.starts_with("epoch 3/400")));
    let pid = process.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:unlimited"]).status();
    assert!(lifted.unwrap().success());
    let said: Vec<String> = lines.collect();
    assert_eq!(process.wait().unwrap().code(), Some(0), "{said:#?}");
    assert!(said.iter().any(|line| line == "saving works again: the state is on disk"), "{said:#?}");
    same(&result(&desk, "whole"), &result(&desk, "full"), "behind a disk without room for a while");
}

/// A long run and what it says, when its second epoch is done.
fn in_its_second_epoch(mut command: Command) -> (std::process::Child, impl Iterator<Item = String>) {
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(std::result::Result::unwrap);
    assert!(lines.any(|line| line.starts_with("epoch 2/")));
    (process, lines)
}

const LONG: &str = "--set train.epochs=150 --set train.early_stop.patience=150";

/// The folder is gone for a while: what could not be written then is written when it is back.
#[test]
fn a_folder_that_is_away_for_a_while_gets_everything() {
    let desk = desk();
    assert_eq!(desk.run(&format!("run n.net --out whole {LONG}")).code, Some(0));
    let (mut process, mut lines) = in_its_second_epoch(desk.command(&format!("run n.net --out run {LONG}")));
    std::fs::rename(desk.path("run"), desk.path("away")).unwrap();
    let refused = lines.find(|line| line.contains("cannot be written")).unwrap();
    assert!(refused.starts_with("run/"), "{refused}");
    assert!(lines.next().unwrap().contains("training continues; the next attempt is in"));
    std::fs::rename(desk.path("away"), desk.path("run")).unwrap();
    let said: Vec<String> = lines.collect();
    assert_eq!(process.wait().unwrap().code(), Some(0), "{said:#?}");
    assert!(said.iter().any(|line| line == "saving works again: the state is on disk"), "{said:#?}");
    same(&result(&desk, "whole"), &result(&desk, "run"), "behind a folder that was away");
}

fn mode(desk: &Desk, path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(desk.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What `dslc run n.net --out run …` says, whose user may no longer write to the folder from its second epoch on.
fn in_a_folder_that_turns_read_only(desk: &Desk, more: &str) -> String {
    use std::os::unix::fs::MetadataExt;
    let line = format!("run n.net --out run {LONG} {more}");
    // Permissions hold for everybody but root, who becomes nobody.
    let is_root = std::fs::metadata(desk.path("data")).unwrap().uid() == 0;
    let command = if is_root {
        std::fs::copy(env!("CARGO_BIN_EXE_dslc"), desk.path("dslc")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "./dslc"]);
        command.args(line.split_whitespace()).current_dir(desk.path(""));
        command
    } else {
        desk.command(&line)
    };
    mode(desk, "", 0o777);
    let (mut process, mut lines) = in_its_second_epoch(command);
    while !desk.path("run/checkpoints").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    for folder in ["run", "run/checkpoints"] {
        mode(desk, folder, 0o555);
    }
    assert!(lines.any(|line| line.contains("cannot be written: Permission denied")));
    let said: Vec<String> = lines.collect();
    assert_eq!(process.wait().unwrap().code(), Some(2), "{said:#?}");
    let said = said.join("\n");
    assert!(said.contains("epoch 150/150") && !said.contains("panicked"), "{said}");
    said
}

/// The run says how to go on, there or in a copy.
#[test]
fn a_folder_that_turns_read_only_loses_nothing() {
    let desk = desk();
    assert_eq!(desk.run(&format!("run n.net --out whole {LONG}")).code, Some(0));
    let said = in_a_folder_that_turns_read_only(&desk, "");
    for way in ["`dslc resume run` once the folder can be written to", "`cp -r run DIR` onto another disk"] {
        assert!(said.contains(way), "{said}");
    }
    let copied = Command::new("cp").args(["-r", "run", "copy"]).current_dir(desk.path("")).status();
    assert!(copied.unwrap().success());
    for folder in ["copy", "copy/checkpoints", "run", "run/checkpoints"] {
        mode(&desk, folder, 0o777);
    }
    for run in ["copy", "run"] {
        let done = desk.run(&format!("resume {run}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        same(&result(&desk, "whole"), &result(&desk, run), run);
    }
}

/// Where there is a spare folder, the newest state is there, and everything to go on with.
#[test]
fn what_a_disk_refuses_goes_to_the_spare_folder() {
    let desk = desk();
    assert_eq!(desk.run(&format!("run n.net --out whole {LONG}")).code, Some(0));
    let said = in_a_folder_that_turns_read_only(&desk, "--spare spare");
    assert!(said.contains("saved in spare/run instead"), "{said}");
    assert!(said.contains("`dslc resume spare/run`"), "{said}");
    mode(&desk, "spare/run", 0o777);
    let done = desk.run("resume spare/run");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(!done.err.contains("only"), "every epoch is there: {}", done.err);
    same(&result(&desk, "whole"), &result(&desk, "spare/run"), "the copy");
    let done = desk.run("run n.net --out other --spare n.net");
    assert_eq!((done.code, done.err.contains("n.net cannot be written")), (Some(2), true), "{}", done.err);
}

/// Data that vanish, or change, while a run has them, and before it goes on.
#[test]
fn data_that_vanish_or_change_in_the_middle_cost_nothing() {
    let desk = desk();
    assert_eq!(desk.run(&format!("run n.net --out whole {LONG}")).code, Some(0));
    let labels = "data/train-labels-idx1-ubyte";
    let good = std::fs::read(desk.path(labels)).unwrap();
    let mut changed = good.clone();
    changed[20] = (changed[20] + 1) % 10;
    for (run, text) in [("vanish", None), ("change", Some(&changed))] {
        // A run has read its data when it begins.
        let (mut process, lines) =
            in_its_second_epoch(desk.command(&format!("run n.net --out {run}-whole {LONG}")));
        let (mut stopped, rest) =
            in_its_second_epoch(listening(&desk, &format!("run n.net --out {run} {LONG}")));
        match text {
            None => std::fs::rename(desk.path("data"), desk.path("away")).unwrap(),
            Some(text) => desk.write(labels, text),
        }
        signal("TERM", stopped.id());
        let said: Vec<String> = lines.collect();
        assert_eq!(process.wait().unwrap().code(), Some(0), "{said:#?}");
        same(&result(&desk, "whole"), &result(&desk, &format!("{run}-whole")), run);
        let said: Vec<String> = rest.collect();
        assert_eq!(stopped.wait().unwrap().code(), Some(130), "{said:#?}");
        let phrases = match text {
            None => ["data does not exist", "put MNIST's four IDX files there"],
            Some(_) => ["the data have changed since the run began", "the same files in"],
        };
        desk.refused(&format!("resume {run}"), 2, &phrases);
        match text {
            None => std::fs::rename(desk.path("away"), desk.path("data")).unwrap(),
            Some(_) => desk.write(labels, &good),
        }
        let done = desk.run(&format!("resume {run}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        same(&result(&desk, "whole"), &result(&desk, run), run);
    }
}

/// What a run says that it takes is what the process comes to.
#[cfg(target_os = "linux")]
#[test]
fn the_memory_that_is_told_is_what_the_process_takes() {
    let desk = Desk::new();
    // Most of its numbers are in one state.
    let wide = format!(
        "model Wide {{ input 1x28x28; flatten -> linear 4000 -> relu -> linear 10 }}
data {{ source mnist \"{}/models/data/mnist\" }}
train {{ loss cross_entropy; optimizer adam lr=1e-3; epochs 9; batch 64 }}
",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::write(desk.path("wide.net"), wide).unwrap();
    let wide = desk.path("wide.net").display().to_string();
    for (net, file) in
        [("mnist", "models/mnist.net"), ("lenet5", "models/lenet5.net"), ("wide", wide.as_str())]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dslc"));
        let out = desk.path(net).display().to_string();
        command
            .args(["run", file, "--out", &out, "--set", "train.checkpoint.every=1s"])
            .env("RAYON_NUM_THREADS", "2");
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines =
            BufReader::new(process.stderr.take().unwrap()).lines().map(std::result::Result::unwrap);
        let line = lines.find(|line| line.starts_with("memory ")).unwrap();
        let megabytes: Vec<f64> =
            line.split(" MB").filter_map(|part| part.rsplit(' ').next()?.parse().ok()).collect();
        let [sum, parts @ ..] = megabytes.as_slice() else { panic!("{line}") };
        assert!(parts.len() > 2 && (parts.iter().sum::<f64>() - sum).abs() < 1.0, "{line}");
        // After its first state it has touched everything.
        while !desk.path(net).join("last.safetensors").exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak = peak.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() * 1024.0 / 1e6;
        assert!((sum - peak).abs() < 0.1 * peak, "{line}, and {peak:.1} MB at the peak");
    }
}
