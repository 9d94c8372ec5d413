//! The static graphs of a run: one that trains (forward, loss, backward, update) and one that evaluates, each
//! for a batch size.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::{Graph, Init, StateKind, Value};
use crate::layers::lowering::Mode;
use crate::model::Model;
use crate::model::lower::{Lowered, lower};
use crate::ops::argmax::ARGMAX;
use crate::ops::cross_entropy::TOP1_CORRECT;
use crate::ops::reduce::{REDUCE_MEAN, REDUCE_SUM};
use crate::ops::reshape::RESHAPE;
use crate::passes::{gradient, optimize};
use crate::shape::Shape;
use crate::spec::Arg;
use crate::train::clip::clipped;
use crate::train::optimizers::Rule;
use crate::train::section::{Decay, TrainSection};

pub use crate::data::samples::LABELS;

/// Output of a training graph: the batch's mean loss.
pub const LOSS: &str = "loss";
/// Output of a training graph where images have classes to find: how many were classified right.
pub const CORRECT: &str = "correct";
/// Output of an evaluation graph: the loss of each image.
pub const LOSSES: &str = "losses";
/// Output of an evaluation graph where images have classes to find: the class of each image's highest score.
pub const PREDICTED: &str = "predicted";
/// Output of an evaluation graph: the model's output for each image.
pub const SCORES: &str = "scores";

/// Forward, mean loss, gradients and the optimizer's update, before any pass but differentiation.
pub fn training_graph(model: &Model, train: &TrainSection, batch: usize) -> Result<Graph, Fault> {
    let lowered = lower(model, batch, Mode::Train { seed: train.seed })?;
    let output = lowered.output;
    let Compared { mut builder, losses, labels } = compare(lowered, train, batch)?;
    let mean = builder.apply(&REDUCE_MEAN, Attrs::new().ints("axes", [0]), &[losses])?;
    let scalar = Attrs::new().ints("shape", []);
    let loss = builder.apply(&RESHAPE, scalar.clone(), &[mean])?;
    builder.output(LOSS, loss);
    if let Some(labels) = labels {
        let correct = builder.apply(&TOP1_CORRECT, Attrs::new(), &[output, labels])?;
        let correct = builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", [0]), &[correct])?;
        let correct = builder.apply(&RESHAPE, scalar, &[correct])?;
        builder.output(CORRECT, correct);
    }

    let trained = builder.graph().states.iter().filter(|state| state.kind == StateKind::Parameter);
    let parameters: Vec<(String, Value, bool)> = trained
        .map(|state| (state.name.clone(), state.value, is_weight(&state.init, builder.shape(state.value))))
        .collect();
    let targets: Vec<Value> = parameters.iter().map(|(_, value, _)| *value).collect();
    let grads = gradient::gradient(&mut builder, loss, &targets)?;
    let grads = clipped(&mut builder, grads, train.clip)?;
    let optimizer = train.optimizer.what;
    let names = optimizer.scalars(&train.optimizer.args, 0.0, 1)?;
    let scalars: Vec<Value> = names.iter().map(|(name, _)| builder.input(name, &Shape::default())).collect();
    for ((name, parameter, is_weight), grad) in parameters.iter().zip(grads) {
        let Some(grad) = grad else { continue };
        let args = match train.decay {
            Decay::Weights if !is_weight => train.optimizer.args.with("weight_decay", &Arg::Number(0.0)),
            Decay::All | Decay::Weights => train.optimizer.args.clone(),
        };
        let mut rule = Rule { builder: &mut builder, name, parameter: *parameter, grad, scalars: &scalars };
        let next = optimizer.update(&args, &mut rule)?;
        builder.update(*parameter, next)?;
    }
    Ok(builder.finish())
}

/// Forward, mean loss and gradients, with nothing to update but what the layers keep themselves.
pub struct Differentiated {
    pub builder: Builder,
    /// The output of each layer.
    pub layers: Vec<Value>,
    /// Each parameter's name and gradient; `None` where the loss does not depend on it.
    pub gradients: Vec<(String, Option<Value>)>,
}

/// The graph that a training step differentiates, without the step.
pub fn backward(model: &Model, train: &TrainSection, batch: usize) -> Result<Differentiated, Fault> {
    let mut lowered = lower(model, batch, Mode::Train { seed: train.seed })?;
    let layers = std::mem::take(&mut lowered.layers);
    let Compared { mut builder, losses, .. } = compare(lowered, train, batch)?;
    let mean = builder.apply(&REDUCE_MEAN, Attrs::new().ints("axes", [0]), &[losses])?;
    let loss = builder.apply(&RESHAPE, Attrs::new().ints("shape", []), &[mean])?;
    let trained = builder.graph().states.iter().filter(|state| state.kind == StateKind::Parameter);
    let (names, targets): (Vec<String>, Vec<Value>) =
        trained.map(|state| (state.name.clone(), state.value)).unzip();
    let gradients = gradient::gradient(&mut builder, loss, &targets)?;
    Ok(Differentiated { builder, layers, gradients: names.into_iter().zip(gradients).collect() })
}

/// Whether a parameter is a weight of a convolution or a linear layer: biases have one axis, and the scales and shifts of
/// normalisation begin at one number.
fn is_weight(init: &Init, shape: &Shape) -> bool {
    shape.rank() >= 2 && !matches!(init, Init::Constant(_))
}

/// Forward with each image's loss and class. Scores leave the graph, too, so that every device keeps them in the precision
/// that [`inference_graph`] gives.
pub fn evaluation_graph(model: &Model, train: &TrainSection, batch: usize) -> Result<Graph, Fault> {
    let lowered = lower(model, batch, Mode::Infer)?;
    let output = lowered.output;
    let Compared { mut builder, losses, labels } = compare(lowered, train, batch)?;
    builder.output(LOSSES, losses);
    if labels.is_some() {
        let predicted = builder.apply(&ARGMAX, Attrs::new(), &[output])?;
        builder.output(PREDICTED, predicted);
    }
    builder.output(SCORES, output);
    Ok(builder.finish())
}

/// A model's output held against its target.
struct Compared {
    builder: Builder,
    /// The loss of each image.
    losses: Value,
    /// The classes, where they are the target.
    labels: Option<Value>,
}

fn compare(lowered: Lowered, train: &TrainSection, batch: usize) -> Result<Compared, Fault> {
    let Lowered { mut builder, images, output, .. } = lowered;
    let labels = train.classifies()?.then(|| builder.input(LABELS, &Shape::from([batch])));
    let losses = train.loss.what.lower(&train.loss.args, output, labels.unwrap_or(images), &mut builder)?;
    Ok(Compared { builder, losses, labels })
}

/// Forward alone.
pub fn inference_graph(model: &Model, batch: usize) -> Result<Graph, Fault> {
    let lowered = lower(model, batch, Mode::Infer)?;
    let mut builder = lowered.builder;
    builder.output(SCORES, lowered.output);
    Ok(builder.finish())
}

/// A graph made ready to run.
pub fn optimized(graph: Graph) -> Result<Graph, Fault> {
    optimize(graph)
}
