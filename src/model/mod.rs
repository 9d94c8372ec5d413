//! Ast → [`Model`]: names looked up, blocks put in, arguments checked, shapes inferred through every layer; then
//! → graph.

pub mod asserting;
pub mod auxiliary;
pub mod branches;
pub mod control;
pub mod cost;
pub mod dead;
pub mod definitions;
pub mod dropped;
pub mod expand;
pub mod fitting;
pub mod heads;
pub mod inputs;
pub mod lower;
pub mod naming;
pub mod outputs;
pub mod passing;
pub mod print;
pub mod receptive;
pub mod remedy;
pub mod scope;
pub mod sharing;
pub mod solve;
pub mod suspicious;
pub mod trace;
pub mod unknown;
pub mod used_from;

use crate::layers::joins::Join;
use crate::layers::{Inferred, Layer, Parameter};
use crate::model::heads::Head;
use crate::model::inputs::Input;
use crate::model::outputs::Output;
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::{Args, Spec};

/// A network: layers in the order of the wire.
#[derive(Clone, Debug)]
pub struct Model {
    pub name: String,
    pub name_span: Span,
    /// Without the batch axis; `None` where the `input` line is missing or wrong.
    pub input: Option<Shape>,
    pub input_span: Span,
    /// Values that are given with the image; they stand among the layers.
    pub inputs: Vec<Input>,
    pub layers: Vec<Instance>,
    /// The empty span behind its last line, where ` -> LAYER` goes on.
    pub end: Span,
    /// What the model gives.
    pub output: Wire,
    /// Its shape, where that is known.
    pub output_shape: Option<Shape>,
    /// Further outputs, each with a target of its own.
    pub outputs: Vec<Output>,
    /// Heads beside them, in training alone.
    pub auxiliaries: Vec<Head>,
}

/// A value in a model: its input, or what one of its layers gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wire(usize);

impl Wire {
    pub const INPUT: Wire = Wire(0);

    pub fn of_layer(at: usize) -> Wire {
        Wire(at + 1)
    }

    /// The layer that gives it; `None` for the model's input.
    pub fn layer(self) -> Option<usize> {
        self.0.checked_sub(1)
    }

    /// Its place in a list that begins with the input.
    pub fn index(self) -> usize {
        self.0
    }
}

/// What stands in a place of a model.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    Layer(&'static dyn Layer),
    Join(&'static dyn Join),
}

impl Unit {
    pub fn spec(self) -> &'static Spec {
        match self {
            Unit::Layer(layer) => layer.spec(),
            Unit::Join(join) => join.spec(),
        }
    }
}

/// A layer in its place.
#[derive(Clone, Debug)]
pub struct Instance {
    pub unit: Unit,
    /// Unique in the model, and that of its weights on disk: `conv1`, `stage2.bottleneck1.conv1`. See [`naming`].
    pub name: String,
    /// What its random numbers are drawn by; see [`naming::Names`].
    pub stream: String,
    pub args: Args,
    /// One for a layer, any number for a join.
    pub inputs: Vec<Wire>,
    /// The first input's shape; `None` where a fault above leaves it unknown.
    pub input: Option<Shape>,
    pub inferred: Option<Inferred>,
    /// Parameters of the layer of the same name above, which it shares.
    pub shared: Vec<Parameter>,
    /// The shape that goes on: what was inferred, or what is assumed behind a fault.
    pub output: Option<Shape>,
    /// The statement's word and arguments.
    pub span: Span,
}

impl Model {
    /// The shape behind the last layer, where it is known.
    pub fn output(&self) -> Option<&Shape> {
        self.output_shape.as_ref()
    }

    /// The layer that gives the model's output.
    pub fn last(&self) -> Option<&Instance> {
        self.output.layer().and_then(|at| self.layers.get(at))
    }

    /// Trained numbers in all layers, those of auxiliary heads among them.
    pub fn n_parameters(&self) -> usize {
        self.layers.iter().map(Instance::n_parameters).sum()
    }

    /// Whether every layer takes what the layer before it gives, and the last gives all there is.
    pub fn is_chain(&self) -> bool {
        let before = |at: usize| if at == 0 { Wire::INPUT } else { Wire::of_layer(at - 1) };
        self.layers.iter().enumerate().all(|(at, layer)| layer.inputs == [before(at)])
            && self.output == before(self.layers.len())
            && self.outputs.is_empty()
    }
}

impl Instance {
    /// Trained numbers.
    pub fn n_parameters(&self) -> usize {
        let parameters = self.inferred.iter().flat_map(|inferred| &inferred.parameters);
        let trained = parameters.filter(|p| p.kind == crate::graph::StateKind::Parameter);
        trained.map(|p| p.shape.elements()).sum()
    }

    /// Whether it keeps numbers from step to step.
    pub fn has_states(&self) -> bool {
        self.inferred.as_ref().is_some_and(|inferred| !inferred.parameters.is_empty())
    }

    /// Whether another shape goes on than came, as far as both are known.
    pub fn changes_shape(&self) -> bool {
        self.input.is_some() && self.output.is_some() && self.input != self.output
    }

    /// What it changes of the shape, in words, where it does.
    pub fn change(&self) -> Option<String> {
        let (true, Some(input), Some(output)) = (self.changes_shape(), &self.input, &self.output) else {
            return None;
        };
        let arithmetic = self.inferred.as_ref().map(|inferred| &inferred.arithmetic);
        Some(match arithmetic.filter(|arithmetic| !arithmetic.is_none()) {
            Some(arithmetic) => format!("{input} → {output}   {arithmetic}"),
            None => format!("{input} → {output}"),
        })
    }
}
