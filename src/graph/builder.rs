//! The only way to put a node into a graph: the op's shape rule runs at once, so an ill-shaped graph cannot
//! be built.

use crate::diag::{Fault, codes};
use crate::graph::attrs::Attrs;
use crate::graph::leaf;
use crate::graph::op::Op;
use crate::graph::{Graph, Init, Node, Origin, Output, State, StateKind, Update, Value};
use crate::shape::{MAX_ELEMENTS, Shape};

#[derive(Default)]
pub struct Builder {
    graph: Graph,
    /// Given to every node that is made from here on.
    pub origin: Origin,
}

impl Builder {
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Goes on building an existing graph.
    pub fn extend(graph: Graph) -> Builder {
        Builder { graph, origin: None }
    }

    pub fn finish(self) -> Graph {
        self.graph
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub fn shape(&self, value: Value) -> &Shape {
        self.graph.shape(value)
    }

    /// Adds a node; refuses inputs that the op's shape rule refuses, and results that are too large.
    pub fn apply(&mut self, op: &'static dyn Op, attrs: Attrs, inputs: &[Value]) -> Result<Value, Fault> {
        let shapes: Vec<&Shape> = inputs.iter().map(|&input| self.graph.shape(input)).collect();
        let shape = op.shape(&attrs, &shapes)?;
        if shape.checked_elements().is_none() {
            return Err(Fault::new(
                codes::TOO_BIG,
                format!("`{}` would make a value of {shape}: more than {MAX_ELEMENTS} elements", op.name()),
            ));
        }
        Ok(self.insert(op, attrs, inputs.to_vec(), shape, None))
    }

    fn insert(
        &mut self,
        op: &'static dyn Op,
        attrs: Attrs,
        inputs: Vec<Value>,
        shape: Shape,
        name: Option<String>,
    ) -> Value {
        self.graph.insert(Node { op, attrs, inputs, shape, origin: self.origin, name })
    }

    /// A value that the caller writes before each step.
    pub fn input(&mut self, name: &str, shape: &Shape) -> Value {
        let attrs = Attrs::new().ints("shape", shape.dims());
        let value = self.insert(&leaf::INPUT, attrs, Vec::new(), shape.clone(), Some(name.to_owned()));
        self.graph.inputs.push(value);
        value
    }

    /// A value that lives from step to step. The name must be new.
    pub fn state(&mut self, name: &str, kind: StateKind, shape: &Shape, init: Init) -> Result<Value, Fault> {
        self.drawn_state(name, name, kind, shape, init)
    }

    /// The same where its random numbers are drawn by another name.
    pub fn drawn_state(
        &mut self,
        name: &str,
        stream: &str,
        kind: StateKind,
        shape: &Shape,
        init: Init,
    ) -> Result<Value, Fault> {
        if shape.checked_elements().is_none() {
            return Err(Fault::new(
                codes::TOO_BIG,
                format!("`{name}` would have the shape {shape}: more than {MAX_ELEMENTS} elements"),
            ));
        }
        if self.graph.find_state(name).is_some() {
            return Err(Fault::internal(format!("two states are called `{name}`")));
        }
        let attrs = Attrs::new().ints("shape", shape.dims());
        let value = self.insert(&leaf::STATE, attrs, Vec::new(), shape.clone(), Some(name.to_owned()));
        self.graph.declare(State { name: name.to_owned(), stream: stream.to_owned(), kind, init, value });
        Ok(value)
    }

    /// Takes over a node of another graph, with its name and, for a state, its declaration. `inputs` are its
    /// inputs here; the origin is the builder's.
    pub fn copy(&mut self, from: &Graph, value: Value, inputs: &[Value]) -> Value {
        let node = from.node(value);
        let new =
            self.insert(node.op, node.attrs.clone(), inputs.to_vec(), node.shape.clone(), node.name.clone());
        if node.op.name() == leaf::INPUT.name() {
            self.graph.inputs.push(new);
        }
        if let Some(state) = from.state_of(value) {
            self.graph.declare(State { value: new, ..state.clone() });
        }
        new
    }

    pub fn constant(&mut self, number: f32, shape: &Shape) -> Value {
        let attrs = Attrs::new().ints("shape", shape.dims()).float("value", number);
        self.insert(&leaf::CONSTANT, attrs, Vec::new(), shape.clone(), None)
    }

    pub fn scalar(&mut self, number: f32) -> Value {
        self.constant(number, &Shape::default())
    }

    pub fn output(&mut self, name: &str, value: Value) {
        self.graph.outputs.push(Output { name: name.to_owned(), value });
    }

    /// After a step, `state` takes the content of `value`; both must have the same shape.
    pub fn update(&mut self, state: Value, value: Value) -> Result<(), Fault> {
        if self.graph.shape(state) != self.graph.shape(value) {
            return Err(Fault::internal(format!(
                "a state of {} cannot take a value of {}",
                self.graph.shape(state),
                self.graph.shape(value)
            )));
        }
        self.graph.updates.push(Update { state, value });
        Ok(())
    }
}
