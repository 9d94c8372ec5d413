//! How long values live in memory, and in whose.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Graph, Value};

/// The value whose memory each value lies in: itself, or for a view what it views.
pub fn owners(graph: &Graph) -> BTreeMap<Value, Value> {
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

/// When each value's memory is read last, by steps that each have a time; `owner` tells in whose memory a value lies.
pub fn last_reads(
    graph: &Graph,
    owner: &dyn Fn(Value) -> Value,
    steps: impl IntoIterator<Item = (usize, Value)>,
) -> BTreeMap<Value, usize> {
    let mut last: BTreeMap<Value, usize> = BTreeMap::new();
    for (time, step) in steps {
        for &input in &graph.node(step).inputs {
            let last = last.entry(owner(input)).or_insert(time);
            *last = time.max(*last);
        }
    }
    last
}

/// The updates that are written over their states, with the input that holds the old one: made element by element, which
/// `may` says of a step and that input, when nobody reads the old state any more.
pub fn overwritten(
    graph: &Graph,
    owner: &dyn Fn(Value) -> Value,
    steps: &[(usize, Value)],
    may: &dyn Fn(Value, usize) -> bool,
) -> BTreeMap<Value, usize> {
    let made: BTreeMap<Value, usize> = steps.iter().map(|&(time, step)| (step, time)).collect();
    let last = last_reads(graph, owner, steps.iter().copied());
    let outputs = graph.outputs.iter().map(|output| output.value);
    let taken: BTreeSet<Value> =
        outputs.chain(graph.updates.iter().map(|update| update.value)).map(owner).collect();
    let mut over = BTreeMap::new();
    for update in &graph.updates {
        let (state, value) = (update.state, update.value);
        let node = graph.node(value);
        let mut places = (0..node.inputs.len()).filter(|&i| owner(node.inputs[i]) == state);
        // Each element is read before it is written, once and by one thread.
        let (Some(place), None) = (places.next(), places.next()) else { continue };
        let is_last = made.get(&value).is_some_and(|time| last.get(&state) == Some(time));
        let fits = is_last && graph.shape(node.inputs[place]) == &node.shape && may(value, place);
        if fits && !taken.contains(&state) && !over.contains_key(&value) {
            over.insert(value, place);
        }
    }
    over
}

#[cfg(test)]
mod tests {
    use super::overwritten;
    use crate::graph::builder::Builder;
    use crate::graph::{Graph, Init, StateKind, Value};
    use crate::ops::binary::ADD;
    use crate::shape::Shape;

    /// `w += x`; where `swaps`, another state becomes what `w` was.
    fn graph(swaps: bool) -> (Graph, Value) {
        let mut builder = Builder::default();
        let shape = Shape::from([4]);
        let [w, v] = ["w", "v"]
            .map(|name| builder.state(name, StateKind::Parameter, &shape, Init::Constant(0.0)).unwrap());
        let x = builder.input("x", &shape);
        let sum = builder.apply(&ADD, Default::default(), &[x, w]).unwrap();
        builder.update(w, sum).unwrap();
        if swaps {
            builder.update(v, w).unwrap();
        }
        (builder.finish(), sum)
    }

    #[test]
    fn a_state_is_written_over_where_its_old_numbers_go_nowhere_else() {
        for (swaps, expected) in [(false, Some(1)), (true, None)] {
            let (graph, sum) = graph(swaps);
            let over = overwritten(&graph, &|value| value, &[(0, sum)], &|_, _| true);
            assert_eq!(over.get(&sum).copied(), expected);
        }
    }
}
