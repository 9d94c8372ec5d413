//! Graph → Plan: the order of the steps, a range of memory for every value, and the peak, known exactly before
//! anything runs.
//!
//! Memory is one arena. States and constants come first and stay; they have the same place in every plan of a
//! session, so that training and evaluation share them. Behind them lie the values of a step, which share
//! memory where their lifetimes allow it.

pub mod layout;
pub mod memory;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels::cpu;
use crate::plan::layout::Layout;
use crate::plan::memory::{Block, place};

/// One node's work.
pub struct Step {
    pub value: Value,
    pub inputs: Vec<Range<usize>>,
    pub output: Range<usize>,
    pub scratch: Range<usize>,
    /// The kernel; where there is none the op's reference evaluation runs.
    pub kernel: Option<cpu::Prepared>,
}

/// A graph with its memory.
pub struct Plan {
    pub graph: Graph,
    pub steps: Vec<Step>,
    /// Where each value lies, in numbers from the start of the arena.
    pub places: BTreeMap<Value, Range<usize>>,
    /// After the steps: from where to where updates are copied.
    pub copies: Vec<(Range<usize>, Range<usize>)>,
    /// Numbers behind the layout's that this plan needs.
    pub transient: usize,
}

/// Plans one graph; `layout` must have been made of it, too.
pub fn plan(graph: Graph, layout: &Layout) -> Result<Plan, Fault> {
    let owner = owners(&graph);
    let steps: Vec<Value> = graph
        .values()
        .filter(|&v| owner[&v] == v && !layout.holds(&graph, v) && !is_input(&graph, v))
        .collect();
    let order: BTreeMap<Value, usize> = steps.iter().enumerate().map(|(i, &v)| (v, i)).collect();

    let mut last_use: BTreeMap<Value, usize> = BTreeMap::new();
    for (&value, &at) in &order {
        for input in &graph.node(value).inputs {
            let last = last_use.entry(owner[input]).or_insert(at);
            *last = (*last).max(at);
        }
    }
    for root in graph.roots() {
        last_use.insert(owner[&root], steps.len());
    }

    let mut prepared = BTreeMap::new();
    let mut blocks = Vec::new();
    for value in graph.values().filter(|&v| owner[&v] == v && !layout.holds(&graph, v)) {
        let start = order.get(&value).copied().unwrap_or(0);
        let end = last_use.get(&value).copied().unwrap_or(start);
        blocks.push(Block { size: graph.shape(value).elements(), start, end });
        if is_input(&graph, value) {
            continue;
        }
        let node = graph.node(value);
        if let Some(prepare) = cpu::find_parallel(node.op.name()) {
            let inputs: Vec<_> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
            let kernel = prepare(&node.attrs, &inputs, &node.shape)?;
            if kernel.memory() > 0 {
                blocks.push(Block { size: kernel.memory(), start, end: start });
            }
            prepared.insert(value, kernel);
        }
    }
    let (offsets, transient) = place(&blocks);
    let mut ranges = offsets.iter().zip(&blocks).map(|(&offset, block)| {
        let start = layout.len() + offset;
        start..start + block.size
    });

    let mut places: BTreeMap<Value, Range<usize>> = BTreeMap::new();
    let mut scratch: BTreeMap<Value, Range<usize>> = BTreeMap::new();
    for value in graph.values() {
        let range = match layout.find(&graph, value) {
            Some(range) => range,
            None if owner[&value] != value => places[&owner[&value]].clone(),
            None => ranges.next().ok_or_else(|| Fault::internal("a value without memory"))?,
        };
        places.insert(value, range);
        if prepared.get(&value).is_some_and(|kernel| kernel.memory() > 0) {
            let range = ranges.next().ok_or_else(|| Fault::internal("a kernel without scratch"))?;
            scratch.insert(value, range);
        }
    }
    let steps = steps
        .into_iter()
        .map(|value| Step {
            value,
            inputs: graph.node(value).inputs.iter().map(|input| places[input].clone()).collect(),
            output: places[&value].clone(),
            scratch: scratch.remove(&value).unwrap_or(0..0),
            kernel: prepared.remove(&value),
        })
        .collect();
    let copies = graph.updates.iter().map(|u| (places[&u.value].clone(), places[&u.state].clone())).collect();
    Ok(Plan { graph, steps, places, copies, transient })
}

fn is_input(graph: &Graph, value: Value) -> bool {
    graph.inputs.contains(&value)
}

/// The value whose memory a value lies in: itself, or for a view what it views.
fn owners(graph: &Graph) -> BTreeMap<Value, Value> {
    let mut owner = BTreeMap::new();
    for value in graph.values() {
        let node = graph.node(value);
        let own = match node.op.is_view() {
            true => owner[&node.inputs[0]],
            false => value,
        };
        owner.insert(value, own);
    }
    owner
}
