//! Machines of several processes that share every batch, against one machine that has it whole.

use std::sync::Arc;

use dslc::graph::Graph;
use dslc::run::{Backend, Cuda, Precision, SharedCuda};
use dslc::train::program::{evaluation_graph, optimized};

use crate::host::Host;
use crate::seats::{together, write_own};
use crate::support::{MODELS, experiment, training};

/// Images of a batch and how many processes share it, a model each; the parts of some are not alike.
const SHARED: [(usize, usize); 8] = [(4, 2), (6, 3), (7, 2), (8, 4), (5, 3), (6, 2), (6, 3), (4, 2)];

/// With as many filters as images: what has a number for each filter is no row of an image.
const MORE: [(&str, &str); 2] = [
    ("conv2d 6 3x3 stride=2 -> batch_norm -> relu; flatten -> linear 10", "sgd lr=0.1 momentum=0.9"),
    ("conv2d 4 3x3 stride=2 -> relu; flatten -> linear 10", "sgd lr=0.1 momentum=0.9; accumulate 2"),
];

/// What is wrong: machines that differ from each other in one bit, or whose losses and outputs differ from those of the one
/// machine by more than `most` of the largest; with f32 those of later steps too, and states. What is rounded to bf16 differs
/// more with every step.
pub fn joined(compiler: &str, precision: Precision, most: f32) -> (usize, Vec<String>) {
    let (mut n_compared, mut wrong) = (0, Vec::new());
    // What is rounded to bf16 is planned in the same way, so that a few tell enough.
    let n_models = if precision == Precision::F32 { SHARED.len() } else { 2 };
    assert_eq!(MODELS.len() + MORE.len(), SHARED.len());
    for ((layers, optimizer), (batch, n)) in MODELS.iter().chain(&MORE).zip(SHARED).take(n_models) {
        let experiment = experiment(layers, optimizer);
        let (model, train) = (experiment.model.as_ref().unwrap(), experiment.train.as_ref().unwrap());
        let mut graphs = vec![training(&experiment, batch)];
        // Evaluation has less to share, and needs no more than to be seen.
        if n_compared == 0 {
            graphs.push(evaluation_graph(model, train, batch).unwrap());
        }
        for graph in graphs {
            let graph = optimized(graph).unwrap();
            let machine = || Host::new(compiler, true, precision);
            let one = stepped(&graph, &Cuda::with(Box::new(machine())), batch);
            let all = together(n, |peers| {
                let machine = machine().among(Arc::clone(&peers));
                stepped(&graph, &SharedCuda { own: Cuda::with(Box::new(machine)), peers }, batch)
            });
            n_compared += 1;
            let name = format!("{n} processes, {batch} images: {layers}");
            if !all[0].is_shared {
                wrong.push(format!("{name}: nothing is shared"));
            }
            let bits = |own: &Stepped| -> Vec<Vec<u32>> {
                own.seen.iter().map(|(_, seen)| seen.iter().map(|x| x.to_bits()).collect()).collect()
            };
            if all.iter().any(|own| bits(own) != bits(&all[0])) {
                wrong.push(format!("{name}: processes have different numbers"));
            }
            let n_seen = if precision == Precision::F32 { one.seen.len() } else { graph.outputs.len() };
            for ((what, expected), (_, actual)) in one.seen.iter().zip(&all[0].seen).take(n_seen) {
                let largest = expected.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
                let gaps = expected.iter().zip(actual).map(|(a, b)| (a - b).abs());
                // A NaN is as far away as can be.
                let gap =
                    gaps.fold(0.0f32, |most, gap| if gap.is_nan() { f32::INFINITY } else { most.max(gap) });
                if expected.len() != actual.len() || gap > most * largest {
                    wrong.push(format!("{name}: {what} is {gap:.1e} off, of at most {largest:.1e}"));
                }
            }
        }
    }
    (n_compared, wrong)
}

/// What was seen of some steps: outputs, what was kept of them, and states behind them.
struct Stepped {
    is_shared: bool,
    seen: Vec<(String, Vec<f32>)>,
}

/// Steps on `batch` images. What a process need not write of its inputs is no number.
fn stepped(graph: &Graph, backend: &dyn Backend, batch: usize) -> Stepped {
    let mut session = backend.compile(vec![graph.clone()]).unwrap().start(3).unwrap();
    let is_shared = session.images(0).is_some();
    let mut seen = Vec::new();
    for step in 0..2 {
        write_own(&mut session, graph, batch, step);
        session.step(0).unwrap();
        session.note(0).unwrap();
        for output in &graph.outputs {
            seen.push((output.name.clone(), session.read(0, &output.name).unwrap()));
        }
    }
    seen.push(("what was noted".to_owned(), session.noted().unwrap()));
    let names: Vec<String> = session.states().iter().map(|state| state.name.clone()).collect();
    seen.extend(names.into_iter().map(|name| (name.clone(), session.read_state(&name).unwrap())));
    Stepped { is_shared, seen }
}
