//! What a machine does not have: threads, memory, the instructions of a kind of kernels; and weights that come out the
//! same on all that have them.

use std::process::Output;

use safetensors::SafeTensors;

use crate::cli::{Desk, NET, done};

/// Runs a command with limits of the shell (`ulimit`) and in an environment.
#[cfg(target_os = "linux")]
fn limited(desk: &Desk, limits: &str, environment: &[(&str, &str)], line: &str) -> Output {
    let script = format!("{limits}; exec '{}' {line}", env!("CARGO_BIN_EXE_dslc"));
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", &script]).current_dir(desk.path("")).envs(environment.iter().copied());
    shell.output().unwrap()
}

/// Threads with stacks of 1 GiB, of which a limit of 1.5 GB holds one: the second thread does not start, and what is left
/// is plenty for everything else. Small stacks fill the limit until anything may be the thing that does not fit, such as
/// the signal stack that a thread takes once it runs, without which Rust's standard library panics. One arena of malloc
/// keeps a thread from reserving 128 MB for the first thing that it allocates.
#[cfg(target_os = "linux")]
const MANY: &[(&str, &str)] =
    &[("RAYON_NUM_THREADS", "8"), ("RUST_MIN_STACK", "1073741824"), ("MALLOC_ARENA_MAX", "1")];

/// Here it is their stacks that do not fit; another limit would refuse the threads themselves.
#[cfg(target_os = "linux")]
#[test]
fn threads_that_do_not_start_are_an_error() {
    let desk = Desk::new();
    for line in ["run small.net", "summary small.net", "bench small.net", "graph small.net --stage planned"] {
        let done = done(limited(&desk, "ulimit -v 1500000", MANY, line));
        assert_eq!(done.code, Some(2), "{line}: {}{}", done.out, done.err);
        for said in ["the system cannot start enough threads", "RAYON_NUM_THREADS=1"] {
            assert!(done.err.contains(said) && !done.err.contains("panicked"), "{line}: {}", done.err);
        }
    }
    // What needs none starts none.
    let few = done(limited(&desk, "ulimit -v 1500000", MANY, "check small.net"));
    assert_eq!(few.code, Some(0), "{}", few.err);
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_there_is_not_is_an_error() {
    let desk = Desk::new();
    desk.write("large.net", NET.replace("flatten", "flatten -> linear 20000 -> linear 4000"));
    let done = done(limited(&desk, "ulimit -v 900000", &[("RAYON_NUM_THREADS", "2")], "run large.net"));
    assert_eq!(done.code, Some(2), "{}{}", done.out, done.err);
    for said in ["error[E0305]", "the system cannot provide the", "MB that are planned", "batch", "ulimit -v"]
    {
        assert!(done.err.contains(said), "`{said}`: {}", done.err);
    }
}

/// A digest of the numbers of a file of weights, by name.
pub fn digest(bytes: &[u8]) -> u64 {
    let weights = SafeTensors::deserialize(bytes).unwrap();
    let mut tensors = weights.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(tensors.len() > 4);
    let bytes = tensors.iter().flat_map(|(name, tensor)| name.bytes().chain(tensor.data().iter().copied()));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

const VARIABLE: &str = "DSLC_SIMD";

/// An epoch of 10 steps gives the bits that it gave where this was written, on every CPU of this architecture.
#[cfg(target_arch = "x86_64")]
#[test]
fn portable_kernels_give_the_same_weights_on_every_machine() {
    let desk = Desk::new();
    let net = NET.replace("max_pool2d 2", "batch_norm -> max_pool2d 2").replace("epochs 2", "epochs 1");
    desk.write("small.net", net);
    for threads in ["1", "3"] {
        let mut run = desk.command(&format!("run small.net --out portable-{threads}"));
        let done = done(run.envs([(VARIABLE, "portable"), ("RAYON_NUM_THREADS", threads)]).output().unwrap());
        assert_eq!(done.code, Some(0), "{}", done.err);
        let weights = std::fs::read(desk.path(&format!("portable-{threads}/last.safetensors"))).unwrap();
        assert_eq!(format!("{:016x}", digest(&weights)), "1b929ed501f5b856", "{threads} threads");
    }
}

#[test]
fn kinds_of_kernels_are_taken_by_name_or_refused() {
    use dslc::kernels::cpu::simd::{Level, level};
    let desk = Desk::new();
    for (name, line) in
        [("sse9", "run small.net"), ("AVX2", "summary small.net"), ("avx", "graph small.net --stage planned")]
    {
        let done = done(desk.command(line).env(VARIABLE, name).output().unwrap());
        assert_eq!(done.code, Some(2), "{name}: {}{}", done.out, done.err);
        let said = format!("`DSLC_SIMD={name}` is not a kind of CPU kernels");
        assert!(
            done.err.contains(&said) && done.err.contains("`portable`, `avx2`, `avx512`"),
            "{}",
            done.err
        );
    }
    for kind in Level::ALL {
        let done = done(desk.command("summary small.net").env(VARIABLE, kind.name()).output().unwrap());
        match kind <= level() {
            true => assert_eq!(done.code, Some(0), "{}", done.err),
            false => {
                assert_eq!(done.code, Some(2), "{}", done.err);
                assert!(done.err.contains("this CPU does not have the instructions"), "{}", done.err);
            }
        }
    }
    // What runs no kernel does not ask.
    let unset = done(desk.command("check small.net").env(VARIABLE, "sse9").output().unwrap());
    assert_eq!(unset.code, Some(0), "{}", unset.err);
}
