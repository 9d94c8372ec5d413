//! Every layer, and three small networks, against what PyTorch computes for the same numbers: outputs, running
//! statistics, and all gradients, on the reference and on the kernels. `fixtures/make.py` wrote the numbers.

use std::collections::{BTreeMap, BTreeSet};

use dslc::diag::{Fault, has_errors};
use dslc::graph::attrs::Attrs;
use dslc::graph::builder::Builder;
use dslc::graph::{Init, StateKind, Value};
use dslc::layers::LAYERS;
use dslc::layers::joins::JOINS;
use dslc::layers::lowering::Mode;
use dslc::model::Model;
use dslc::model::lower::{IMAGES, lower};
use dslc::ops::binary::MULTIPLY;
use dslc::ops::cross_entropy::CROSS_ENTROPY;
use dslc::ops::reduce::{REDUCE_MEAN, REDUCE_SUM};
use dslc::passes::gradient::gradient;
use dslc::run::{Backend, Session, StateInfo};
use dslc::shape::Shape;
use serde::Deserialize;

use crate::support::{TARGETS, check, distance};

/// The layers without a fixture, and why.
const RANDOM: &[(&str, &str)] = &[
    ("dropout", "draws its own numbers"),
    ("dropout2d", "draws its own numbers"),
    ("drop_path", "draws its own numbers"),
];

/// How far any number may be from PyTorch's, by the largest of its list.
const TOLERANCE: f32 = 2e-5;

/// Lists of parameters and buffers are in the order of the layers.
#[derive(Deserialize)]
struct Fixture {
    layers: String,
    /// The batch in front.
    shape: Vec<usize>,
    image: Vec<f32>,
    output: Vec<f32>,
    /// The loss is the sum of the output times these, or the mean cross-entropy of the labels.
    #[serde(default)]
    weights: Vec<f32>,
    #[serde(default)]
    labels: Vec<f32>,
    #[serde(default)]
    loss: Option<f32>,
    image_gradient: Vec<f32>,
    parameters: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    buffers: Vec<Vec<f32>>,
    buffers_after: Vec<Vec<f32>>,
}

fn fixtures() -> Vec<Fixture> {
    serde_json::from_str(include_str!("fixtures/pytorch.json")).unwrap()
}

fn model(fixture: &Fixture) -> Model {
    let input = Shape::new(&fixture.shape[1..]);
    let (experiment, found) = check(&format!("model T {{ input {input}; {} }}", fixture.layers));
    assert!(!has_errors(&found), "{}: {found:#?}", fixture.layers);
    experiment.model.unwrap()
}

/// The state that stands for the batch of images, so that it has a gradient.
const IMAGE: &str = "image";

/// The model in training, with its images as a state. Gives its output as well.
fn build(fixture: &Fixture) -> Result<(Builder, Value), Fault> {
    let lowered = lower(&model(fixture), fixture.shape[0], Mode::Train { seed: 0 })?;
    let (graph, output) = (lowered.builder.finish(), lowered.output);
    let mut builder = Builder::new();
    let mut copies: BTreeMap<Value, Value> = BTreeMap::new();
    for value in graph.values() {
        let node = graph.node(value);
        let copy = match node.name.as_deref() {
            Some(IMAGES) => builder.state(IMAGE, StateKind::Parameter, &node.shape, Init::Constant(0.0))?,
            _ => {
                let inputs: Vec<Value> = node.inputs.iter().map(|input| copies[input]).collect();
                builder.copy(&graph, value, &inputs)
            }
        };
        copies.insert(value, copy);
    }
    for update in &graph.updates {
        builder.update(copies[&update.state], copies[&update.value])?;
    }
    Ok((builder, copies[&output]))
}

/// Adds the loss.
fn loss(fixture: &Fixture, builder: &mut Builder, output: Value) -> Result<Value, Fault> {
    let (each, reduce) = match fixture.loss {
        None => {
            let shape = builder.shape(output).clone();
            let weights = builder.input("weights", &shape);
            (builder.apply(&MULTIPLY, Attrs::new(), &[output, weights])?, &REDUCE_SUM)
        }
        Some(_) => {
            let labels = builder.input("labels", &Shape::from([fixture.shape[0]]));
            (builder.apply(&CROSS_ENTROPY, Attrs::new(), &[output, labels])?, &REDUCE_MEAN)
        }
    };
    let axes: Vec<usize> = (0..builder.shape(each).rank()).collect();
    builder.apply(reduce, Attrs::new().ints("axes", axes), &[each])
}

/// Runs one step, and tells how far everything is from PyTorch.
fn compare(fixture: &Fixture, target: &dyn Backend, mut tell: impl FnMut(&str, f32)) -> Result<(), Fault> {
    let (mut builder, output) = build(fixture)?;
    let loss = loss(fixture, &mut builder, output)?;
    builder.output("output", output);
    builder.output("loss", loss);
    let states = builder.graph().states.clone();
    let parameters: Vec<_> = states.iter().filter(|s| s.kind == StateKind::Parameter).collect();
    let targets: Vec<Value> = parameters.iter().map(|state| state.value).collect();
    for (state, found) in parameters.iter().zip(gradient(&mut builder, loss, &targets)?) {
        builder.output(&state.name, found.ok_or_else(|| Fault::internal("no gradient"))?);
    }
    let mut session = target.compile(vec![builder.finish()])?.start(0)?;
    let of_kind = |session: &Session, kind: StateKind| {
        let kept = session.states().iter().filter(|s| s.kind == kind && s.name != IMAGE);
        kept.cloned().collect::<Vec<StateInfo>>()
    };
    let (trained, kept) = (of_kind(&session, StateKind::Parameter), of_kind(&session, StateKind::Buffer));
    assert_eq!([trained.len(), kept.len()], [fixture.parameters.len(), fixture.buffers.len()]);
    session.write_state(IMAGE, &fixture.image)?;
    for (states, lists) in [(&trained, &fixture.parameters), (&kept, &fixture.buffers)] {
        states.iter().zip(lists).try_for_each(|(state, list)| session.write_state(&state.name, list))?;
    }
    for (name, numbers) in [("weights", &fixture.weights), ("labels", &fixture.labels)] {
        if !numbers.is_empty() {
            session.write(0, name, |out| out.copy_from_slice(numbers))?;
        }
    }
    session.step(0)?;
    tell("output", distance(&fixture.output, &session.read(0, "output")?));
    if let Some(expected) = fixture.loss {
        tell("loss", distance(&[expected], &session.read(0, "loss")?));
    }
    tell("the image's gradient", distance(&fixture.image_gradient, &session.read(0, IMAGE)?));
    for (state, expected) in trained.iter().zip(&fixture.gradients) {
        tell(&state.name, distance(expected, &session.read(0, &state.name)?));
    }
    for (state, expected) in kept.iter().zip(&fixture.buffers_after) {
        tell(&state.name, distance(expected, &session.read_state(&state.name)?));
    }
    Ok(())
}

#[test]
fn pytorch_computes_the_same_numbers() {
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        for (target_name, target) in TARGETS {
            let title = format!("{} of {} on {target_name}", fixture.layers, Shape::new(&fixture.shape[..]));
            let tell = |what: &str, gap: f32| {
                if gap > TOLERANCE {
                    wrong.push(format!("{title}: {what} is off by {gap}"));
                }
            };
            if let Err(fault) = compare(&fixture, &*target(), tell) {
                wrong.push(format!("{title}: {fault}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_layer_is_compared_with_pytorch() {
    let mut compared: BTreeSet<&str> = RANDOM.iter().map(|(name, _)| *name).collect();
    for fixture in fixtures() {
        compared.extend(model(&fixture).layers.iter().map(|layer| layer.unit.spec().name));
    }
    let layers = LAYERS.iter().map(|layer| layer.spec().name);
    let all: BTreeSet<&str> = layers.chain(JOINS.iter().map(|join| join.spec().name)).collect();
    assert_eq!(compared, all);
}
