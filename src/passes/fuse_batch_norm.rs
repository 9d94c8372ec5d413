//! `batch_norm` with the residual and the activation behind it becomes one node, so that memory is passed over
//! once: `relu(batch_norm(x) + residual)`, and each part of it that stands alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::graph::{Graph, Value};
use crate::ops::batch_norm::{ACTIVATIONS, BATCH_NORM};
use crate::ops::binary::ADD;
use crate::passes::{Pass, Readers, rewrite};

pub struct FuseBatchNorm;

/// What becomes of the last node of a chain.
struct Fused {
    batch_norm: Value,
    residual: Option<Value>,
    activation: Option<&'static str>,
}

impl Pass for FuseBatchNorm {
    fn name(&self) -> &'static str {
        "fuse_batch_norm"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        let readers = Readers::new(graph);
        let mut fused: BTreeMap<Value, Fused> = BTreeMap::new();
        let mut swallowed: BTreeSet<Value> = BTreeSet::new();
        // An activation comes behind its sum, and takes it along.
        for last in graph.values().rev().filter(|last| graph.node(*last).name.is_none()) {
            if swallowed.contains(&last) {
                continue;
            }
            let (sum, activation) = match activation(graph, last) {
                Some(name) if readers.only(graph.node(last).inputs[0], last) => {
                    (graph.node(last).inputs[0], Some(name))
                }
                _ => (last, None),
            };
            let found = match residual(graph, &readers, sum) {
                Some((batch_norm, residual)) => Some((batch_norm, Some(residual))),
                None if activation.is_some() && is_plain(graph, sum) => Some((sum, None)),
                None => None,
            };
            let Some((batch_norm, residual)) = found else { continue };
            swallowed.extend([sum, batch_norm].into_iter().filter(|&inner| inner != last));
            fused.insert(last, Fused { batch_norm, residual, activation });
        }
        rewrite(graph, |builder, places, value, node| {
            if swallowed.contains(&value) {
                return Ok(None);
            }
            let Some(Fused { batch_norm, residual, activation }) = fused.get(&value) else {
                return Ok(Some(builder.copy(graph, value, &places.all(&node.inputs)?)));
            };
            let norm = graph.node(*batch_norm);
            let mut inputs = places.all(&norm.inputs)?;
            if let Some(residual) = residual {
                inputs.push(places.get(*residual)?);
            }
            let attrs = match activation {
                Some(name) => norm.attrs.clone().text("activation", name),
                None => norm.attrs.clone(),
            };
            builder.origin = norm.origin;
            builder.apply(&BATCH_NORM, attrs, &inputs).map(Some)
        })
    }
}

/// The activation that a node is, where a batch norm can take it.
fn activation(graph: &Graph, value: Value) -> Option<&'static str> {
    let name = graph.node(value).op.name();
    ACTIVATIONS.iter().map(|function| function.name()).find(|known| *known == name)
}

/// A batch norm that nothing was fused to.
fn is_plain(graph: &Graph, value: Value) -> bool {
    let node = graph.node(value);
    node.op.name() == BATCH_NORM.name()
        && node.inputs.len() == 4
        && node.attrs.get_text("activation").is_empty()
}

/// The batch norm and the residual that a sum consists of.
fn residual(graph: &Graph, readers: &Readers<'_>, sum: Value) -> Option<(Value, Value)> {
    let node = graph.node(sum);
    let &[a, b] = node.inputs.as_slice() else { return None };
    if node.op.name() != ADD.name() || graph.shape(a) != graph.shape(b) {
        return None;
    }
    let candidates = [(a, b), (b, a)].into_iter();
    candidates.filter(|(norm, _)| is_plain(graph, *norm)).find(|(norm, _)| readers.only(*norm, sum))
}
