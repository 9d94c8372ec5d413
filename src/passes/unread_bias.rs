//! A number added to all values of a channel in front of a `batch_norm` is subtracted again with the batch's
//! mean, so its gradient, the sum of `batch_norm_grad_input` over a channel, is 0 (up to rounding): the sum is
//! not taken. This is the bias of a convolution, where it has one.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::graph::{Graph, Node};
use crate::ops::batch_norm::BATCH_NORM_GRAD_INPUT;
use crate::ops::moments::statistics_axes;
use crate::ops::reduce::REDUCE_SUM;
use crate::passes::{Pass, rebuild};

pub struct UnreadBias;

impl Pass for UnreadBias {
    fn name(&self) -> &'static str {
        "unread_bias"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        rebuild(graph, |builder, value, node, inputs| match is_zero(graph, node) {
            true => Ok(Some(builder.constant(0.0, &node.shape))),
            false => Ok(Some(builder.copy(graph, value, inputs))),
        })
    }
}

/// Whether a node sums the input gradient of a batch norm over whole channels.
fn is_zero(graph: &Graph, node: &Node) -> bool {
    let [summed] = node.inputs.as_slice() else { return false };
    let gradient = graph.node(*summed);
    let axes = statistics_axes(gradient.shape.rank());
    node.op.name() == REDUCE_SUM.name()
        && gradient.op.name() == BATCH_NORM_GRAD_INPUT.name()
        && gradient.attrs.get_text("statistics") == "batch"
        && axes.iter().all(|axis| node.attrs.get_ints("axes").contains(axis))
}
