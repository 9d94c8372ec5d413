//! Moves a bias, and a relu behind it, into the convolution or matrix product before them, which then writes its
//! result once instead of three times.
//!
//! It runs after differentiation. The gradient of a relu reads the relu's result, so nobody misses the values
//! between; where somebody reads them all the same, they stay.

use std::collections::BTreeSet;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::{Graph, Node, Value};
use crate::ops::epilogue::has_relu;
use crate::passes::{Pass, rebuild};

pub struct FuseBias;

impl Pass for FuseBias {
    fn name(&self) -> &'static str {
        "fuse_bias"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        let roots = graph.roots();
        rebuild(graph, |builder, value, node, inputs| {
            let end = match node.op.name() {
                "add" => bias(builder, node, inputs).map(|bias| (Some(bias), false)),
                "relu" => Some((None, true)),
                _ => None,
            };
            let product = node.inputs.first().filter(|product| is_read_once(graph, &roots, **product));
            match (end, product, inputs.first()) {
                (Some((bias, relu)), Some(_), Some(&product)) if takes_end(builder, product, bias) => {
                    fuse(builder, product, bias, relu).map(Some)
                }
                _ => Ok(Some(builder.copy(graph, value, inputs))),
            }
        })
    }
}

/// Whether one node alone reads a value.
fn is_read_once(graph: &Graph, roots: &BTreeSet<Value>, value: Value) -> bool {
    !roots.contains(&value) && graph.users(value).len() == 1
}

/// The value of rank 1 that an `add` adds along axis 1 of its first input, if that is all it does.
fn bias(builder: &Builder, node: &Node, inputs: &[Value]) -> Option<Value> {
    let [product, added] = *inputs else { return None };
    let view = builder.graph().node(added);
    let along_axis_1 = |(axis, &extent): (usize, &usize)| match axis {
        1 => extent == node.shape.dims()[1],
        _ => extent == 1,
    };
    let fits = builder.shape(product) == &node.shape
        && view.shape.rank() == node.shape.rank()
        && view.shape.dims().iter().enumerate().all(along_axis_1);
    let flat = view.inputs.first().filter(|flat| builder.shape(**flat).rank() == 1);
    flat.copied().filter(|_| fits && view.op.name() == "reshape")
}

/// Whether a value is a product that has no end yet, or has a bias and gets no further one.
fn takes_end(builder: &Builder, product: Value, bias: Option<Value>) -> bool {
    let node = builder.graph().node(product);
    matches!(node.op.name(), "conv2d" | "matmul")
        && !has_relu(&node.attrs)
        && node.attrs.get_int("transpose_a") == 0
        && (bias.is_none() || node.inputs.len() == 2)
}

fn fuse(builder: &mut Builder, product: Value, bias: Option<Value>, relu: bool) -> Result<Value, Fault> {
    let Node { op, attrs, mut inputs, origin, .. } = builder.graph().node(product).clone();
    inputs.extend(bias);
    builder.origin = origin;
    let attrs: Attrs = if relu { attrs.text("activation", "relu") } else { attrs };
    builder.apply(op, attrs, &inputs)
}
