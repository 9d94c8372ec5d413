//! Steps of training whole models on one device, against the reference on the CPU.

use dslc::passes::optimize;
use dslc::run::{Backend, Cuda, Interpreter};
use dslc::tensor::Device;
use dslc::train::program::CORRECT;

use crate::Made;
use crate::support::{MODELS, distance, experiment, run, training};

/// What steps of training give on the device, which may round factors to fewer bits, against the reference on the CPU in
/// f32, from unoptimised graphs.
pub fn models(make: &dyn Fn() -> Made, rounds: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (layers, optimizer) in MODELS {
        let graph = training(&experiment(layers, optimizer), 7);
        let runs = |n_steps: usize| {
            let target: Box<dyn Backend> = match make() {
                Made::Machine(machine) => Box::new(Cuda::with(machine)),
                Made::Candle(device) => Box::new(Interpreter(device)),
            };
            let expected = run(graph.clone(), &Interpreter(Device::Cpu), n_steps);
            (expected, run(optimize(graph.clone()).unwrap(), &*target, n_steps))
        };
        let found = match rounds {
            false => {
                let (expected, actual) = runs(3);
                each_near(&expected, &actual)
            }
            true => {
                let (expected, actual) = runs(1);
                all_near(&run(graph.clone(), &Interpreter(Device::Cpu), 0), &expected, &actual)
            }
        };
        wrong.extend(found.into_iter().map(|what| format!("{what} of `{layers}`")));
    }
    wrong
}

type Results = [(String, Vec<f32>)];

/// Every output and every state within 1e-3.
fn each_near(expected: &Results, actual: &Results) -> Vec<String> {
    let gaps = expected.iter().zip(actual).map(|((name, a), (_, b))| (name, distance(a, b)));
    gaps.filter(|(_, gap)| *gap >= 1e-3).map(|(name, gap)| format!("{name}: {gap}")).collect()
}

/// Every output of a step within 1 %, or one image of those that are right, and the way of all states together within 25 % of its length: single numbers are
/// not near where a gradient of a few images is small, as its bf16 parts cancel out.
fn all_near(before: &Results, expected: &Results, actual: &Results) -> Vec<String> {
    let n_outputs = expected.len() - before.len();
    let mut wrong = Vec::new();
    for ((name, a), (_, b)) in expected.iter().zip(actual).take(n_outputs) {
        let gap = distance(a, b);
        // An image whose two largest scores are near may change sides.
        let is_near = name.starts_with(CORRECT) && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1.0);
        if gap >= 1e-2 && !is_near {
            wrong.push(format!("{name}: {gap}"));
        }
    }
    let length = |from: &Results, to: &Results| {
        let numbers = from.iter().zip(to).flat_map(|((_, a), (_, b))| a.iter().zip(b));
        numbers.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
    };
    let way = length(before, &expected[n_outputs..]);
    let gap = length(&expected[n_outputs..], &actual[n_outputs..]) / way;
    if gap.is_nan() || gap >= 0.25 {
        wrong.push(format!("the way of the states: {gap}"));
    }
    wrong
}
