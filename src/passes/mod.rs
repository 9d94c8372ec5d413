//! Graph → Graph. Each pass is one file; [`PASSES`] is their order, and the graph is verified after each.

pub mod cse;
pub mod dce;
pub mod fold;
pub mod fold_batch_norm;
pub mod fuse_batch_norm;
pub mod fuse_batch_norm_grad;
pub mod fuse_bias;
pub mod fuse_pointwise;
pub mod fuse_pool;
pub mod gradient;
pub mod simplify;
pub mod unread_bias;

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Fault;
use crate::graph::builder::Builder;
use crate::graph::verify::verify;
use crate::graph::{Graph, Node, Value};

/// A rewriting that keeps the meaning of a graph: its outputs and updates.
pub trait Pass: Sync {
    fn name(&self) -> &'static str;

    fn run(&self, graph: &Graph) -> Result<Graph, Fault>;
}

/// The passes, in the order they run. Batch norms that fold away are not there to be fused; dead code goes before
/// fusions, which ask who reads a value, and behind them, for the constants that they took in.
pub static PASSES: &[&dyn Pass] = &[
    &fold_batch_norm::FoldBatchNorm,
    &unread_bias::UnreadBias,
    &fold::Fold,
    &simplify::Simplify,
    &cse::CommonSubexpressions,
    &dce::DeadCode,
    &fuse_bias::FuseBias,
    &fuse_pool::FusePool,
    &dce::DeadCode,
    &fuse_batch_norm::FuseBatchNorm,
    &fuse_batch_norm_grad::FuseBatchNormGrad,
    &fuse_pointwise::FusePointwise,
    &dce::DeadCode,
];

/// Runs every pass.
pub fn optimize(graph: Graph) -> Result<Graph, Fault> {
    verify(&graph)?;
    PASSES.iter().try_fold(graph, |graph, pass| {
        let graph = pass.run(&graph)?;
        verify(&graph).map_err(|fault| Fault::internal(format!("after pass `{}`: {fault}", pass.name())))?;
        Ok(graph)
    })
}

/// Where the values of an old graph are in the new one.
#[derive(Default)]
pub struct Places(BTreeMap<Value, Value>);

impl Places {
    /// The value that stands for an old one.
    pub fn get(&self, value: Value) -> Result<Value, Fault> {
        let place = self.0.get(&value).copied();
        place.ok_or_else(|| Fault::internal(format!("%{} was removed but is read", value.index())))
    }

    pub fn all(&self, values: &[Value]) -> Result<Vec<Value>, Fault> {
        values.iter().map(|&value| self.get(value)).collect()
    }
}

/// Rebuilds a graph node by node. `visit` sees each node with its inputs in the new graph and gives the value
/// that stands for it, or `None` to remove it; what is left out must not be read.
pub fn rebuild(
    graph: &Graph,
    mut visit: impl FnMut(&mut Builder, Value, &Node, &[Value]) -> Result<Option<Value>, Fault>,
) -> Result<Graph, Fault> {
    rewrite(graph, |builder, places, value, node| {
        // Inputs of a node that is itself left out may be gone.
        let Ok(inputs) = places.all(&node.inputs) else { return Ok(None) };
        visit(builder, value, node, &inputs)
    })
}

/// Like [`rebuild`], for nodes that read something else in the new graph than in the old: `visit` finds any
/// earlier value's place itself.
pub fn rewrite(
    graph: &Graph,
    mut visit: impl FnMut(&mut Builder, &Places, Value, &Node) -> Result<Option<Value>, Fault>,
) -> Result<Graph, Fault> {
    let mut builder = Builder::new();
    let mut places = Places::default();
    for value in graph.values() {
        let node = graph.node(value);
        builder.origin = node.origin;
        if let Some(new) = visit(&mut builder, &places, value, node)? {
            places.0.insert(value, new);
        }
    }
    builder.origin = None;
    for output in &graph.outputs {
        let value = places.get(output.value)?;
        builder.output(&output.name, value);
    }
    for update in &graph.updates {
        builder.update(places.get(update.state)?, places.get(update.value)?)?;
    }
    Ok(builder.finish())
}

/// Who reads each value. A fusion may swallow a value only if one node reads it, once, and no output and no
/// update does.
pub struct Readers<'a> {
    graph: &'a Graph,
    roots: BTreeSet<Value>,
}

impl<'a> Readers<'a> {
    pub fn new(graph: &'a Graph) -> Readers<'a> {
        Readers { graph, roots: graph.roots() }
    }

    /// The nodes that read `value`, if it is neither an output nor an update.
    pub fn inner(&self, value: Value) -> Option<BTreeSet<Value>> {
        (!self.roots.contains(&value)).then(|| self.graph.users(value))
    }

    /// Whether `reader` alone reads `value`, and once.
    pub fn only(&self, value: Value, reader: Value) -> bool {
        let times = self.graph.node(reader).inputs.iter().filter(|&&input| input == value).count();
        times == 1 && self.inner(value).is_some_and(|readers| readers.len() == 1 && readers.contains(&reader))
    }
}
