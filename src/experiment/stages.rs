//! An experiment at the stages that people look at: the graph of a forward pass, and the graph that runs.

use crate::diag::Fault;
use crate::experiment::Experiment;
use crate::graph::{Graph, Node, print};
use crate::model::Model;
use crate::source::{LIBRARY, Sources};
use crate::train::program::{inference_graph, optimized, training_graph};

/// The forward graph of inference, before any pass.
pub fn lowered(model: &Model, batch: usize) -> Result<Graph, Fault> {
    inference_graph(model, batch)
}

/// The graph that runs, after every pass: the training step where the experiment has one, else inference.
pub fn finished(experiment: &Experiment, model: &Model, batch: usize) -> Result<Graph, Fault> {
    optimized(match &experiment.train {
        Some(train) => training_graph(model, train, batch)?,
        None => inference_graph(model, batch)?,
    })
}

/// The graph with the layer and the source line that each node came from.
pub fn text(graph: &Graph, model: &Model, sources: &Sources) -> String {
    print::text(graph, &|node: &Node| {
        let instance = model.layers.get(node.origin? as usize)?;
        // The library's lines are not the user's.
        Some(match instance.span.file {
            LIBRARY => instance.name.clone(),
            file if file == model.name_span.file => {
                format!("{}, line {}", instance.name, sources.line(instance.span))
            }
            _ => format!("{}, {}", instance.name, sources.place(instance.span, model.name_span.file)),
        })
    })
}
