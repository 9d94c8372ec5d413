//! The graph of a batch → the graph of one process's images, where several processes share the batch.
//!
//! Every value that has a row an image has the rows of these images alone. A sum over the images becomes the sum over these, and
//! the processes add theirs up before anybody reads it. Means and variances are made of those of the processes, weighted by
//! their images (Chan, Golub, LeVeque: Algorithms for computing the sample variance, 1983).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diag::Fault;
use crate::graph::attrs::{Attr, Attrs};
use crate::graph::builder::Builder;
use crate::graph::op::{Batching, Op};
use crate::graph::{Graph, Node, Value, leaf};
use crate::ops::batch_norm::matrix_row;
use crate::ops::binary::{ADD, MULTIPLY, SUBTRACT};
use crate::ops::concat::CONCAT;
use crate::ops::dropout_mask::{DROPOUT_MASK, FIRST};
use crate::ops::moments::MOMENTS;
use crate::ops::reshape::RESHAPE;
use crate::plan::rows::Rows;

/// A process's part of a graph.
pub struct Part {
    pub graph: Graph,
    /// The values that all processes must add up where they are made.
    pub sums: BTreeSet<Value>,
    /// The values of which each process has the rows of its images.
    pub rows: BTreeSet<Value>,
    /// The values of the whole graph that the values of this one are parts of; those in between have none.
    pub wholes: BTreeMap<Value, Value>,
}

/// The part of a graph that has these images of the batch; `None` where an op needs all of them at once.
pub fn part(graph: &Graph, images: &Range<usize>) -> Result<Option<Part>, Fault> {
    let rows = Rows::new(graph);
    // A constant is the same number everywhere, so any part of it will do.
    let is_constant = |value: Value| graph.node(value).op.name() == leaf::CONSTANT.name();
    let has_rows = |value: Value| rows.has(value) && !is_constant(value);
    let needs_all = |value: Value| {
        rows.batching(value) == Batching::Whole
            && graph.node(value).inputs.iter().any(|&input| has_rows(input))
    };
    let keeps_rows = graph.updates.iter().any(|update| has_rows(update.value));
    if rows.batch == 0 || keeps_rows || graph.values().any(needs_all) {
        return Ok(None);
    }
    let mut made =
        Parting { builder: Builder::new(), batch: rows.batch, images: images.clone(), sums: BTreeSet::new() };
    let mut values: BTreeMap<Value, Value> = BTreeMap::new();
    for value in graph.values() {
        let node = graph.node(value);
        made.builder.origin = node.origin;
        let batching = if is_constant(value) { Batching::Whole } else { rows.batching(value) };
        let mut inputs: Vec<Value> = node.inputs.iter().map(|input| values[input]).collect();
        for (own, &input) in inputs.iter_mut().zip(&node.inputs) {
            if is_constant(input) && rows.has(input) && batching != Batching::Whole {
                *own = made.rows(graph.node(input), &[])?;
            }
        }
        let own = match batching {
            Batching::Whole => made.builder.copy(graph, value, &inputs),
            Batching::Rows => made.rows(node, &inputs)?,
            Batching::Sum if node.op.name() == MOMENTS.name() => made.moments(node, &inputs)?,
            Batching::Sum => made.sum(node.op, node.attrs.clone(), &inputs)?,
        };
        values.insert(value, own);
    }
    let Parting { mut builder, sums, .. } = made;
    for output in &graph.outputs {
        builder.output(&output.name, values[&output.value]);
    }
    for update in &graph.updates {
        builder.update(values[&update.state], values[&update.value])?;
    }
    let rows = graph.values().filter(|&value| has_rows(value)).map(|value| values[&value]).collect();
    let wholes = values.into_iter().map(|(whole, own)| (own, whole)).collect();
    Ok(Some(Part { graph: builder.finish(), sums, rows, wholes }))
}

/// A part that is being made.
struct Parting {
    builder: Builder,
    batch: usize,
    images: Range<usize>,
    sums: BTreeSet<Value>,
}

impl Parting {
    /// A node with a row an image, for these images.
    fn rows(&mut self, node: &Node, inputs: &[Value]) -> Result<Value, Fault> {
        let mut shape = node.shape.clone();
        shape.0[0] = self.images.len();
        if node.op.name() == leaf::INPUT.name() {
            return Ok(self.builder.input(node.name.as_deref().unwrap_or_default(), &shape));
        }
        if node.op.name() == leaf::CONSTANT.name() {
            return Ok(self.builder.constant(node.attrs.get_float("value"), &shape));
        }
        let mut attrs = Attrs::new();
        for (name, attr) in node.attrs.iter() {
            attrs = match attr {
                // What the node makes, batch and all.
                Attr::Ints(extents) if ["shape", "input"].contains(name) && *extents == node.shape.dims() => {
                    attrs.ints(name, shape.dims())
                }
                other => attrs.with(&(*name, other.clone())),
            };
        }
        if node.op.name() == DROPOUT_MASK.name() {
            let row = node.shape.elements() / self.batch;
            attrs = attrs.int(FIRST, (self.images.start * row) as i64);
        }
        let own = self.builder.apply(node.op, attrs, inputs)?;
        match self.builder.shape(own) == &shape {
            true => Ok(own),
            false => Err(Fault::internal(format!("the images' rows of `{}`", node.op.name()))),
        }
    }

    /// A value that the processes add up.
    fn sum(&mut self, op: &'static dyn Op, attrs: Attrs, inputs: &[Value]) -> Result<Value, Fault> {
        let own = self.builder.apply(op, attrs, inputs)?;
        self.sums.insert(own);
        Ok(own)
    }

    /// Mean and variance of the whole batch: the mean of the means, and the mean of the variances with the squared distances
    /// of the means from it, each by the share of its images.
    fn moments(&mut self, node: &Node, inputs: &[Value]) -> Result<Value, Fault> {
        let own = self.builder.apply(node.op, node.attrs.clone(), inputs)?;
        let [mean, variance] = [0, 1].map(|row| matrix_row(&mut self.builder, own, row));
        let (mean, variance) = (mean?, variance?);
        let share = self.builder.scalar(self.images.len() as f32 / self.batch as f32);
        let whole_mean = self.sum(&MULTIPLY, Attrs::new(), &[mean, share])?;
        let apply = |builder: &mut Builder, op, a, b| builder.apply(op, Attrs::new(), &[a, b]);
        let distance = apply(&mut self.builder, &SUBTRACT, mean, whole_mean)?;
        let squared = apply(&mut self.builder, &MULTIPLY, distance, distance)?;
        let around = apply(&mut self.builder, &ADD, variance, squared)?;
        let whole_variance = self.sum(&MULTIPLY, Attrs::new(), &[around, share])?;
        let row = Attrs::new().ints("shape", [1, self.builder.shape(mean).elements()]);
        let rows = [whole_mean, whole_variance].map(|own| self.builder.apply(&RESHAPE, row.clone(), &[own]));
        let [mean, variance] = rows;
        self.builder.apply(&CONCAT, Attrs::new().int("axis", 0), &[mean?, variance?])
    }
}
