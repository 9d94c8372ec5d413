//! Values that lie in another value's memory: under another shape, or as a part of it.

use std::collections::BTreeMap;

use crate::graph::op::Op;
use crate::graph::{Graph, Value};
use crate::kernels::cuda::moving;
use crate::ops::slice::SLICE;
use crate::plan::rows::Rows;

/// Where a value lies: the value whose memory that is, and so many numbers behind its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub owner: Value,
    pub offset: usize,
}

/// The parts that views are, and slices of values without a row an image whose numbers lie side by side.
pub fn parts(graph: &Graph, rows: &Rows) -> BTreeMap<Value, Part> {
    let mut parts: BTreeMap<Value, Part> = BTreeMap::new();
    for value in graph.values() {
        let node = graph.node(value);
        let within = match node.inputs.as_slice() {
            [_, ..] if node.op.is_view() => Some(0),
            &[from] if node.op.name() == SLICE.name() && !rows.has(parts[&from].owner) => {
                moving::offset(&node.attrs, graph.shape(from), &node.shape)
            }
            _ => None,
        };
        let own = match within {
            Some(offset) => {
                let from = parts[&node.inputs[0]];
                Part { offset: from.offset + offset, ..from }
            }
            None => Part { owner: value, offset: 0 },
        };
        parts.insert(value, own);
    }
    parts
}
