//! A training whose loss is no number → the first value that is none: in which layer, and whether it came about going forward,
//! in a gradient or in an update.
//!
//! While a training goes well nothing is kept for this. The steps since the last state on disk are taken again, to the same
//! bits, and the step that broke is evaluated node by node as the ops define it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::{Value as Json, json};

use crate::data::Dataset;
use crate::data::loader::Mode;
use crate::data::parts::training_order;
use crate::data::samples::Images;
use crate::diag::{Fault, codes};
use crate::graph::op::Op;
use crate::graph::{Graph, StateKind, Value, leaf};
use crate::layers::lowering::STEP;
use crate::model::Model;
use crate::run::walk::walk;
use crate::source::Span;
use crate::train::checkpoint::States;
use crate::train::feed::{Made, Pass};
use crate::train::numbers::Numbers;
use crate::train::prepared::prepare;
use crate::train::probe::layer_of;
use crate::train::program::{Stages, staged_graph};
use crate::train::replay::{Before, Broken};
use crate::train::trainer::{Job, Start};

/// Images that are named on the terminal.
const NAMED: usize = 6;

/// Where the first number that is none came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub kind: Kind,
    /// The step, counted from 1.
    pub step: u64,
    pub epoch: usize,
    /// Of the model.
    pub layer: Option<usize>,
    /// What is computed there: an op.
    pub op: &'static str,
    /// The parameter whose update it is.
    pub parameter: Option<String>,
    /// The largest numbers, signs left out, of what it is computed from.
    pub from: Vec<(String, f32)>,
    /// The largest number that each layer gave before, in the order of the model.
    pub layers: Vec<(String, f32)>,
    /// What the images of the batch are called.
    pub images: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The images have it already.
    Images,
    Forward,
    Gradient,
    Update,
}

/// Looks for it. `start` is where the training can be continued before the broken step; without one it is trained again from its
/// beginning. `None` where the ops' definitions give numbers everywhere, or where the validation broke and no step.
///
/// Errors: a training that cannot be repeated, because it began with the weights of a file and has saved no state yet.
pub fn hunt(
    job: Job<'_>,
    dataset: &Dataset,
    start: Option<Start<'_>>,
    broken: Broken,
) -> Result<Option<Found>, Fault> {
    if start.is_none() && job.train.weights.is_some() {
        let message = "the training began with the weights of a file, and had saved no state yet";
        return Err(Fault::new(codes::TRAINING_NEEDS, message));
    }
    let course = prepare(job, dataset)?.course;
    let Before { progress, states } = prepare(job, dataset)?.replay(start, broken)?;
    let first = progress.begun.as_ref().map_or(0, |begun| begun.images);
    let epoch = progress.epochs + 1;
    let order = training_order(job.data, dataset, job.train.seed, epoch as u32)?;
    let batch: Vec<u32> = order.iter().skip(first).take(job.batch).copied().collect();
    // Behind the last step only the validation is left, perhaps beside an image that is not trained on.
    if course.programs.training(batch.len()).is_none() {
        return Ok(None);
    }
    let windows = course.windows();
    let (graph, stages) = staged_graph(job.model, job.train, batch.len(), windows.closes(first))?;

    let feed = course.feed()?;
    let way = Pass { order: &order, from: first, batch: job.batch, epoch: epoch as u32, mode: Mode::Train };
    let Made { images, others } = feed.make(way, (first, &batch), Made::default())?;
    let fields = feed.names().map(str::to_owned);
    let mut given: BTreeMap<String, Vec<f32>> = fields.zip(std::iter::once(images).chain(others)).collect();
    let drawn = windows.number(progress.step, first);
    given.insert(STEP.to_owned(), vec![drawn as f32]);
    let numbers = Numbers::of(job.model, job.train);
    let told = numbers.at(course.place(&progress)?, progress.step + 1, windows.images_beside(first))?;
    given.extend(told.into_iter().map(|(name, number)| (name, vec![number as f32])));

    let mut largest: BTreeMap<Value, f32> = BTreeMap::new();
    let mut broke = None;
    walk(
        &graph,
        &|name| given.get(name).cloned().or_else(|| states.read_state(name).ok()),
        &mut |value, numbers| {
            largest.insert(value, numbers.iter().fold(0.0, |most: f32, number| most.max(number.abs())));
            match numbers.iter().all(|number| number.is_finite()) {
                true => ControlFlow::Continue(()),
                false => {
                    broke = Some(value);
                    ControlFlow::Break(())
                }
            }
        },
    )?;
    let Some(value) = broke else { return Ok(None) };
    let node = graph.node(value);
    let kind = match value.index() {
        _ if node.op.name() == leaf::INPUT.name() => Kind::Images,
        at if at < stages.forward => Kind::Forward,
        at if at < stages.gradient => Kind::Gradient,
        _ => Kind::Update,
    };
    let parameter = if kind == Kind::Update { updated(&graph, value) } else { None };
    let of_parameter = || layer_of(job.model, parameter.as_ref()?);
    Ok(Some(Found {
        kind,
        step: progress.step + 1,
        epoch,
        layer: node.origin.map(|origin| origin as usize).or_else(of_parameter),
        op: node.op.name(),
        parameter,
        from: from(&graph, job.model, value, &largest),
        layers: by_layer(&graph, job.model, stages, &largest),
        images: batch.iter().map(|&index| name(dataset, index)).collect(),
    }))
}

/// The parameter that a value of an update leads to.
fn updated(graph: &Graph, value: Value) -> Option<String> {
    let mut reached = vec![value];
    let mut at = 0;
    while at < reached.len() {
        let own = reached[at];
        let update = graph.updates.iter().find(|update| update.value == own);
        let state = update.and_then(|update| graph.state_of(update.state));
        if let Some(state) = state.filter(|state| state.kind == StateKind::Parameter) {
            return Some(state.name.clone());
        }
        let users = graph.users(own).into_iter().filter(|user| !reached.contains(user));
        let users: Vec<Value> = users.collect();
        reached.extend(users);
        at += 1;
    }
    None
}

/// What a value is computed from, with the largest number of each.
fn from(graph: &Graph, model: &Model, value: Value, largest: &BTreeMap<Value, f32>) -> Vec<(String, f32)> {
    let called = |input: Value| {
        let node = graph.node(input);
        match (&node.name, node.origin.and_then(|origin| model.layers.get(origin as usize))) {
            (Some(name), _) => name.clone(),
            (None, Some(layer)) => format!("{} of {}", node.op.name(), layer.name),
            (None, None) => node.op.name().to_owned(),
        }
    };
    let inputs = graph.node(value).inputs.iter();
    inputs.filter_map(|input| Some((called(*input), *largest.get(input)?))).collect()
}

/// The largest number of what each layer computes going forward.
fn by_layer(
    graph: &Graph,
    model: &Model,
    stages: Stages,
    largest: &BTreeMap<Value, f32>,
) -> Vec<(String, f32)> {
    let mut most: BTreeMap<u32, f32> = BTreeMap::new();
    for (value, number) in largest.iter().filter(|(value, _)| value.index() < stages.forward) {
        let node = graph.node(*value);
        if let (Some(origin), false) = (node.origin, node.inputs.is_empty()) {
            let own = most.entry(origin).or_default();
            *own = own.max(*number);
        }
    }
    let named =
        |(origin, number): (u32, f32)| Some((model.layers.get(origin as usize)?.name.clone(), number));
    most.into_iter().filter_map(named).collect()
}

fn name(dataset: &Dataset, index: u32) -> String {
    match &dataset.samples.images {
        Images::Read(pictures) => pictures.name(index as usize),
        Images::Bytes { .. } | Images::Numbers { .. } | Images::Kept(_) => format!("image {index}"),
        Images::Signals { .. } => format!("{} {index}", dataset.samples.images.form().one()),
    }
}

impl Found {
    /// Where the layer stands in the text.
    pub fn span(&self, model: &Model) -> Option<Span> {
        self.layer.and_then(|at| model.layers.get(at)).map(|layer| layer.span)
    }

    /// What is to be told, beside what `fault` says already.
    pub fn told(&self, model: &Model, fault: Fault) -> Fault {
        let layer = self.layer.and_then(|at| model.layers.get(at)).map(|layer| layer.name.as_str());
        let layer = layer.unwrap_or("the loss");
        let (step, epoch) = (self.step, self.epoch);
        let what = match self.kind {
            Kind::Images => "the images hold numbers that are not finite".to_owned(),
            Kind::Forward => format!("going forward, `{layer}` gives the first number that is not finite"),
            Kind::Gradient => {
                format!("going backward, the gradient of `{layer}` has the first number that is not finite")
            }
            Kind::Update => match &self.parameter {
                Some(parameter) => {
                    format!("the update of `{parameter}` gives the first number that is not finite")
                }
                None => "the update gives the first number that is not finite".to_owned(),
            },
        };
        let label = match self.kind {
            Kind::Images => "not the first layer's fault".to_owned(),
            Kind::Forward => "what it gives is no number any more".to_owned(),
            Kind::Gradient => "its gradient is no number any more".to_owned(),
            Kind::Update => "its weights are no numbers any more".to_owned(),
        };
        let from: Vec<String> =
            self.from.iter().map(|(name, most)| format!("{name} reaches {most:.3e}")).collect();
        let fault = match self.kind {
            Kind::Gradient | Kind::Update => {
                fault.advise("`clip norm=1`, which shortens gradients that are too large")
            }
            Kind::Images | Kind::Forward => fault,
        };
        let mut fault = Fault { label, ..fault }.note(format!("step {step} (epoch {epoch}): {what}"));
        if !from.is_empty() {
            fault = fault.note(format!("in `{}`: {}", self.op, from.join(", ")));
        }
        let named: Vec<&str> = self.images.iter().take(NAMED).map(String::as_str).collect();
        let more = match self.images.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        fault.note(format!("the batch: {}{more}", named.join(", ")))
    }

    /// All that was found, for a file.
    pub fn json(&self, model: &Model) -> Json {
        let kind = match self.kind {
            Kind::Images => "images",
            Kind::Forward => "forward",
            Kind::Gradient => "gradient",
            Kind::Update => "update",
        };
        let pairs = |pairs: &[(String, f32)]| -> Json {
            pairs.iter().map(|(name, most)| json!({ "name": name, "largest": f64::from(*most) })).collect()
        };
        json!({
            "kind": kind,
            "step": self.step,
            "epoch": self.epoch,
            "layer": self.layer.and_then(|at| model.layers.get(at)).map(|layer| layer.name.as_str()),
            "op": self.op,
            "parameter": self.parameter,
            "computed_from": pairs(&self.from),
            "layers": pairs(&self.layers),
            "images": self.images,
        })
    }
}
