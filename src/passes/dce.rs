//! Removes nodes that no output and no update reads. Inputs and states stay: they are the graph's interface.

use std::collections::BTreeSet;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::passes::{Pass, rebuild};

pub struct DeadCode;

impl Pass for DeadCode {
    fn name(&self) -> &'static str {
        "dce"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        let live = live(graph);
        rebuild(graph, |builder, value, node, inputs| {
            let keep = live.contains(&value) || node.name.is_some();
            Ok(keep.then(|| builder.copy(graph, value, inputs)))
        })
    }
}

fn live(graph: &Graph) -> BTreeSet<Value> {
    let mut live = graph.roots();
    for value in graph.values().rev() {
        if live.contains(&value) {
            live.extend(graph.node(value).inputs.iter().copied());
        }
    }
    live
}
