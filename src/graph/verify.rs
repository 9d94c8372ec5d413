//! What must hold of every graph; run after each pass.

use std::collections::BTreeSet;

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::graph::{Graph, leaf};
use crate::shape::Shape;

/// Inputs exist and were made before; shapes are what the shape rules say; states and updates fit together.
pub fn verify(graph: &Graph) -> Result<(), Fault> {
    let mut made = BTreeSet::new();
    for value in graph.values() {
        let node = graph.node(value);
        let wrong =
            |what: String| Fault::internal(format!("%{} = {}: {what}", value.index(), node.op.name()));
        if let Some(input) = node.inputs.iter().find(|input| !made.contains(*input)) {
            return Err(wrong(format!("input %{} is not made before it", input.index())));
        }
        let shapes: Vec<&Shape> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
        let shape = node.op.shape(&node.attrs, &shapes).map_err(|fault| wrong(fault.message))?;
        if shape != node.shape {
            return Err(wrong(format!("has the shape {}, its rule says {shape}", node.shape)));
        }
        made.insert(value);
    }
    let states: BTreeSet<_> = graph.states.iter().map(|state| state.value).collect();
    let changed: BTreeSet<_> = graph.updates.iter().map(|update| update.state).collect();
    let mut updated = BTreeSet::new();
    for update in &graph.updates {
        if !states.contains(&update.state) || *graph.node(update.state).op != *(&leaf::STATE as &dyn Op) {
            return Err(Fault::internal(format!("%{} is updated but is no state", update.state.index())));
        }
        if !updated.insert(update.state) {
            return Err(Fault::internal(format!("%{} is updated twice", update.state.index())));
        }
        if changed.contains(&update.value) && update.value != update.state {
            return Err(Fault::internal(format!(
                "%{} takes a state that is updated itself",
                update.state.index()
            )));
        }
        if graph.shape(update.state) != graph.shape(update.value) {
            return Err(Fault::internal(format!("%{} is updated by another shape", update.state.index())));
        }
    }
    match graph.roots().iter().find(|root| !made.contains(*root)) {
        Some(root) => Err(Fault::internal(format!("the result %{} is not in the graph", root.index()))),
        None => Ok(()),
    }
}
