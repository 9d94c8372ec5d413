//! Graph → the order of a sequence's steps, which of them are done once for many, and what each is written over.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Graph, Value};
use crate::kernels::cuda::is_by_element;
use crate::plan::lives::{last_reads, overwritten};
use crate::plan::rows::Rows;
use crate::run::cuda::parts::{Part, parts};
use crate::run::cuda::rules;

pub struct Order {
    pub rows: Rows,
    /// Where each value lies within another one, or itself.
    pub parts: BTreeMap<Value, Part>,
    /// The values that depend on states and constants alone, in a graph that changes no state.
    pub frozen: BTreeSet<Value>,
    /// What is done after all else, and how many of those must be done one after another before each.
    pub rules: BTreeMap<Value, usize>,
    /// The values that are computed, in the order in which they are: the frozen ones first, as what they share with later
    /// ones is made with them.
    pub steps: Vec<Value>,
    /// Updates that are written over states.
    pub over: BTreeMap<Value, Value>,
    /// The last step that reads each value.
    pub last: BTreeMap<Value, usize>,
}

impl Order {
    pub fn new(graph: &Graph) -> Order {
        let rows = Rows::new(graph);
        let parts = parts(graph, &rows);
        let is_step = |value: &Value| parts[value].owner == *value && !graph.node(*value).inputs.is_empty();
        let steps: Vec<Value> = graph.values().filter(is_step).collect();
        let rules = rules::rules(graph, &steps);
        let mut steps = rules::last(steps, &rules);
        let frozen = frozen(graph);
        steps.sort_by_key(|value| !frozen.contains(value));
        let owner = |value: Value| parts[&value].owner;
        let times: Vec<(usize, Value)> = steps.iter().copied().enumerate().collect();
        let over = overwritten(graph, &owner, &times, &|value, _| is_by_element(graph.node(value).op));
        let over = over.into_iter().map(|(value, place)| (value, owner(graph.node(value).inputs[place])));
        let (over, last) = (over.collect(), last(graph, &owner, &times, &rules));
        Order { rows, parts, frozen, rules, steps, over, last }
    }

    /// The value whose memory a value lies in.
    pub fn owner(&self, value: Value) -> Value {
        self.parts[&value].owner
    }

    /// The values whose format is free: those with a row an image that nobody reads from outside or under another shape.
    pub fn free(&self, graph: &Graph) -> BTreeSet<Value> {
        let viewed = graph.values().filter(|&value| self.owner(value) != value).chain(graph.roots());
        let bound: BTreeSet<Value> = viewed.map(|value| self.owner(value)).collect();
        graph.values().filter(|value| self.rows.has(*value) && !bound.contains(value)).collect()
    }
}

/// The values that depend on states and constants alone, in a graph that changes no state.
fn frozen(graph: &Graph) -> BTreeSet<Value> {
    let mut frozen = BTreeSet::new();
    for value in graph.values().filter(|_| graph.updates.is_empty()) {
        let node = graph.node(value);
        let is_made = !node.inputs.is_empty() && node.inputs.iter().all(|input| frozen.contains(input));
        if is_made || (node.inputs.is_empty() && !graph.inputs.contains(&value)) {
            frozen.insert(value);
        }
    }
    frozen
}

/// The last step that reads each value; what is read from outside lives to the end.
fn last(
    graph: &Graph,
    owner: &dyn Fn(Value) -> Value,
    steps: &[(usize, Value)],
    rules: &BTreeMap<Value, usize>,
) -> BTreeMap<Value, usize> {
    let end = steps.len();
    // Rules are done together: none may write over what another reads.
    let until = |&(time, step): &(usize, Value)| (if rules.contains_key(&step) { end } else { time }, step);
    let mut last = last_reads(graph, owner, steps.iter().map(until));
    last.extend(graph.roots().into_iter().map(|root| (owner(root), end)));
    last
}
