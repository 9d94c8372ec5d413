//! The compute graph: nodes (an op, plain attributes, inputs, a shape, an origin) over petgraph. Every stage
//! behind the language speaks it; a pass turns one graph into another.
//!
//! A node has one result, so a node and its value are the same thing. `Node::inputs` is the truth about the
//! order of operands; petgraph's edges follow it and serve traversal.

pub mod attrs;
pub mod builder;
pub mod leaf;
pub mod op;
pub mod print;
pub mod program;
pub mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};

use crate::graph::attrs::Attrs;
use crate::graph::op::Op;
use crate::shape::Shape;

/// The result of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub(crate) NodeIndex<u32>);

impl Value {
    pub fn index(self) -> usize {
        self.0.index()
    }
}

/// Which layer of the model a node came from: the index into `Model::layers`.
pub type Origin = Option<u32>;

#[derive(Clone, Debug)]
pub struct Node {
    pub op: &'static dyn Op,
    pub attrs: Attrs,
    pub inputs: Vec<Value>,
    pub shape: Shape,
    pub origin: Origin,
    /// Set for leaves: `images`, `conv1.weight`.
    pub name: Option<String>,
}

/// What a persistent value is for; decides what is saved, decayed and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// Trained by gradient.
    Parameter,
    /// Kept by the layer itself: running statistics.
    Buffer,
    /// Kept by the optimizer.
    Moment,
    /// The running mean of a parameter or buffer, under its name with [`AVERAGE`] behind it. It begins as that begins.
    Average,
}

/// Behind the name of a state stands this in the name of its running mean.
pub const AVERAGE: &str = ".ema";

/// How a persistent value begins. Random ones are drawn from the run's seed and the state's stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    Constant(f32),
    /// These numbers in their order, over and over.
    Repeated(Arc<[f32]>),
    /// Uniform in `[-bound, bound)`.
    Uniform {
        bound: f32,
    },
    /// Normal with mean 0.
    Normal {
        deviation: f32,
    },
    /// Normal with mean 0, cut off at two deviations, and wider, so that this is the deviation of what is left.
    Truncated {
        deviation: f32,
    },
    /// As a matrix of one row for each place of the first axis: its rows, or where there are fewer columns these, are
    /// orthogonal and of this length.
    Orthogonal {
        gain: f32,
    },
    /// A filter is 1 in its middle at the channel of its own number within its group, and 0 elsewhere.
    Identity {
        groups: usize,
    },
    /// Of `C x L`: at place `l`, channels `2i` and `2i + 1` are the sine and the cosine of `l / 10000^(2i / C)` (Vaswani et
    /// al., 2017). Of `C x H x W` the first half of the channels says the row so, the second the column.
    Waves,
}

/// A value that lives from step to step.
#[derive(Clone, Debug)]
pub struct State {
    pub name: String,
    /// What its random numbers are drawn by.
    pub stream: String,
    pub kind: StateKind,
    pub init: Init,
    pub value: Value,
}

/// After a step, `state` takes the content of `value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    pub state: Value,
    pub value: Value,
}

/// A result that the caller reads after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub name: String,
    pub value: Value,
}

/// A static graph with one shape a node.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: StableDiGraph<Node, ()>,
    pub inputs: Vec<Value>,
    pub states: Vec<State>,
    /// Where a state stands in `states`, by its name and by its value: a long network has thousands.
    named: BTreeMap<String, usize>,
    held: BTreeMap<Value, usize>,
    pub outputs: Vec<Output>,
    pub updates: Vec<Update>,
}

impl Graph {
    pub fn node(&self, value: Value) -> &Node {
        &self.nodes[value.0]
    }

    pub fn shape(&self, value: Value) -> &Shape {
        &self.node(value).shape
    }

    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.node_count() == 0
    }

    /// All values in the order of their making, which is a topological order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = Value> + '_ {
        self.nodes.node_indices().map(Value)
    }

    /// The values that read `value`, each once, in order.
    pub fn users(&self, value: Value) -> BTreeSet<Value> {
        self.nodes.neighbors_directed(value.0, Direction::Outgoing).map(Value).collect()
    }

    /// By the node that reads them last, the values that no output or update reads.
    pub fn last_readers(&self) -> BTreeMap<Value, Vec<Value>> {
        let roots = self.roots();
        let mut dead: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
        for value in self.values().filter(|value| !roots.contains(value)) {
            let last = self.users(value).last().copied().unwrap_or(value);
            dead.entry(last).or_default().push(value);
        }
        dead
    }

    pub fn find_input(&self, name: &str) -> Option<Value> {
        self.inputs.iter().copied().find(|&value| self.node(value).name.as_deref() == Some(name))
    }

    pub fn find_output(&self, name: &str) -> Option<Value> {
        self.outputs.iter().find(|output| output.name == name).map(|output| output.value)
    }

    pub fn find_state(&self, name: &str) -> Option<&State> {
        self.named.get(name).and_then(|&at| self.states.get(at))
    }

    /// The declaration of a value that is a state.
    pub fn state_of(&self, value: Value) -> Option<&State> {
        self.held.get(&value).and_then(|&at| self.states.get(at))
    }

    /// Lets a state be the running mean of what it is.
    pub(crate) fn take_average(&mut self, state: Value) {
        let Some(&at) = self.held.get(&state) else { return };
        let State { name, kind, .. } = &mut self.states[at];
        self.named.remove(name);
        name.push_str(AVERAGE);
        *kind = StateKind::Average;
        self.named.insert(name.clone(), at);
        self.nodes[state.0].name = Some(name.clone());
    }

    pub(crate) fn declare(&mut self, state: State) {
        self.named.insert(state.name.clone(), self.states.len());
        self.held.insert(state.value, self.states.len());
        self.states.push(state);
    }

    pub(crate) fn insert(&mut self, node: Node) -> Value {
        let inputs = node.inputs.clone();
        let value = Value(self.nodes.add_node(node));
        for input in inputs {
            self.nodes.add_edge(input.0, value.0, ());
        }
        value
    }

    /// Values that an output or an update reads.
    pub fn roots(&self) -> BTreeSet<Value> {
        let outputs = self.outputs.iter().map(|output| output.value);
        outputs.chain(self.updates.iter().map(|update| update.value)).collect()
    }
}
