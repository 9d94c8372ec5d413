//! Optimizers, schedules and limits of gradients against PyTorch's numbers. `fixtures/optimizers.py` wrote them.

use dslc::diag::has_errors;
use dslc::experiment::Experiment;
use dslc::graph::attrs::Attrs;
use dslc::graph::builder::Builder;
use dslc::graph::{Init, StateKind, Value};
use dslc::ops::binary::{MULTIPLY, SUBTRACT};
use dslc::run::{Backend, Cpu};
use dslc::shape::Shape;
use dslc::train::average;
use dslc::train::clip::clipped;
use dslc::train::numbers::{CARRIED, Numbers, Place, REST};
use dslc::train::optimizers::{OPTIMIZERS, Part, Rule};
use dslc::train::program::training_graph;
use dslc::train::progress;
use dslc::train::schedules::{self, SCHEDULES};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::support::{check, experiment};

#[derive(Deserialize)]
struct Fixtures {
    weights: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    optimizers: Vec<Optimizer>,
    schedules: Vec<Schedule>,
    steps_per_epoch: u64,
    clips: Vec<Clip>,
    averages: Vec<Optimizer>,
    matrices: Vec<Matrix>,
    /// Ten steps under `one_cycle cycle_momentum=true`.
    cycled: Vec<Optimizer>,
    plateaus: Vec<Plateau>,
}

#[derive(Deserialize)]
struct Matrix {
    line: String,
    shape: Vec<usize>,
    steps: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Plateau {
    line: String,
    /// Of the epochs, and the factor behind each.
    losses: Vec<f64>,
    factors: Vec<f64>,
}

#[derive(Deserialize)]
struct Optimizer {
    line: String,
    /// The weights after each step.
    steps: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Schedule {
    line: String,
    /// At each step of the run.
    factors: Vec<f64>,
}

#[derive(Deserialize)]
struct Clip {
    line: String,
    gradients: Vec<Vec<f32>>,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/optimizers.json")).unwrap()
}

fn whole(text: &str) -> Experiment {
    let (experiment, found) = check(text);
    assert!(!has_errors(&found), "{found:#?}");
    experiment
}

fn word(line: &str) -> &str {
    line.split(' ').next().unwrap()
}

/// The weights after each of the gradients, of a parameter of this shape, where the schedule moves momentum and learning rate as
/// `train` says.
fn steps(
    lines: &str,
    (shape, part): (Shape, Part),
    weights: &[f32],
    gradients: &[Vec<f32>],
) -> Vec<Vec<f32>> {
    let experiment = experiment("flatten -> linear 10", lines);
    let (model, train) = (experiment.model.as_ref().unwrap(), experiment.train.as_ref().unwrap());
    let chosen = &train.optimizer;
    let numbers = |step: u64| {
        let progress = schedules::Progress { step: step - 1, total: 10, steps_per_epoch: 10, plateau: 1.0 };
        let (what, args) = (train.schedule.what, &train.schedule.args);
        let factor = schedules::factor(what, args, progress).unwrap();
        let momentum = schedules::momentum(what, args, progress).unwrap();
        Numbers::of(model, train).at(Place { factor, momentum }, step, 1).unwrap()
    };
    let mut builder = Builder::new();
    let init = Init::Repeated(Arc::from(weights));
    let parameter = builder.state("w", StateKind::Parameter, &shape, init).unwrap();
    let grad = builder.input("grad", &shape);
    let inputs: Vec<(String, Value)> = numbers(1)
        .into_iter()
        .map(|(name, _)| (name.clone(), builder.input(&name, &Shape::default())))
        .collect();
    let find = |wanted: &str| inputs.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    let scalars = chosen.what.scalars(&chosen.args, 1.0, 1).unwrap();
    let scalars: Vec<Value> = scalars.iter().map(|(name, _)| find(name).unwrap()).collect();
    let carried = find(CARRIED).zip(find(REST)).map(|(carried, rest)| [carried, rest]);
    let mut rule =
        Rule { builder: &mut builder, name: "w", parameter, part, grad, scalars: &scalars, carried };
    let next = chosen.what.update(&chosen.args, &mut rule).unwrap();
    builder.update(parameter, next).unwrap();
    let mut session = Cpu.compile(vec![builder.finish()]).unwrap().start(0).unwrap();
    let step = |(number, gradient): (u64, &Vec<f32>)| {
        session.write(0, "grad", |out| out.copy_from_slice(gradient)).unwrap();
        for (name, value) in numbers(number) {
            session.write(0, &name, |out| out[0] = value as f32).unwrap();
        }
        session.step(0).unwrap();
        session.read_state("w").unwrap()
    };
    (1..).zip(gradients).map(step).collect()
}

/// Holds weights after steps against those that are expected.
fn near(line: &str, found: &[Vec<f32>], expected: &[Vec<f32>], most: f32) {
    assert_eq!(found.len(), expected.len());
    for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (found, expected) in found.iter().zip(expected) {
            let gap = (found - expected).abs();
            assert!(gap <= most * expected.abs().max(0.1), "{line}, step {step}: {found}, not {expected}");
        }
    }
}

fn vector(weights: &[f32]) -> (Shape, Part) {
    (Shape::from([weights.len()]), Part::Other)
}

#[test]
fn ten_steps_of_every_optimizer_are_those_of_pytorch() {
    let Fixtures { weights, gradients, optimizers, .. } = fixtures();
    let tried: BTreeSet<&str> = optimizers.iter().map(|own| word(&own.line)).collect();
    let all: BTreeSet<&str> = OPTIMIZERS.iter().map(|optimizer| optimizer.spec().name).collect();
    assert_eq!(tried, all);
    for Optimizer { line, steps: expected } in optimizers {
        near(&line, &steps(&line, vector(&weights), &weights, &gradients), &expected, 1e-6);
    }
}

#[test]
fn matrices_move_as_with_pytorchs_muon_in_f32() {
    let Fixtures { weights, gradients, matrices, .. } = fixtures();
    for Matrix { line, shape, steps: expected } in matrices {
        let found = steps(&line, (Shape::new(shape.clone()), Part::Weight), &weights, &gradients);
        near(&line, &found, &expected, 5e-6);
        // The filters of a convolution are the rows of a matrix.
        let (rows, columns) = (shape[0], shape[1]);
        let filters = steps(&line, (Shape::from([rows, 1, 1, columns]), Part::Weight), &weights, &gradients);
        assert_eq!(filters, found);
    }
}

#[test]
fn momentum_moves_against_the_learning_rate_as_pytorch_moves_it() {
    let Fixtures { weights, gradients, cycled, .. } = fixtures();
    for Optimizer { line, steps: expected } in cycled {
        let lines = format!("{line}; schedule one_cycle cycle_momentum=true");
        near(&line, &steps(&lines, vector(&weights), &weights, &gradients), &expected, 1e-6);
    }
}

#[test]
fn a_plateau_lowers_the_rate_where_pytorch_lowers_it() {
    for Plateau { line, losses, factors } in fixtures().plateaus {
        let experiment = experiment("flatten -> linear 10", &format!("sgd lr=1; schedule plateau {line}"));
        let chosen = &experiment.train.as_ref().unwrap().schedule;
        let mut state = progress::Plateau::default();
        for (epoch, (loss, expected)) in losses.into_iter().zip(factors).enumerate() {
            state = chosen.what.behind(&chosen.args, state, loss).unwrap();
            let place =
                schedules::Progress { step: 5, total: 100, steps_per_epoch: 10, plateau: state.factor };
            let found = schedules::factor(chosen.what, &chosen.args, place).unwrap();
            assert!((found - expected).abs() < 1e-12, "{line}, epoch {epoch}: {found}, not {expected}");
        }
    }
}

#[test]
fn running_means_are_those_of_pytorch_and_timm() {
    let Fixtures { weights, gradients, averages, .. } = fixtures();
    for Optimizer { line, steps: expected } in averages {
        let experiment = experiment("flatten -> linear 10", &format!("sgd lr=0.1; ema {line}"));
        let train = experiment.train.as_ref().unwrap();
        let mut builder = Builder::new();
        let shape = Shape::from([weights.len()]);
        let init = Init::Repeated(Arc::from(&weights[..]));
        let parameter = builder.state("w", StateKind::Parameter, &shape, init).unwrap();
        let grad = builder.input("grad", &shape);
        let lr = builder.scalar(0.1);
        let step = builder.apply(&MULTIPLY, Attrs::new(), &[grad, lr]).unwrap();
        let next = builder.apply(&SUBTRACT, Attrs::new(), &[parameter, step]).unwrap();
        builder.update(parameter, next).unwrap();
        average::add(&mut builder, train).unwrap();
        let mut session = Cpu.compile(vec![builder.finish()]).unwrap().start(0).unwrap();
        assert_eq!(session.read_state("w.ema").unwrap(), weights, "a mean begins as its weights do");
        for (update, (gradient, expected)) in (1..).zip(gradients.iter().zip(&expected)) {
            session.write(0, "grad", |out| out.copy_from_slice(gradient)).unwrap();
            for (name, number) in average::numbers(train.ema.unwrap(), update) {
                session.write(0, name, |out| out[0] = number as f32).unwrap();
            }
            session.step(0).unwrap();
            for (found, expected) in session.read_state("w.ema").unwrap().iter().zip(expected) {
                let gap = (found - expected).abs();
                assert!(gap <= 1e-6 * expected.abs().max(0.1), "{line}, {update}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn every_schedule_follows_that_of_pytorch() {
    let Fixtures { schedules, steps_per_epoch, .. } = fixtures();
    let tried: BTreeSet<&str> =
        schedules.iter().map(|own| word(&own.line)).chain(["constant", "plateau"]).collect();
    let all: BTreeSet<&str> = SCHEDULES.iter().map(|schedule| schedule.spec().name).collect();
    assert_eq!(tried, all);
    for Schedule { line, factors } in schedules {
        let text = format!(
            "model T {{ input 4; linear 10 }}\ntrain {{ loss cross_entropy; optimizer sgd lr=1; schedule {line} }}"
        );
        let experiment = whole(&text);
        let chosen = &experiment.train.as_ref().unwrap().schedule;
        let total = factors.len() as u64;
        for (step, expected) in (0..).zip(factors) {
            let progress = schedules::Progress { step, total, steps_per_epoch, plateau: 1.0 };
            let found = schedules::factor(chosen.what, &chosen.args, progress).unwrap();
            assert!((found - expected).abs() < 1e-7, "{line} at step {step}: {found}, not {expected}");
        }
    }
}

#[test]
fn gradients_are_clipped_as_pytorch_clips_them() {
    let Fixtures { gradients, clips, .. } = fixtures();
    for Clip { line, gradients: expected } in clips {
        let text = format!(
            "model T {{ input 4; linear 10 }}\ntrain {{ loss cross_entropy; optimizer sgd lr=1; clip {line} }}"
        );
        let experiment = whole(&text);
        let mut builder = Builder::new();
        let names = ["a", "b"];
        let inputs = names.map(|name| builder.input(name, &Shape::from([gradients[0].len()])));
        let with_none = vec![Some(inputs[0]), None, Some(inputs[1])];
        let limits = experiment.train.as_ref().unwrap().clip;
        let found = clipped(&mut builder, with_none, limits).unwrap();
        assert!(found[1].is_none());
        for (name, value) in names.iter().zip([found[0], found[2]]) {
            builder.output(&format!("clipped {name}"), value.unwrap());
        }
        let mut session = Cpu.compile(vec![builder.finish()]).unwrap().start(0).unwrap();
        for (name, numbers) in names.iter().zip(&gradients) {
            session.write(0, name, |out| out.copy_from_slice(numbers)).unwrap();
        }
        session.step(0).unwrap();
        for (name, expected) in names.iter().zip(&expected) {
            let found = session.read(0, &format!("clipped {name}")).unwrap();
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(1e-3));
            assert!(near, "{line}: {found:?}, not {expected:?}");
        }
    }
}

/// Nodes of the training graph with these lines in `train`.
fn n_nodes(layers: &str, lines: &str) -> usize {
    let text = format!(
        "model T {{ input 3x8x8; {layers} }}\ntrain {{ loss cross_entropy; optimizer sgd lr=0.1 weight_decay=0.1; {lines} }}"
    );
    let experiment = whole(&text);
    let train = experiment.train.as_ref().unwrap();
    training_graph(experiment.model.as_ref().unwrap(), train, 4).unwrap().values().count()
}

#[test]
fn decay_leaves_biases_and_norms_alone_where_it_is_asked_to() {
    let layers = "conv2d 4 3x3 -> batch_norm -> relu -> flatten -> linear 10";
    // A decay is a number, a product and a sum for each parameter: of two biases, a scale and a shift.
    assert_eq!(n_nodes(layers, "decay on=all"), n_nodes(layers, ""));
    assert_eq!(n_nodes(layers, "") - n_nodes(layers, "decay on=weights"), 3 * 4);
}
