//! Losses with their gradients against PyTorch's numbers, metrics against scikit-learn's. `fixtures/losses.py` wrote them.

use std::collections::{BTreeMap, BTreeSet};

use dslc::data::sample::Task;
use dslc::graph::builder::Builder;
use dslc::passes::gradient::gradient;
use dslc::passes::optimize;
use dslc::shape::Shape;
use dslc::train::losses::formula::Formula;
use dslc::train::losses::{Given, LOSSES};
use dslc::train::metrics::tally::Tally;
use dslc::train::metrics::{Context, METRICS};
use dslc::train::program::mean;
use serde::Deserialize;

use crate::support::{TARGETS, check};

#[derive(Deserialize)]
struct Fixtures {
    losses: Vec<Loss>,
    metrics: Vec<Measured>,
}

#[derive(Deserialize)]
struct Loss {
    line: String,
    task: String,
    shape: Vec<usize>,
    output: Vec<f32>,
    target: Vec<f32>,
    loss: f32,
    gradient: Vec<f32>,
}

#[derive(Deserialize)]
struct Measured {
    task: String,
    n: usize,
    images: usize,
    output: Vec<f32>,
    target: Vec<f32>,
    values: BTreeMap<String, f64>,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/losses.json")).unwrap()
}

#[test]
fn every_loss_and_its_gradient_are_those_of_pytorch() {
    let Fixtures { losses, .. } = fixtures();
    let tried: BTreeSet<&str> = losses.iter().map(|own| own.line.split(' ').next().unwrap()).collect();
    let all: BTreeSet<&str> = LOSSES.iter().map(|loss| loss.spec().name).collect();
    assert_eq!(tried, all);
    for Loss { line, task, shape, output, target, loss, gradient: expected } in losses {
        let (experiment, found) = check(&format!("train {{ loss {line}; optimizer adam }}"));
        let chosen = experiment.train.unwrap_or_else(|| panic!("{line}: {found:?}")).loss;
        let task = Task::named(&task);
        assert!(chosen.what.takes().contains(&task), "{line}");
        let build = || {
            let mut builder = Builder::new();
            let value = builder.input("output", &Shape::new(&shape));
            let wanted = match task {
                Task::Classes => Shape::from([shape[0]]),
                Task::Masks => Shape::from([shape[0], shape[2], shape[3]]),
                Task::Labels | Task::Numbers | Task::Images => Shape::new(&shape),
            };
            let given = Given { output: value, target: builder.input("target", &wanted), task };
            let own =
                chosen.what.lower(&chosen.args, &given, &mut Formula { builder: &mut builder }).unwrap();
            let total = mean(&mut builder, own).unwrap();
            let grads = gradient(&mut builder, total, &[value]).unwrap();
            builder.output("loss", total);
            builder.output("gradient", grads[0].unwrap());
            optimize(builder.finish()).unwrap()
        };
        for (name, make) in TARGETS {
            let mut session = make().compile(vec![build()]).unwrap().start(0).unwrap();
            session.put(0, "output", &output).unwrap();
            session.put(0, "target", &target).unwrap();
            session.step(0).unwrap();
            let found = session.read(0, "loss").unwrap()[0];
            assert!(
                (found - loss).abs() <= 1e-6 * loss.abs().max(1.0),
                "{line} on {name}: {found}, not {loss}"
            );
            let most = expected.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            for (found, expected) in session.read(0, "gradient").unwrap().iter().zip(&expected) {
                assert!((found - expected).abs() <= 2e-6 * most, "{line} on {name}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn every_metric_is_that_of_scikit_learn() {
    let Fixtures { metrics, .. } = fixtures();
    let mut tried = BTreeSet::new();
    for Measured { task, n, images, output, target, values } in metrics {
        let context = Context { task: Task::named(&task), n, gives_probabilities: false };
        let mut tally = Tally::new(context, METRICS, images);
        let (of_output, of_target) = (output.len() / images, target.len() / images);
        for (output, target) in output.chunks(of_output).zip(target.chunks(of_target)) {
            if context.task == Task::Classes {
                let best =
                    (1..n).fold(0, |best, class| if output[class] > output[best] { class } else { best });
                tally.found(target[0] as usize, best);
            }
            tally.add(output, target);
        }
        let found: BTreeMap<String, f64> =
            tally.figures().iter().map(|own| (own.metric.spec.name.to_owned(), own.value)).collect();
        assert_eq!(found.keys().collect::<Vec<_>>(), values.keys().collect::<Vec<_>>(), "{task}");
        for (name, expected) in values {
            let found = found[&name];
            assert!((found - expected).abs() < 1e-6, "{name} of {task}: {found}, not {expected}");
            tried.insert(name);
        }
    }
    assert_eq!(tried, METRICS.iter().map(|metric| metric.spec.name.to_owned()).collect());
}
