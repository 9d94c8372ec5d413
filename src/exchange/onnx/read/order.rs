//! How nodes hang together, before any of them is read: in which order, and whether they take images with the channels last.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::diag::Fault;
use crate::exchange::onnx::file::{Model, Node};
use crate::exchange::onnx::read::{Value, called};
use crate::exchange::onnx::wire::damaged;

/// The nodes' places in an order in which each has what it takes.
pub(super) fn order(model: &Model<'_>, given: &HashMap<&str, Value<'_>>) -> Result<Vec<usize>, Fault> {
    let nodes = &model.graph.nodes;
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|name| !name.is_empty()) {
            if makers.insert(output, at).is_some() || given.contains_key(output) {
                return Err(damaged(format!("two nodes give the value `{output}`")));
            }
        }
    }
    let mut waits = vec![0usize; nodes.len()];
    let mut takers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|name| !name.is_empty()) {
            match makers.get(input) {
                Some(&maker) => {
                    takers[maker].push(at);
                    waits[at] += 1;
                }
                None if given.contains_key(input) => {}
                None => {
                    return Err(damaged(format!(
                        "nothing gives the value `{input}`, which {} takes",
                        called(node)
                    )));
                }
            }
        }
    }
    // Those that are ready, in the file's order.
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&at| waits[at] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for &taker in &takers[at] {
            waits[taker] -= 1;
            if waits[taker] == 0 {
                ready.insert(taker);
            }
        }
    }
    match (0..nodes.len()).find(|&at| waits[at] > 0) {
        Some(at) => Err(damaged(format!("{} depends on what it gives itself", called(&nodes[at])))),
        None => Ok(order),
    }
}

/// Whether everything that an input goes through before an axis counts is followed by a `Transpose` to channels first.
pub(super) fn takes_channels_last(model: &Model<'_>, input: &str) -> bool {
    let mut takers: BTreeMap<&str, Vec<&Node<'_>>> = BTreeMap::new();
    for node in model.graph.nodes.iter().filter(|node| node.op != "Shape") {
        for name in &node.inputs {
            takers.entry(name).or_default().push(node);
        }
    }
    let mut name = input;
    for _ in 0..=model.graph.nodes.len() {
        let Some(&[node]) = takers.get(name).map(Vec::as_slice) else { return false };
        match node.op {
            "Transpose" => return node.ints("perm") == Some(&[0, 3, 1, 2]),
            "Identity" | "Cast" | "Mul" | "Sub" | "Div" | "Add" | "Pad" => {}
            _ => return false,
        }
        let Some(next) = node.outputs.first() else { return false };
        name = next;
    }
    false
}
