//! An experiment at the stages that people look at: the graph of a forward pass, and the graph that runs.

use std::collections::BTreeMap;

use crate::diag::Fault;
use crate::experiment::Experiment;
use crate::graph::op::Cost;
use crate::graph::{Graph, Node, Origin, print};
use crate::model::Model;
use crate::run::cpu;
use crate::source::{LIBRARY, Sources};
use crate::train::program::{inference_graph, optimized, training_graph};

/// The forward graph of inference, before any pass.
pub fn lowered(model: &Model, batch: usize) -> Result<Graph, Fault> {
    inference_graph(model, batch)
}

/// The graph before any pass: the training step where the experiment has one, else inference.
fn whole(experiment: &Experiment, model: &Model, batch: usize) -> Result<Graph, Fault> {
    match &experiment.train {
        Some(train) => training_graph(model, train, batch),
        None => inference_graph(model, batch),
    }
}

/// The graph that runs, after every pass.
pub fn fused(experiment: &Experiment, model: &Model, batch: usize) -> Result<Graph, Fault> {
    optimized(whole(experiment, model, batch)?)
}

/// What runs on one thread of a CPU, step by step, and where in memory.
pub fn planned(
    experiment: &Experiment,
    model: &Model,
    batch: usize,
    sources: &Sources,
) -> Result<String, Fault> {
    let graph = fused(experiment, model, batch)?;
    cpu::print::planned(graph, &|node: &Node| origin(node, model, sources))
}

/// The graph with the layer and the source line that each node came from.
pub fn text(graph: &Graph, model: &Model, sources: &Sources) -> String {
    print::text(graph, &|node: &Node| origin(node, model, sources))
}

/// The same without lines, which move when a comment is added.
pub fn text_by_layer(graph: &Graph, model: &Model) -> String {
    print::text(graph, &|node: &Node| Some(model.layers.get(node.origin? as usize)?.name.clone()))
}

fn origin(node: &Node, model: &Model, sources: &Sources) -> Option<String> {
    let instance = model.layers.get(node.origin? as usize)?;
    // The library's lines are not the user's.
    Some(match instance.span.file {
        LIBRARY => instance.name.clone(),
        file if file == model.name_span.file => {
            format!("{}, line {}", instance.name, sources.line(instance.span))
        }
        _ => format!("{}, {}", instance.name, sources.place(instance.span, model.name_span.file)),
    })
}

/// What the passes made of one layer.
pub struct Change {
    pub layer: String,
    pub line: usize,
    /// Names of the ops before and after, each once with its count.
    pub before: Vec<(&'static str, usize)>,
    pub after: Vec<(&'static str, usize)>,
    /// Of one step: operations and bytes moved, before and after.
    pub cost: [Cost; 2],
}

/// What the passes did, layer by layer; last, under an empty name, the nodes of no layer (loss and optimizer).
pub fn changes(
    experiment: &Experiment,
    model: &Model,
    batch: usize,
    sources: &Sources,
) -> Result<Vec<Change>, Fault> {
    let before = whole(experiment, model, batch)?;
    let after = optimized(before.clone())?;
    let (mut made, mut became) = (ops(&before), ops(&after));
    let of = |origin: Origin| {
        let (names_before, cost_before) = made.remove(&origin).unwrap_or_default();
        let (names_after, cost_after) = became.remove(&origin).unwrap_or_default();
        let instance = origin.and_then(|at| model.layers.get(at as usize));
        Change {
            layer: instance.map_or_else(String::new, |instance| instance.name.clone()),
            line: instance.map_or(0, |instance| sources.line(instance.span)),
            before: names_before,
            after: names_after,
            cost: [cost_before, cost_after],
        }
    };
    Ok((0..model.layers.len() as u32).map(Some).chain([None]).map(of).collect())
}

/// Names of ops, each once with its count, and what they cost together.
type Ops = (Vec<(&'static str, usize)>, Cost);

/// The ops that come from each layer, in the order of their first appearance.
fn ops(graph: &Graph) -> BTreeMap<Origin, Ops> {
    let mut all: BTreeMap<Origin, Ops> = BTreeMap::new();
    for node in graph.values().map(|value| graph.node(value)).filter(|node| !node.inputs.is_empty()) {
        let (names, cost) = all.entry(node.origin).or_default();
        match names.iter_mut().find(|(name, _)| *name == node.op.name()) {
            Some((_, count)) => *count += 1,
            None => names.push((node.op.name(), 1)),
        }
        let inputs: Vec<_> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
        *cost += node.op.cost(&node.attrs, &inputs, &node.shape);
    }
    all
}
