//! What many steps leave in a machine's log, and weights that are measured on a machine: the figures, whether the images
//! stay there, and how often the host waits.

use std::sync::atomic::{AtomicBool, Ordering};

use dslc::data::Dataset;
use dslc::data::samples::Samples;
use dslc::diag::{Fault, has_errors};
use dslc::graph::Graph;
use dslc::graph::attrs::Attrs;
use dslc::graph::builder::Builder;
use dslc::kernels::cuda::machine::Machine;
use dslc::ops::binary::ADD;
use dslc::run::{Backend, Cpu, Cuda, Session, log_len};
use dslc::shape::Shape;
use dslc::tensor::Device;
use dslc::tensor::random::Random;
use dslc::train::checkpoint::{Card, Weights, save};
use dslc::train::evaluate::evaluate_on;
use dslc::train::metrics::Evaluation;
use dslc::train::prepared::prepare;
use dslc::train::programs::{Programs, Sizes};
use dslc::train::progress::Progress;
use dslc::train::trainer::{Epoch, Job, Observer, StepDone};

use crate::counted::Counted;
use crate::support::check;

/// What is wrong with a machine's log and with what it measures, which is within `most` of the CPU's.
pub fn evaluations(make: &dyn Fn() -> Box<dyn Machine>, most: f64) -> Vec<String> {
    let mut wrong = noted(make());
    for text in TEXTS {
        wrong.extend(measured(make, text, most));
    }
    wrong
}

/// `x + i` for each shape; an output of two axes is not noted.
fn sums(shapes: &[&[usize]]) -> Graph {
    let mut builder = Builder::default();
    for (i, &dims) in shapes.iter().enumerate() {
        let x = builder.input(&format!("x{i}"), &Shape::new(dims));
        let number = builder.scalar(i as f32);
        let sum = builder.apply(&ADD, Attrs::new(), &[x, number]).unwrap();
        builder.output(&format!("sum {i}"), sum);
    }
    builder.finish()
}

/// More steps of two graphs than the log has room for; their outputs are of several lengths, five of one length among them,
/// and one of more numbers than a small log has.
fn noted(machine: Box<dyn Machine>) -> Vec<String> {
    let shapes: [&[&[usize]]; 2] =
        [&[&[], &[300], &[300], &[], &[], &[], &[], &[], &[2, 3], &[7], &[300]], &[&[700], &[]]];
    let graphs = shapes.map(sums);
    let room = log_len(&graphs);
    let (machine, counts) = Counted::new(machine);
    let mut session = Cuda::with(machine).compile(graphs.into()).unwrap().start(0).unwrap();
    let mut expected = Vec::new();
    let n_steps = 60;
    for step in 0..n_steps {
        let graph = usize::from(step % 3 == 1);
        for (i, dims) in shapes[graph].iter().enumerate() {
            let begin = (1000 * step) as f32;
            let fill = |out: &mut [f32]| out.iter_mut().enumerate().for_each(|(k, x)| *x = begin + k as f32);
            session.write(graph, &format!("x{i}"), fill).unwrap();
            if dims.len() <= 1 {
                let n = Shape::new(*dims).elements();
                expected.extend((0..n).map(|k| begin + (k + i) as f32));
            }
        }
        session.step(graph).unwrap();
        session.note(graph).unwrap();
    }
    let mut wrong = Vec::new();
    if session.noted().unwrap() != expected || !session.noted().unwrap().is_empty() {
        wrong.push("what was noted".to_owned());
    }
    // A log of 16 of the largest steps' notes is read when the next might not fit.
    let (largest, waits) = (room / 16, counts.waits.load(Ordering::Relaxed));
    if waits < 2 || waits > 1 + expected.len() / (room - largest) {
        wrong.push(format!("{waits} waits for {} numbers in a log of {room}", expected.len()));
    }
    wrong
}

/// A classifier, and a model that gives images.
const TEXTS: [&str; 2] = [
    "model N { input 1x28x28; conv2d 2 5x5 stride=3 -> batch_norm -> relu; flatten -> linear 10 }\n\
     data { source mnist \"m\"; normalize mean=0.1 std=0.3 }\n\
     train { loss cross_entropy; optimizer adam lr=1e-3; epochs 1; batch 4; seed 5 }",
    "model N { input 1x28x28; conv2d 1 3x3 padding=1 -> sigmoid }\n\
     data { source mnist \"m\" }\n\
     train { loss mse target=input; optimizer adam lr=1e-3; epochs 1; batch 4; seed 5 }",
];

/// Behind whole batches of 4 stands one of 3.
const N_TEST: usize = 79;

struct Nobody;

impl Observer for Nobody {
    fn is_due(&self) -> bool {
        false
    }

    fn step(&mut self, _done: &StepDone) {}

    fn epoch(&mut self, _epoch: &Epoch, _progress: &Progress, _session: &Session) -> Result<(), Fault> {
        Ok(())
    }
}

fn images(n: usize, name: &str) -> Samples {
    let mut random = Random::new(2, name, 0);
    let pixels = (0..n * 784).map(|_| random.below(256) as u8).collect();
    let names = (0..10).map(|k| k.to_string()).collect();
    Samples::of_bytes([1, 28, 28], pixels, (0..n).map(|_| random.below(10)).collect(), names)
}

/// Weights that the CPU has learnt, measured there and on a machine that keeps the images, and on one that has no room for
/// them.
fn measured(make: &dyn Fn() -> Box<dyn Machine>, text: &str, most: f64) -> Vec<String> {
    let (experiment, found) = check(text);
    assert!(!has_errors(&found), "{found:#?}");
    let (model, data) = (experiment.model.as_ref().unwrap(), experiment.data.as_ref().unwrap());
    let job = Job { model, data, train: experiment.train.as_ref().unwrap(), batch: 4, device: &Device::Cpu };
    let dataset = Dataset::joined(images(20, "train"), images(N_TEST, "test")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let prepared = prepare(job, &dataset).unwrap();
    let graphs =
        Programs::new(model, job.train, 4, Sizes { train: 0, evaluated: [N_TEST, 0] }).unwrap().graphs;
    let needed = Cuda::with(make()).compile(graphs).unwrap().bytes();
    let (session, outcome) = prepared.train(None, &AtomicBool::new(false), &mut Nobody).unwrap();
    save(&path, &session, &Card::default()).unwrap();
    let weights = Weights::open(&path).unwrap();

    let evaluation = |target: &dyn Backend, available: Option<u64>| -> Evaluation {
        evaluate_on(job, &dataset, &weights, target, available).unwrap()
    };
    let on_machine = |available: Option<u64>| -> (Evaluation, [usize; 2]) {
        let (machine, counts) = Counted::new(make());
        let evaluation = evaluation(&Cuda::with(machine), available);
        (evaluation, [counts.waits.load(Ordering::Relaxed), counts.written.load(Ordering::Relaxed)])
    };
    let cpu = evaluation(&Cpu, None);
    let (kept, [kept_waits, kept_written]) = on_machine(None);
    let (fed, [fed_waits, fed_written]) = on_machine(Some(needed + 100));
    let mut wrong = Vec::new();
    if cpu != outcome.test {
        wrong.push("weights that were kept are measured otherwise than those of the run".to_owned());
    }
    if kept != fed {
        wrong.push("weights are measured otherwise where the images stay on the machine".to_owned());
    }
    // As numbers, images are four times as many as their bytes.
    if kept_written + N_TEST * 784 / 2 > fed_written {
        wrong.push(format!("{kept_written} numbers written where images stay, {fed_written} else"));
    }
    let gap = (kept.loss - cpu.loss).abs();
    let accuracies = kept.accuracy().zip(cpu.accuracy());
    let gap = accuracies.map_or(gap, |(kept, cpu)| gap.max((kept - cpu).abs()));
    if gap > most || kept.accuracy().is_some() != text.contains("cross_entropy") {
        wrong.push(format!("an evaluation is {gap} from the CPU's"));
    }
    // The losses and the classes found are read once, at the end. What measures images reads each batch and its outputs.
    let waits = if text.contains("cross_entropy") { 1 } else { 1 + 2 * N_TEST.div_ceil(4) };
    if (kept_waits, fed_waits) != (waits, waits) {
        wrong.push(format!("{kept_waits} and {fed_waits} waits for a machine that measures weights"));
    }
    wrong
}
