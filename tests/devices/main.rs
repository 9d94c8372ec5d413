//! One suite of operators and models for every device with kernels of its own, and a report of what could not be run
//! here, which counts as nothing, except where `CI` or `DSLC_NO_SKIP` is set and a compiler is all that lacks. The CPU's kernels run the same operators in `tests/kernels.rs`.
//!
//! The CUDA kernels also run on the host, compiled as C++: that shows that formulas and positions are right, and
//! nothing about a GPU.
#![allow(clippy::unwrap_used)]

mod batches;
mod casts;
mod counted;
mod evaluations;
mod host;
mod joined;
mod models;
mod networks;
#[allow(dead_code)]
#[path = "../op_cases.rs"]
mod op_cases;
mod operators;
#[path = "../seats.rs"]
mod seats;
#[allow(dead_code)]
#[path = "../support.rs"]
mod support;
mod words;

use std::io::Write;

use dslc::kernels::cuda;
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::storage::Storage;
use dslc::run::Precision;
use dslc::tensor::Device;
use dslc::tensor::device::{self, Choice};

use crate::batches::batches;
use crate::casts::casts;
use crate::evaluations::evaluations;
use crate::host::Host;
use crate::joined::joined;
use crate::models::models;
use crate::networks::{Cpu, Extent, networks};
use crate::operators::{Subject, needed, operators};
use crate::support::MODELS;

/// A device, or why it is not here.
struct Candidate {
    name: &'static str,
    /// How often each operator runs.
    n_runs: usize,
    make: Result<Box<Make>, String>,
    precision: Precision,
    /// What is asked of it,
    parts: &'static [&'static str],
    /// and how much of the networks.
    extent: Extent,
}

/// Why it does not have that precision, else.
type Make = dyn Fn(Precision) -> Result<Made, String>;

enum Made {
    Machine(Box<dyn Machine>),
    Candle(Device),
}

fn candidates() -> Vec<Candidate> {
    let compiler = host::compiler();
    let on_host = |libraries: bool| -> Result<Box<Make>, String> {
        let compiler = compiler.clone()?;
        Ok(Box::new(move |precision| Ok(Made::Machine(Box::new(Host::new(&compiler, libraries, precision))))))
    };
    let opened =
        |choice: Choice| device::open(choice).map(|opened| opened.device).map_err(|fault| fault.message);
    let on_cuda = || -> Result<Box<Make>, String> {
        let device = opened(Choice::OwnCuda)?;
        Ok(Box::new(move |precision| {
            cuda::open(&device, precision, None).map(Made::Machine).map_err(|fault| fault.message)
        }))
    };
    let on_metal = || -> Result<Box<Make>, String> {
        let device = opened(Choice::Metal)?;
        Ok(Box::new(move |_| Ok(Made::Candle(device.clone()))))
    };
    let mut all = Vec::new();
    let mut add = |name, n_runs, make, precision, parts| {
        let extent = if name == CUDA { networks::WHOLE } else { networks::PART };
        all.push(Candidate { name, n_runs, make, precision, parts, extent });
    };
    for precision in [Precision::F32, Precision::Bf16] {
        add(ON_HOST, 1, on_host(false), precision, &PARTS[..3]);
        add(BESIDE, 1, on_host(true), precision, &PARTS);
        add(CUDA, 3, on_cuda(), precision, &PARTS[..4]);
    }
    // Nothing rounds to TF32 there: the plan of bf16, whose convolutions have channels last, with the exactness of f32.
    add(BESIDE, 1, on_host(true), Precision::Tf32, &["models"]);
    add(CUDA, 3, on_cuda(), Precision::Tf32, &["models", "networks"]);
    add("Metal", 1, on_metal(), Precision::F32, &PARTS[..3]);
    all
}

/// What any machine with Linux and a compiler for C++ can run; and how the names of its variants begin.
const ON_HOST: &str = "CUDA kernels on the host";
const BESIDE: &str = "CUDA kernels on the host beside libraries";

/// Whether a part that any machine can run must not be skipped: where a change is judged.
fn must_run() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "linux") && (set("CI") || set("DSLC_NO_SKIP"))
}

/// The device itself, as it is called here.
const CUDA: &str = "CUDA";

/// The parts of the suite.
const PARTS: [&str; 5] = ["operators", "models", "batches", "networks", "joined"];

/// What the command line asks for: `cargo test --test devices -- PART… --on=DEVICE --op=OP --precision=PRECISION`; with
/// `--ops` only the names of the operators are printed.
struct Asked {
    /// A name behind `cargo test` asks for the tests of that name: a part, or the whole as `devices`.
    names: Vec<String>,
    /// Only devices, operators and precisions of this name.
    on: Option<String>,
    op: Option<String>,
    precision: Option<String>,
}

impl Asked {
    fn new(arguments: impl Iterator<Item = String>) -> Asked {
        let mut asked = Asked { names: Vec::new(), on: None, op: None, precision: None };
        for argument in arguments {
            match argument.split_once('=') {
                Some(("--on", name)) => asked.on = Some(name.to_owned()),
                Some(("--op", name)) => asked.op = Some(name.to_owned()),
                Some(("--precision", name)) => asked.precision = Some(name.to_owned()),
                _ if argument.starts_with('-') => {}
                _ => asked.names.push(argument),
            }
        }
        asked
    }

    fn has(&self, part: &str) -> bool {
        let names = &self.names;
        names.is_empty() || names.iter().any(|name| part.contains(name) || "devices".contains(name))
    }

    fn takes(&self, candidate: &Candidate) -> bool {
        let is = |asked: &Option<String>, own: &str| asked.as_ref().is_none_or(|name| name == own);
        is(&self.on, candidate.name) && is(&self.precision, candidate.precision.name())
    }
}

fn main() {
    let asked = Asked::new(std::env::args().skip(1));
    if !PARTS.into_iter().any(|part| asked.has(part)) || std::env::args().any(|argument| argument == "--list")
    {
        return;
    }
    let mut report = std::io::stdout();
    if std::env::args().any(|argument| argument == "--ops") {
        needed().for_each(|op| writeln!(report, "{op}").unwrap());
        return;
    }
    let (mut n_wrong, mut cpu) = (0, Cpu::default());
    for candidate in candidates().into_iter().filter(|candidate| asked.takes(candidate)) {
        let Candidate { name, n_runs, make, precision, parts, extent } = candidate;
        let is_asked = |part: &str| parts.contains(&part) && asked.has(part);
        let name = format!("{name}, {}", precision.name());
        let made = make.and_then(|make| make(precision).map(|made| (make, made)));
        let (make, made) = match made {
            Ok(made) => made,
            Err(reason) if name.starts_with(ON_HOST) && must_run() => {
                writeln!(report, "{name}: not run: {reason}, and CI or DSLC_NO_SKIP is set").unwrap();
                n_wrong += 1;
                continue;
            }
            Err(reason) => {
                writeln!(report, "{name}: skipped: {reason}").unwrap();
                continue;
            }
        };
        let storage = match precision {
            Precision::F32 | Precision::Tf32 => Storage::F32,
            Precision::Bf16 => Storage::Bf16,
        };
        let again = || make(precision).unwrap();
        let (mut wrong, mut done) = (Vec::new(), Vec::new());
        let is_machine = matches!(made, Made::Machine(_));
        if is_asked("operators") {
            let subject = match made {
                Made::Machine(machine) => Subject::Machine(machine, n_runs, storage),
                Made::Candle(device) => Subject::Candle(device),
            };
            let (n_nodes, found) = operators(subject, asked.op.as_deref());
            wrong.extend(found);
            done.push(format!("{n_nodes} operators"));
            if let (Precision::Bf16, Made::Machine(machine)) = (precision, again()) {
                wrong.extend(casts(machine));
            }
        }
        if is_asked("models") {
            let rounds =
                precision == Precision::Bf16 || (precision == Precision::Tf32 && name.starts_with("CUDA,"));
            wrong.extend(models(&again, rounds));
            done.push(format!("{} models", MODELS.len()));
        }
        let machine = || match again() {
            Made::Machine(machine) => machine,
            Made::Candle(_) => unreachable!("it was a machine"),
        };
        if is_asked("networks") {
            let (compared, found) = networks(&mut cpu, &machine, precision, extent);
            for line in compared {
                writeln!(report, "{name}: {line}").unwrap();
            }
            wrong.extend(found);
            done.push(format!("{} networks", extent.n_networks));
        }
        if is_asked("batches") && is_machine {
            let most = if storage == Storage::F32 { 1e-3 } else { 1e-2 };
            wrong.extend(batches(&machine, most));
            wrong.extend(evaluations(&machine, most));
            done.push("batches, runs and evaluations".to_owned());
        }
        if is_asked("joined")
            && let Ok(compiler) = host::compiler()
        {
            let most = if storage == Storage::F32 { 2e-4 } else { 2e-2 };
            let (n_graphs, found) = joined(&compiler, precision, most);
            wrong.extend(found);
            done.push(format!("{n_graphs} graphs of several processes"));
        }
        for what in &wrong {
            writeln!(report, "{name}: {what}").unwrap();
        }
        n_wrong += wrong.len();
        writeln!(report, "{name}: {}, {} wrong", done.join(", "), wrong.len()).unwrap();
    }
    std::process::exit(i32::from(n_wrong > 0));
}
