//! Graph → the order of a sequence's steps, which of them are done once for many, and what each is written over.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Graph, Value};
use crate::kernels::cuda::is_by_element;
use crate::plan::parts::{Part, parts};
use crate::plan::rules;
use crate::plan::schedule::{Schedule, Slot};

pub struct Order {
    pub slots: BTreeMap<Value, Slot>,
    /// Where each value lies within another one, or itself.
    pub parts: BTreeMap<Value, Part>,
    /// The values that depend on states and constants alone, in a graph that changes no state.
    pub frozen: BTreeSet<Value>,
    /// What is done behind all else, and how many of those must be done one after another before each.
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
        let slots = Schedule::new(graph).slots;
        let parts = parts(graph, &slots);
        let is_step = |value: &Value| parts[value].owner == *value && !graph.node(*value).inputs.is_empty();
        let steps: Vec<Value> = graph.values().filter(is_step).collect();
        let rules = rules::rules(graph, &steps);
        let mut steps = rules::last(steps, &rules);
        let frozen = frozen(graph);
        steps.sort_by_key(|value| !frozen.contains(value));
        let over = overwritten(graph, &parts, &steps);
        let last = last(graph, &parts, &steps, &rules);
        Order { slots, parts, frozen, rules, steps, over, last }
    }

    /// The value whose memory a value lies in.
    pub fn owner(&self, value: Value) -> Value {
        self.parts[&value].owner
    }

    /// The values whose format is free: those with a row an image that nobody reads from outside or under another shape.
    pub fn free(&self, graph: &Graph) -> BTreeSet<Value> {
        let viewed = graph.values().filter(|&value| self.owner(value) != value).chain(graph.roots());
        let bound: BTreeSet<Value> = viewed.map(|value| self.owner(value)).collect();
        graph.values().filter(|value| self.slots[value].batched && !bound.contains(value)).collect()
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
    parts: &BTreeMap<Value, Part>,
    steps: &[Value],
    rules: &BTreeMap<Value, usize>,
) -> BTreeMap<Value, usize> {
    let end = steps.len();
    let mut last: BTreeMap<Value, usize> = BTreeMap::new();
    for (time, &value) in steps.iter().enumerate() {
        for input in &graph.node(value).inputs {
            // Rules are done together: none may write over what another reads.
            let until = if rules.contains_key(&value) { end } else { time };
            let last = last.entry(parts[input].owner).or_insert(until);
            *last = until.max(*last);
        }
    }
    last.extend(graph.roots().into_iter().map(|root| (parts[&root].owner, end)));
    last
}

/// The updates that can be written over their states, with those: made element by element, when nobody reads the old
/// state any more.
fn overwritten(graph: &Graph, parts: &BTreeMap<Value, Part>, order: &[Value]) -> BTreeMap<Value, Value> {
    let time: BTreeMap<Value, usize> = order.iter().enumerate().map(|(time, &value)| (value, time)).collect();
    let mut last_read: BTreeMap<Value, usize> = BTreeMap::new();
    for (&value, &time) in &time {
        for input in &graph.node(value).inputs {
            let last = last_read.entry(parts[input].owner).or_default();
            *last = time.max(*last);
        }
    }
    let outputs = graph.outputs.iter().map(|output| output.value);
    let taken: BTreeSet<Value> = outputs
        .chain(graph.updates.iter().map(|update| update.value))
        .map(|value| parts[&value].owner)
        .collect();
    let mut over = BTreeMap::new();
    for update in &graph.updates {
        let (state, value) = (update.state, update.value);
        let node = graph.node(value);
        let mut reads = node.inputs.iter().filter(|&&input| parts[&input].owner == state);
        // Each element is read before it is written, once and by one thread.
        let alone = reads.next().is_some_and(|&input| graph.shape(input) == &node.shape)
            && reads.next().is_none()
            && is_by_element(node.op);
        let is_last = time.get(&value).is_some_and(|time| last_read.get(&state) == Some(time));
        if alone && is_last && !taken.contains(&state) && !over.contains_key(&value) {
            over.insert(value, state);
        }
    }
    over
}
