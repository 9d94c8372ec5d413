//! Graph → which values hold a row an image.
//!
//! Inputs of rank 1 or more hold one; scalar inputs are settings of the step. Which other values do follows from there, by what
//! each op says of itself ([`Op::batching`]).
//!
//! [`Op::batching`]: crate::graph::op::Op::batching

use std::collections::BTreeMap;

use crate::graph::op::{Batching, Op, Operand};
use crate::graph::{Graph, Node, Value, leaf};

pub struct Rows {
    /// Images in the batch; 0 where the inputs do not agree on it.
    pub batch: usize,
    values: BTreeMap<Value, Batching>,
}

impl Rows {
    pub fn new(graph: &Graph) -> Rows {
        let mut rows = Rows { batch: batch(graph), values: BTreeMap::new() };
        for value in graph.values() {
            let batching = rows.find(graph, graph.node(value));
            rows.values.insert(value, batching);
        }
        rows
    }

    /// What a value's op does with the batch; a leaf has rows, or is whole.
    pub fn batching(&self, value: Value) -> Batching {
        self.values[&value]
    }

    /// Whether a value's first axis counts images.
    pub fn has(&self, value: Value) -> bool {
        self.batching(value) == Batching::Rows
    }

    /// A node's inputs as its op looks at them.
    pub fn operands<'g>(&self, graph: &'g Graph, node: &Node) -> Vec<Operand<'g>> {
        let operand = |&input: &Value| Operand { shape: graph.shape(input), batched: self.has(input) };
        node.inputs.iter().map(operand).collect()
    }

    fn find(&self, graph: &Graph, node: &Node) -> Batching {
        let is = |op: &dyn Op| node.op.name() == op.name();
        let leads = self.batch > 0 && node.shape.dims().first() == Some(&self.batch);
        if is(&leaf::INPUT) || is(&leaf::STATE) || is(&leaf::CONSTANT) {
            // A constant is the same everywhere, so the rows of one are as good as the whole.
            let has_rows = leads && (is(&leaf::INPUT) || is(&leaf::CONSTANT));
            return if has_rows { Batching::Rows } else { Batching::Whole };
        }
        let operands = self.operands(graph, node);
        if !leads && !operands.iter().any(|operand| operand.batched) {
            return Batching::Whole;
        }
        match node.op.batching(&node.attrs, &operands, &node.shape) {
            Batching::Rows if !leads => Batching::Whole,
            batching => batching,
        }
    }
}

/// The extent that the first axes of all inputs with axes have in common; 0 if there is none.
fn batch(graph: &Graph) -> usize {
    let mut extents = graph.inputs.iter().filter_map(|&input| graph.shape(input).dims().first().copied());
    let Some(first) = extents.next() else { return 0 };
    if extents.all(|extent| extent == first) { first } else { 0 }
}
