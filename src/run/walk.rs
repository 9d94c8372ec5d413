//! A graph evaluated node by node on the CPU, as its ops define it, with each value shown as it comes about.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::graph::{Graph, Value, leaf};
use crate::tensor::{self, Device, Tensor};

/// Runs a graph once, until `seen` breaks off. `given` has the numbers of its inputs and states, by their names.
pub fn walk(
    graph: &Graph,
    given: &dyn Fn(&str) -> Option<Vec<f32>>,
    seen: &mut dyn FnMut(Value, &[f32]) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let dead = graph.last_readers();
    let mut values: BTreeMap<Value, Tensor> = BTreeMap::new();
    for value in graph.values() {
        let node = graph.node(value);
        let is_leaf = [leaf::INPUT.name(), leaf::STATE.name()].contains(&node.op.name());
        let tensor = match &node.name {
            Some(name) if is_leaf => {
                let numbers = given(name).filter(|numbers| numbers.len() == node.shape.elements());
                let numbers = numbers.ok_or_else(|| Fault::internal(format!("`{name}` was not given")))?;
                tensor::from_slice(&numbers, &node.shape, &Device::Cpu)?
            }
            _ => {
                let inputs: Vec<Tensor> = node.inputs.iter().map(|input| values[input].clone()).collect();
                node.op.eval(&node.attrs, &inputs, &node.shape)?
            }
        };
        if seen(value, &tensor::to_vec(&tensor)?).is_break() {
            return Ok(());
        }
        values.insert(value, tensor);
        for dead in dead.get(&value).into_iter().flatten() {
            values.remove(dead);
        }
    }
    Ok(())
}
