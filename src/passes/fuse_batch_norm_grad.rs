//! The gradient of an activation behind a `batch_norm` is not stored: `batch_norm_grad_sums` and
//! `batch_norm_grad_input` mask what they read. Only where nothing else reads the masked gradient: a residual beside
//! the batch norm does, and so does the batch norm of a shortcut.
//!
//! They take the activation's result; or, where it follows from their own input, scale and shift, so that a value less
//! comes from memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::graph::{Graph, Node, Value};
use crate::ops::batch_norm::{ACTIVATIONS, BATCH_NORM, BATCH_NORM_GRAD_INPUT, BATCH_NORM_GRAD_SUMS};
use crate::passes::{Pass, Readers, rewrite};

pub struct FuseBatchNormGrad;

/// `n` readers that mask for themselves read `2 n` values; to store the masked gradient first moves `3 + n`.
const MAX_READERS: usize = 2;

impl Pass for FuseBatchNormGrad {
    fn name(&self) -> &'static str {
        "fuse_batch_norm_grad"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        let readers = Readers::new(graph);
        // Reader of a masked gradient → the mask; and the masks that go.
        let mut masked: BTreeMap<Value, Value> = BTreeMap::new();
        let mut swallowed: BTreeSet<Value> = BTreeSet::new();
        for mask in graph.values().filter(|&value| activation(graph, value).is_some()) {
            let Some(users) = readers.inner(mask) else { continue };
            let is_worth_it = (1..=MAX_READERS).contains(&users.len());
            if is_worth_it && users.iter().all(|&user| takes_mask(graph, user, mask)) {
                masked.extend(users.iter().map(|&user| (user, mask)));
                swallowed.insert(mask);
            }
        }
        rewrite(graph, |builder, places, value, node| {
            if swallowed.contains(&value) {
                return Ok(None);
            }
            let Some(&mask) = masked.get(&value) else {
                return Ok(Some(builder.copy(graph, value, &places.all(&node.inputs)?)));
            };
            let &[result, gradient] = graph.node(mask).inputs.as_slice() else {
                return Err(Fault::internal("the gradient of an activation takes 2 inputs"));
            };
            let mut inputs = node.inputs.clone();
            inputs[1] = gradient;
            match scale_and_shift(graph, result, node) {
                Some(pair) => inputs.extend(pair),
                None => inputs.push(result),
            }
            let attrs = match activation(graph, mask) {
                Some(name) => node.attrs.clone().text("activation", name),
                None => node.attrs.clone(),
            };
            builder.apply(node.op, attrs, &places.all(&inputs)?).map(Some)
        })
    }
}

/// The activation whose gradient a node is, where batch norm can take it.
fn activation(graph: &Graph, value: Value) -> Option<&'static str> {
    let name = graph.node(value).op.name();
    ACTIVATIONS.iter().find(|function| function.grad_name() == name).map(|function| function.name())
}

/// Scale and shift of the batch norm whose gradient `user` is, if `result` is what it makes of the input alone.
fn scale_and_shift(graph: &Graph, result: Value, user: &Node) -> Option<[Value; 2]> {
    let node = graph.node(result);
    let &[x, moments, scale, shift] = node.inputs.as_slice() else { return None };
    let same = [x, moments] == [user.inputs[0], user.inputs[2]]
        && node.attrs.get_float("epsilon") == user.attrs.get_float("epsilon");
    (node.op.name() == BATCH_NORM.name() && same).then_some([scale, shift])
}

/// Whether `user` is a gradient of a batch norm without a mask that reads `mask` as its gradient, and as nothing
/// else.
fn takes_mask(graph: &Graph, user: Value, mask: Value) -> bool {
    let node = graph.node(user);
    let n_inputs = match node.op.name() {
        name if name == BATCH_NORM_GRAD_SUMS.name() => 3,
        name if name == BATCH_NORM_GRAD_INPUT.name() => 5,
        _ => return false,
    };
    let places = (0..node.inputs.len()).filter(|&i| node.inputs[i] == mask);
    node.inputs.len() == n_inputs && places.eq([1])
}
