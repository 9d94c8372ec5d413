//! Graph → Graph. Each pass is one file; [`PASSES`] is their order, and the graph is verified after each.

pub mod cse;
pub mod dce;
pub mod fuse_bias;
pub mod fuse_pool;
pub mod gradient;

use std::collections::BTreeMap;

use crate::diag::Fault;
use crate::graph::builder::Builder;
use crate::graph::verify::verify;
use crate::graph::{Graph, Node, Value};

/// A rewriting that keeps the meaning of a graph: its outputs and updates.
pub trait Pass: Sync {
    fn name(&self) -> &'static str;

    fn run(&self, graph: &Graph) -> Result<Graph, Fault>;
}

/// The passes, in the order they run. Fusions count readers, so dead ones go before; and they leave dead nodes behind.
pub static PASSES: &[&dyn Pass] =
    &[&cse::CommonSubexpressions, &dce::DeadCode, &fuse_bias::FuseBias, &fuse_pool::FusePool, &dce::DeadCode];

/// Runs every pass.
pub fn optimize(graph: Graph) -> Result<Graph, Fault> {
    verify(&graph)?;
    PASSES.iter().try_fold(graph, |graph, pass| {
        let graph = pass.run(&graph)?;
        verify(&graph).map_err(|fault| Fault::internal(format!("after pass `{}`: {fault}", pass.name())))?;
        Ok(graph)
    })
}

/// Rebuilds a graph node by node. `visit` sees each node with its inputs in the new graph and gives the value
/// that stands for it, or `None` to leave it out; what is left out must not be read.
pub fn rebuild(
    graph: &Graph,
    mut visit: impl FnMut(&mut Builder, Value, &Node, &[Value]) -> Result<Option<Value>, Fault>,
) -> Result<Graph, Fault> {
    let mut builder = Builder::new();
    let mut places: BTreeMap<Value, Value> = BTreeMap::new();
    let place = |places: &BTreeMap<Value, Value>, value: Value| {
        places
            .get(&value)
            .copied()
            .ok_or_else(|| Fault::internal(format!("%{} was removed but is read", value.index())))
    };
    for value in graph.values() {
        let node = graph.node(value);
        let inputs = node.inputs.iter().map(|&input| place(&places, input)).collect::<Result<Vec<_>, _>>();
        // Inputs of a node that is itself left out may be gone.
        let Ok(inputs) = inputs else { continue };
        builder.origin = node.origin;
        if let Some(new) = visit(&mut builder, value, node, &inputs)? {
            places.insert(value, new);
        }
    }
    builder.origin = None;
    for output in &graph.outputs {
        let value = place(&places, output.value)?;
        builder.output(&output.name, value);
    }
    for update in &graph.updates {
        builder.update(place(&places, update.state)?, place(&places, update.value)?)?;
    }
    Ok(builder.finish())
}
