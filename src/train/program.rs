//! The static graphs of a run: one that trains (forward, loss, backward, update) and one that evaluates, each
//! for a batch size.

use std::collections::BTreeSet;

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::{Graph, Init, StateKind, Value};
use crate::layers::lowering::Mode;
use crate::model::lower::{Lowered, lower, lower_with};
use crate::model::{Instance, Model, outputs};
use crate::ops::argmax::ARGMAX;
use crate::ops::binary::{ADD, MULTIPLY};
use crate::ops::cross_entropy::TOP1_CORRECT;
use crate::ops::reduce::{REDUCE_MEAN, REDUCE_SUM};
use crate::ops::reshape::RESHAPE;
use crate::passes::{gradient, optimize};
use crate::shape::Shape;
use crate::spec::{Arg, Args};
use crate::train::average;
use crate::train::clip::clipped;
use crate::train::groups;
use crate::train::losses::formula::Formula;
use crate::train::losses::{self, Given, Loss, Losses};
use crate::train::mixes;
use crate::train::numbers::{self, CARRIED, Lots, REST, SHARE, carries};
use crate::train::optimizers::{Part, Rule};
use crate::train::section::{Chosen, Decay, TrainSection};

pub use crate::data::samples::{LABELS, TARGETS};

/// Output of a training graph: the batch's mean loss.
pub const LOSS: &str = "loss";
/// Output of a training graph where images have classes to find: how many were classified right.
pub const CORRECT: &str = "correct";
/// Output of an evaluation graph: the loss of each image. Behind it stand those of further losses, and behind each, where it has
/// some, its weights; then the loss without smoothing.
pub const LOSSES: &str = "losses";
/// Output of an evaluation graph: how much of each image counts.
pub const WEIGHTS: &str = "weights";
/// Output of an evaluation graph where something looks at every output: what it should be.
pub const WANTED: &str = "wanted";
/// Output of an evaluation graph where images have classes to find: the class of each image's highest score.
pub const PREDICTED: &str = "predicted";
/// Output of an evaluation graph: the model's output for each image.
pub const SCORES: &str = "scores";

/// Forward, mean loss, gradients and the optimizer's update, before any pass but differentiation. Where several batches make an
/// update, it is that of the last of them.
pub fn training_graph(model: &Model, train: &TrainSection, batch: usize) -> Result<Graph, Fault> {
    staged_training_graph(model, train, batch).map(|(graph, _)| graph)
}

/// How many of a training graph's nodes come about going forward, and how many before the update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stages {
    pub forward: usize,
    pub gradient: usize,
}

/// The graph of a batch behind which there is an update, or of one whose gradients are only added up, with its stages.
pub fn staged_graph(
    model: &Model,
    train: &TrainSection,
    batch: usize,
    closes: bool,
) -> Result<(Graph, Stages), Fault> {
    match closes {
        true => staged_training_graph(model, train, batch),
        false => staged_gathering_graph(model, train, batch),
    }
}

fn staged_training_graph(
    model: &Model,
    train: &TrainSection,
    batch: usize,
) -> Result<(Graph, Stages), Fault> {
    let Backward { mut builder, parameters, grads, stages, .. } = backward(model, train, batch)?;
    let grads = match train.accumulate {
        1 => grads,
        _ => whole_window(&mut builder, &parameters, grads)?,
    };
    let grads = clipped(&mut builder, grads, train.clip)?;
    let optimizer = train.optimizer.what;
    let lots = Lots::of(model, train);
    let mut scalars: Vec<Vec<Value>> = Vec::new();
    for (lot, args) in lots.args.iter().enumerate() {
        let names = optimizer.scalars(args, 0.0, 1)?;
        let inputs =
            names.iter().map(|(name, _)| builder.input(&numbers::input(name, lot), &Shape::default()));
        scalars.push(inputs.collect());
    }
    let carried = carries(train).map(|_| [CARRIED, REST].map(|name| builder.input(name, &Shape::default())));
    for (Trained { name, value, part }, grad) in parameters.iter().zip(grads) {
        let (Some(grad), Some(lot)) = (grad, lots.lot(name)) else { continue };
        let args = match train.decay {
            Decay::Weights if *part == Part::Other => lots.args[lot].with("weight_decay", &Arg::Number(0.0)),
            Decay::All | Decay::Weights => lots.args[lot].clone(),
        };
        let (scalars, carried, part) = (&scalars[lot][..], carried, *part);
        let mut rule = Rule { builder: &mut builder, name, parameter: *value, part, grad, scalars, carried };
        let next = optimizer.update(&args, &mut rule)?;
        builder.update(*value, next)?;
    }
    average::add(&mut builder, train)?;
    Ok((builder.finish(), stages))
}

/// Forward, mean loss and gradients that are added to those of the window's batches before.
pub fn gathering_graph(model: &Model, train: &TrainSection, batch: usize) -> Result<Graph, Fault> {
    staged_gathering_graph(model, train, batch).map(|(graph, _)| graph)
}

fn staged_gathering_graph(
    model: &Model,
    train: &TrainSection,
    batch: usize,
) -> Result<(Graph, Stages), Fault> {
    let Backward { mut builder, parameters, grads, stages, .. } = backward(model, train, batch)?;
    for (parameter, grad) in parameters.iter().zip(grads) {
        let Some(grad) = grad else { continue };
        let sum = sum_state(&mut builder, parameter)?;
        let next = builder.apply(&ADD, Attrs::new(), &[sum, grad])?;
        builder.update(sum, next)?;
    }
    Ok((builder.finish(), stages))
}

/// A parameter that is trained.
struct Trained {
    name: String,
    value: Value,
    part: Part,
}

/// A training's forward and backward pass.
struct Backward {
    builder: Builder,
    /// The output of each layer.
    layers: Vec<Value>,
    parameters: Vec<Trained>,
    /// Of the mean loss; where several batches make an update, of the sum of the losses.
    grads: Vec<Option<Value>>,
    stages: Stages,
}

fn backward(model: &Model, train: &TrainSection, batch: usize) -> Result<Backward, Fault> {
    let mut lowered = lower_with(model, batch, &|instance| mode(instance, train))?;
    let layers = std::mem::take(&mut lowered.layers);
    let output = lowered.output;
    let terms = terms(model, train, &lowered);
    let Compared { mut builder, losses, target, .. } = compare(lowered, train, &terms)?;
    let losses = match (&train.mix, train.reproduces()?) {
        (Some(_), false) => mixes::weighed(&mut builder, train.task()?, target, &terms, losses)?,
        // An image that is its own target is mixed already.
        (Some(_), true) | (None, _) => losses,
    };
    let terms: Vec<(f64, Losses)> = terms.iter().map(|term| term.share).zip(losses).collect();
    let scalar = Attrs::new().ints("shape", []);
    let mut loss: Option<Value> = None;
    for &(share, own) in &terms {
        let mean = mean(&mut builder, own)?;
        let mean = builder.apply(&RESHAPE, scalar.clone(), &[mean])?;
        let mut formula = Formula { builder: &mut builder };
        let mean = formula.affine(mean, share as f32, 0.0)?;
        loss = Some(match loss {
            Some(others) => formula.add(others, mean)?,
            None => mean,
        });
    }
    let loss = loss.ok_or_else(|| Fault::internal("a training without a loss"))?;
    builder.output(LOSS, loss);
    if train.classifies()? {
        let labels = target;
        let correct = builder.apply(&TOP1_CORRECT, Attrs::new(), &[output, labels])?;
        let correct = builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", [0]), &[correct])?;
        let correct = builder.apply(&RESHAPE, scalar.clone(), &[correct])?;
        builder.output(CORRECT, correct);
    }
    let objective = match (train.accumulate, terms.as_slice()) {
        (1, _) => loss,
        (_, &[(1.0, Losses { sums, weights: None })]) => {
            let sum = builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", [0]), &[sums])?;
            builder.apply(&RESHAPE, scalar, &[sum])?
        }
        // Each batch has weights of its own.
        (_, _) => Formula { builder: &mut builder }.affine(loss, batch as f32, 0.0)?,
    };
    let weights: BTreeSet<String> = weights(model).collect();
    let moves = |name: &str| !groups::terms(&train.groups, name).freeze;
    let trained =
        builder.graph().states.iter().filter(|own| own.kind == StateKind::Parameter && moves(&own.name));
    let trained = trained.map(|state| Trained {
        name: state.name.clone(),
        value: state.value,
        part: if weights.contains(&state.name) { Part::Weight } else { Part::Other },
    });
    let parameters: Vec<Trained> = trained.collect();
    let targets: Vec<Value> = parameters.iter().map(|own| own.value).collect();
    let forward = builder.graph().len();
    let grads = gradient::gradient(&mut builder, objective, &targets)?;
    let stages = Stages { forward, gradient: builder.graph().len() };
    Ok(Backward { builder, layers, parameters, grads, stages })
}

/// The weights of convolutions and linear layers: no biases, nor the scales and shifts of normalisation.
fn weights(model: &Model) -> impl Iterator<Item = String> + '_ {
    model.layers.iter().flat_map(|instance| {
        let own = instance.inferred.iter().flat_map(|inferred| &inferred.parameters);
        own.filter(|own| own.fans.is_some()).map(move |own| format!("{}.{}", instance.name, own.name))
    })
}

/// A layer that is frozen with its statistics does what it does in evaluation.
fn mode(instance: &Instance, train: &TrainSection) -> Mode {
    match groups::is_settled(&train.groups, instance) {
        true => Mode::Infer,
        false => Mode::Train { seed: train.seed },
    }
}

/// The sum of a parameter's gradients in the batches of a window so far.
fn sum_state(builder: &mut Builder, parameter: &Trained) -> Result<Value, Fault> {
    let shape = builder.shape(parameter.value).clone();
    builder.state(&format!("{}.sum", parameter.name), StateKind::Moment, &shape, Init::Constant(0.0))
}

/// The mean gradients of a window, and sums that begin anew.
fn whole_window(
    builder: &mut Builder,
    parameters: &[Trained],
    grads: Vec<Option<Value>>,
) -> Result<Vec<Option<Value>>, Fault> {
    let share = builder.input(SHARE, &Shape::default());
    let whole = |(parameter, grad): (&Trained, Option<Value>)| {
        let Some(grad) = grad else { return Ok(None) };
        let sum = sum_state(builder, parameter)?;
        let all = builder.apply(&ADD, Attrs::new(), &[sum, grad])?;
        let mean = builder.apply(&MULTIPLY, Attrs::new(), &[all, share])?;
        let shape = builder.shape(sum).clone();
        let nothing = builder.constant(0.0, &shape);
        builder.update(sum, nothing)?;
        Ok(Some(mean))
    };
    parameters.iter().zip(grads).map(whole).collect()
}

/// Forward, mean loss and gradients, with nothing to update but what the layers keep themselves.
pub struct Differentiated {
    pub builder: Builder,
    /// The output of each layer.
    pub layers: Vec<Value>,
    /// Each parameter's name and gradient; `None` where the loss does not depend on it. Where several batches make an update,
    /// it is that of the sum of the losses, else of their mean.
    pub gradients: Vec<(String, Option<Value>)>,
}

/// The graph that a training step differentiates, without the step.
pub fn differentiated(model: &Model, train: &TrainSection, batch: usize) -> Result<Differentiated, Fault> {
    let Backward { builder, layers, parameters, grads, .. } = backward(model, train, batch)?;
    let names = parameters.into_iter().map(|own| own.name);
    Ok(Differentiated { builder, layers, gradients: names.zip(grads).collect() })
}

/// Forward with each image's loss and class. Scores leave the graph, too, so that every device keeps them in the precision
/// that [`inference_graph`] gives.
pub fn evaluation_graph(model: &Model, train: &TrainSection, batch: usize) -> Result<Graph, Fault> {
    let lowered = lower(model, batch, Mode::Infer)?;
    let (output, further) = (lowered.output, lowered.outputs.clone());
    let terms = terms(model, train, &lowered);
    let Compared { mut builder, losses, plain, target, further: targets } = compare(lowered, train, &terms)?;
    for Losses { sums, weights } in losses.into_iter().chain(plain) {
        builder.output(LOSSES, sums);
        weights.into_iter().for_each(|weights| builder.output(WEIGHTS, weights));
    }
    if train.classifies()? {
        let predicted = builder.apply(&ARGMAX, Attrs::new(), &[output])?;
        builder.output(PREDICTED, predicted);
    }
    builder.output(SCORES, output);
    further.into_iter().zip(outputs::SCORES).for_each(|(output, name)| builder.output(name, output));
    let turns = |task: Task| matches!(task, Task::Masks | Task::Images);
    if turns(train.task()?) {
        builder.output(WANTED, target);
    }
    for ((own, target), name) in train.outputs.iter().zip(targets).zip(outputs::WANTED) {
        if turns(own.task) {
            builder.output(name, target);
        }
    }
    let mut graph = builder.finish();
    average::judge(&mut graph, train);
    Ok(graph)
}

/// The mean over a batch, as `1` or with one axis.
pub fn mean(builder: &mut Builder, Losses { sums, weights }: Losses) -> Result<Value, Fault> {
    let over_images = Attrs::new().ints("axes", [0]);
    let Some(weights) = weights else { return builder.apply(&REDUCE_MEAN, over_images, &[sums]) };
    let sum = builder.apply(&REDUCE_SUM, over_images.clone(), &[sums])?;
    let weight = builder.apply(&REDUCE_SUM, over_images, &[weights])?;
    let mut formula = Formula { builder };
    // Where nothing of the batch counts, the loss is 0.
    let weight = formula.affine(weight, 1.0, 1e-12)?;
    formula.divide(sum, weight)
}

/// How many numbers an image an evaluation graph gives for each loss: 1, or 2 with weights; and whether the last of them is
/// the loss without smoothing.
pub fn loss_columns(model: &Model, train: &TrainSection) -> Result<(Vec<usize>, HasPlain), Fault> {
    let lowered = lower(model, 1, Mode::Infer)?;
    let terms = terms(model, train, &lowered);
    let Compared { losses, plain, .. } = compare(lowered, train, &terms)?;
    let has = if plain.is_some() { HasPlain::Yes } else { HasPlain::No };
    let columns = losses.into_iter().chain(plain).map(|own| 1 + usize::from(own.weights.is_some()));
    Ok((columns.collect(), has))
}

/// Whether an evaluation tells a loss without smoothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HasPlain {
    Yes,
    No,
}

/// A loss, what of the model it holds against the target, and how much it counts.
#[derive(Clone, Copy)]
pub struct Term<'t> {
    pub loss: &'t Chosen<dyn Loss>,
    pub output: Value,
    pub share: f64,
    /// The further output that it is of, by its place in the model.
    of: Option<usize>,
}

/// The losses of the model's output, after them those of its further outputs, and then those of its auxiliary heads, where they are
/// lowered.
fn terms<'t>(model: &Model, train: &'t TrainSection, lowered: &Lowered) -> Vec<Term<'t>> {
    let output = lowered.output;
    let mut terms: Vec<Term<'t>> = train
        .all_losses()
        .map(|loss| Term { loss, output, share: losses::share(&loss.args), of: None })
        .collect();
    for (at, (own, &output)) in train.outputs.iter().zip(&lowered.outputs).enumerate() {
        terms.push(Term { loss: &own.loss, output, share: own.weight, of: Some(at) });
    }
    for (at, (head, &output)) in model.auxiliaries.iter().zip(&lowered.auxiliaries).enumerate() {
        let own = train.losses_of_auxiliary(at);
        terms.extend(own.map(|loss| Term {
            loss,
            output,
            share: head.weight * losses::share(&loss.args),
            of: None,
        }));
    }
    terms
}

/// A model's outputs held against their target.
struct Compared {
    builder: Builder,
    /// Of each term.
    losses: Vec<Losses>,
    /// A single loss without smoothing, where it has some.
    plain: Option<Losses>,
    /// What the output is held against.
    target: Value,
    /// What the further outputs are held against.
    further: Vec<Value>,
}

fn compare(lowered: Lowered, train: &TrainSection, terms: &[Term<'_>]) -> Result<Compared, Fault> {
    let Lowered { mut builder, images, output, outputs: further, .. } = lowered;
    let task = train.task()?;
    let own = builder.shape(output).clone();
    let target = match task {
        _ if train.reproduces()? => images,
        Task::Classes => builder.input(LABELS, &target_shape(task, &own)),
        Task::Labels | Task::Numbers | Task::Images | Task::Masks => {
            builder.input(TARGETS, &target_shape(task, &own))
        }
    };
    let mut more = Vec::with_capacity(further.len());
    for ((own, &output), name) in train.outputs.iter().zip(&further).zip(outputs::TARGETS) {
        let shape = target_shape(own.task, builder.shape(output));
        more.push((builder.input(name, &shape), own.task));
    }
    let mut lowered = |term: &Term<'_>, args: &Args| {
        let (target, task) = match term.of {
            None => (target, task),
            Some(at) => {
                *more.get(at).ok_or_else(|| Fault::internal("a loss of an output that is not there"))?
            }
        };
        let given = Given { output: term.output, target, task };
        term.loss.what.lower(args, &given, &mut Formula { builder: &mut builder })
    };
    let losses = terms.iter().map(|term| lowered(term, &term.loss.args)).collect::<Result<Vec<_>, _>>()?;
    let plain = match terms {
        [one] => match one.loss.what.plain(&one.loss.args) {
            Some(args) => Some(lowered(one, &args)?),
            None => None,
        },
        _ => None,
    };
    let further = more.into_iter().map(|(target, _)| target).collect();
    Ok(Compared { builder, losses, plain, target, further })
}

/// The shape of a batch's targets, for outputs of this shape.
fn target_shape(task: Task, output: &Shape) -> Shape {
    match task {
        Task::Classes => Shape::new(&output.dims()[..1]),
        Task::Labels | Task::Numbers | Task::Images => output.clone(),
        // A class a pixel, where there is a map of scores for each class.
        Task::Masks => {
            let dims = output.dims().iter().enumerate().filter(|(axis, _)| *axis != 1);
            dims.map(|(_, &extent)| extent).collect()
        }
    }
}

/// Forward alone.
pub fn inference_graph(model: &Model, batch: usize) -> Result<Graph, Fault> {
    let lowered = lower(model, batch, Mode::Infer)?;
    let mut builder = lowered.builder;
    builder.output(SCORES, lowered.output);
    lowered.outputs.into_iter().zip(outputs::SCORES).for_each(|(output, name)| builder.output(name, output));
    Ok(builder.finish())
}

/// A graph made ready to run.
pub fn optimized(graph: Graph) -> Result<Graph, Fault> {
    optimize(graph)
}
