//! Reverse-mode differentiation: adds to a graph the nodes that compute the gradient of a scalar loss. Each op
//! brings its own rule; this walks the graph backwards and sums where a value is read more than once.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::Backward;
use crate::ops::binary::ADD;

/// The gradient of `loss` (a scalar) with respect to each of `targets`; `None` where the loss does not depend
/// on it. Only what lies between loss and targets is differentiated.
pub fn gradient(builder: &mut Builder, loss: Value, targets: &[Value]) -> Result<Vec<Option<Value>>, Fault> {
    if builder.shape(loss).elements() != 1 {
        return Err(Fault::internal(format!("a loss is one number, not {}", builder.shape(loss))));
    }
    let forward: Vec<Value> = builder.graph().values().collect();
    let mut needed: BTreeSet<Value> = targets.iter().copied().collect();
    for &value in &forward {
        if builder.graph().node(value).inputs.iter().any(|input| needed.contains(input)) {
            needed.insert(value);
        }
    }
    let mut grads: BTreeMap<Value, Value> = BTreeMap::new();
    let shape = builder.shape(loss).clone();
    grads.insert(loss, builder.constant(1.0, &shape));
    for &value in forward.iter().rev() {
        let node = builder.graph().node(value).clone();
        let Some(&grad) = grads.get(&value) else { continue };
        if !node.inputs.iter().any(|input| needed.contains(input)) {
            continue;
        }
        builder.origin = node.origin;
        let backward = Backward { attrs: &node.attrs, inputs: &node.inputs, output: value, grad };
        let contributions = node.op.gradient(&backward, builder)?;
        if contributions.len() != node.inputs.len() {
            return Err(Fault::internal(format!("the gradient of `{}` misses an input", node.op.name())));
        }
        for (&input, contribution) in node.inputs.iter().zip(contributions) {
            let (Some(contribution), true) = (contribution, needed.contains(&input)) else { continue };
            let sum = match grads.get(&input) {
                Some(&other) => builder.apply(&ADD, Attrs::new(), &[other, contribution])?,
                None => contribution,
            };
            grads.insert(input, sum);
        }
    }
    builder.origin = None;
    Ok(targets.iter().map(|target| grads.get(target).copied()).collect())
}
