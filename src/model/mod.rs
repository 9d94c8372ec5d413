//! Ast → [`Model`]: names looked up, arguments checked, shapes inferred through every layer; then → graph.

pub mod expand;
pub mod lower;
pub mod print;
pub mod remedy;
pub mod solve;

use crate::layers::{Inferred, Layer};
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::Args;

/// A network: layers in the order of the wire.
#[derive(Clone, Debug)]
pub struct Model {
    pub name: String,
    pub name_span: Span,
    /// Without the batch axis; `None` where the `input` line is missing or wrong.
    pub input: Option<Shape>,
    pub input_span: Span,
    pub layers: Vec<Instance>,
}

/// A layer in its place.
#[derive(Clone, Debug)]
pub struct Instance {
    pub layer: &'static dyn Layer,
    /// Unique in the model: `conv2d_1`.
    pub name: String,
    pub args: Args,
    /// `None` where a fault above leaves it unknown.
    pub input: Option<Shape>,
    pub inferred: Option<Inferred>,
    /// The shape that goes on: what was inferred, or what is assumed behind a fault.
    pub output: Option<Shape>,
    /// The statement's word and arguments.
    pub span: Span,
}

impl Model {
    /// The shape behind the last layer, where it is known.
    pub fn output(&self) -> Option<&Shape> {
        match self.layers.last() {
            Some(last) => last.output.as_ref(),
            None => self.input.as_ref(),
        }
    }

    /// Trained numbers in all layers.
    pub fn n_parameters(&self) -> usize {
        self.layers.iter().map(Instance::n_parameters).sum()
    }
}

impl Instance {
    /// Trained numbers.
    pub fn n_parameters(&self) -> usize {
        let parameters = self.inferred.iter().flat_map(|inferred| &inferred.parameters);
        let trained = parameters.filter(|p| p.kind == crate::graph::StateKind::Parameter);
        trained.map(|p| p.shape.elements()).sum()
    }

    /// Where the shape went through this layer and how it changed, where it did.
    pub fn change(&self) -> Option<String> {
        let (input, output) = (self.input.as_ref()?, self.output.as_ref()?);
        let arithmetic = self.inferred.as_ref().map_or("", |inferred| inferred.arithmetic.as_str());
        let arithmetic = if arithmetic.is_empty() { String::new() } else { format!("   {arithmetic}") };
        (input != output).then(|| format!("{input} → {output}{arithmetic}"))
    }
}
