//! Where states and constants lie: at the start of the arena, at the same place in every plan of a session.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::graph::{Graph, State, Value, leaf};
use crate::plan::memory::aligned;

/// A state with its place.
#[derive(Clone, Debug)]
pub struct Kept {
    pub state: State,
    pub range: Range<usize>,
}

#[derive(Clone, Debug, Default)]
pub struct Layout {
    states: Vec<Kept>,
    names: BTreeMap<String, usize>,
    /// Constants by their bits and count.
    constants: BTreeMap<(u32, usize), Range<usize>>,
    len: usize,
}

impl Layout {
    /// Room for every state and constant of the graphs; states of one name must have one shape.
    pub fn new<'a>(graphs: impl IntoIterator<Item = &'a Graph>) -> Result<Layout, Fault> {
        let mut layout = Layout::default();
        for graph in graphs {
            for state in &graph.states {
                let size = graph.shape(state.value).elements();
                match layout.names.get(&state.name) {
                    Some(&at) if layout.states[at].range.len() == size => {}
                    Some(_) => return Err(Fault::internal(format!("`{}` has two shapes", state.name))),
                    None => {
                        let range = layout.take(size);
                        layout.names.insert(state.name.clone(), layout.states.len());
                        layout.states.push(Kept { state: state.clone(), range });
                    }
                }
            }
            for value in graph.values() {
                if let Some(key) = constant(graph, value)
                    && !layout.constants.contains_key(&key)
                {
                    let range = layout.take(key.1);
                    layout.constants.insert(key, range);
                }
            }
        }
        Ok(layout)
    }

    fn take(&mut self, size: usize) -> Range<usize> {
        let start = self.len;
        self.len = aligned(start + size);
        start..start + size
    }

    /// Numbers taken at the start of the arena.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn states(&self) -> &[Kept] {
        &self.states
    }

    pub fn state(&self, name: &str) -> Option<&Kept> {
        self.names.get(name).map(|&at| &self.states[at])
    }

    /// Each constant's number and place.
    pub fn constants(&self) -> impl Iterator<Item = (f32, Range<usize>)> + '_ {
        self.constants.iter().map(|((bits, _), range)| (f32::from_bits(*bits), range.clone()))
    }

    pub fn holds(&self, graph: &Graph, value: Value) -> bool {
        self.find(graph, value).is_some()
    }

    /// The place of a state or constant of one of the graphs.
    pub fn find(&self, graph: &Graph, value: Value) -> Option<Range<usize>> {
        if let Some(key) = constant(graph, value) {
            return self.constants.get(&key).cloned();
        }
        let node = graph.node(value);
        let is_state = node.op.name() == leaf::STATE.name();
        node.name
            .as_ref()
            .filter(|_| is_state)
            .and_then(|name| self.state(name))
            .map(|kept| kept.range.clone())
    }
}

fn constant(graph: &Graph, value: Value) -> Option<(u32, usize)> {
    let node = graph.node(value);
    (node.op.name() == leaf::CONSTANT.name())
        .then(|| (node.attrs.get_float("value").to_bits(), node.shape.elements()))
}
