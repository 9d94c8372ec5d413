//! One suite of operators and models for every device with kernels of its own, and a report of what could not be run
//! here, which counts as nothing. The CPU's kernels run the same operators in `tests/kernels.rs`.
//!
//! The CUDA kernels also run on the host, compiled as C++: that shows that formulas and positions are right, and
//! nothing about a GPU.
#![allow(clippy::unwrap_used)]

mod batches;
mod host;
#[allow(dead_code)]
#[path = "../op_cases.rs"]
mod op_cases;
mod operators;
#[allow(dead_code)]
#[path = "../support.rs"]
mod support;

use std::io::Write;

use dslc::kernels::cuda;
use dslc::kernels::cuda::machine::Machine;
use dslc::passes::optimize;
use dslc::run::{Precision, Target};
use dslc::tensor::Device;
use dslc::tensor::device::{self, Choice};

use crate::batches::batches;
use crate::host::Host;
use crate::operators::{Subject, operators};
use crate::support::{MODELS, distance, experiment, run, training};

/// A device, or why it is not here.
struct Candidate {
    name: &'static str,
    /// How often each operator runs.
    n_runs: usize,
    make: Result<Box<dyn Fn() -> Made>, String>,
}

enum Made {
    Machine(Box<dyn Machine>),
    Candle(Device),
}

fn candidates() -> Vec<Candidate> {
    let compiler = host::compiler();
    let on_host = |libraries: bool| -> Result<Box<dyn Fn() -> Made>, String> {
        let compiler = compiler.clone()?;
        Ok(Box::new(move || Made::Machine(Box::new(Host::new(&compiler, libraries)))))
    };
    let opened =
        |choice: Choice| device::open(choice).map(|(device, _)| device).map_err(|fault| fault.message);
    vec![
        Candidate { name: "CUDA kernels on the host", n_runs: 1, make: on_host(false) },
        Candidate { name: "CUDA kernels on the host beside libraries", n_runs: 1, make: on_host(true) },
        Candidate {
            name: "CUDA",
            n_runs: 3,
            make: opened(Choice::Cuda(0)).map(|device| {
                Box::new(move || Made::Machine(cuda::open(&device, Precision::F32).unwrap())) as _
            }),
        },
        Candidate {
            name: "Metal",
            n_runs: 1,
            make: opened(Choice::Metal).map(|device| Box::new(move || Made::Candle(device.clone())) as _),
        },
    ]
}

/// What a step of training gives on the device against the reference on the CPU, from unoptimised graphs.
fn models(make: &dyn Fn() -> Made) -> Vec<String> {
    let mut wrong = Vec::new();
    for (layers, optimizer) in MODELS {
        let graph = training(&experiment(layers, optimizer), 7);
        let expected = run(graph.clone(), Target::Reference(Device::Cpu), 3);
        let target = match make() {
            Made::Machine(machine) => Target::Machine(machine),
            Made::Candle(device) => Target::Reference(device),
        };
        for ((name, expected), (_, actual)) in expected.iter().zip(run(optimize(graph).unwrap(), target, 3)) {
            let gap = distance(expected, &actual);
            if gap >= 1e-3 {
                wrong.push(format!("{name} of `{layers}`: {gap}"));
            }
        }
    }
    wrong
}

/// The parts of the suite.
const PARTS: [&str; 3] = ["operators", "models", "batches"];

fn main() {
    // A name behind `cargo test` asks for the tests of that name: a part, or the whole as `devices`.
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_asked = |part: &str| {
        names.is_empty() || names.iter().any(|name| part.contains(name) || "devices".contains(name))
    };
    if !PARTS.into_iter().any(is_asked) || std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let mut report = std::io::stdout();
    let mut n_wrong = 0;
    for Candidate { name, n_runs, make } in candidates() {
        let make = match make {
            Ok(make) => make,
            Err(reason) => {
                writeln!(report, "{name}: skipped: {reason}").unwrap();
                continue;
            }
        };
        let (mut wrong, mut done) = (Vec::new(), Vec::new());
        if is_asked("operators") {
            let subject = match make() {
                Made::Machine(machine) => Subject::Machine(machine, n_runs),
                Made::Candle(device) => Subject::Candle(device),
            };
            let (n_nodes, found) = operators(subject);
            wrong.extend(found);
            done.push(format!("{n_nodes} operators"));
        }
        if is_asked("models") {
            wrong.extend(models(&*make));
            done.push(format!("{} models", MODELS.len()));
        }
        if is_asked("batches") && matches!(make(), Made::Machine(_)) {
            wrong.extend(batches(&|| match make() {
                Made::Machine(machine) => machine,
                Made::Candle(_) => unreachable!("it was a machine"),
            }));
            done.push("batches and runs".to_owned());
        }
        for what in &wrong {
            writeln!(report, "{name}: {what}").unwrap();
        }
        n_wrong += wrong.len();
        writeln!(report, "{name}: {}, {} wrong", done.join(", "), wrong.len()).unwrap();
    }
    std::process::exit(i32::from(n_wrong > 0));
}
