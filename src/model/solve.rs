//! Answers that take a search: the smallest input with which a model gets through to a layer.

use crate::layers::Layer;
use crate::model::{Model, Unit, Wire};
use crate::shape::Shape;
use crate::spec::Args;

/// Larger images than this are not proposed.
const LARGEST: usize = 4096;
/// A search infers at most this many layers.
const MOST_WORK: usize = 200_000;

/// The smallest input, larger than the model's own and in its proportions, with which every layer so far and
/// then `layer`, which takes `wire`, find their windows inside the image.
pub fn smallest_input(model: &Model, layer: &'static dyn Layer, args: &Args, wire: Wire) -> Option<Shape> {
    let &[channels, height, width] = model.input.as_ref()?.dims() else { return None };
    let side = height.max(width);
    let tries = MOST_WORK / (model.layers.len() + 1);
    (side + 1..=LARGEST)
        .take(tries)
        .map(|larger| {
            Shape::from([channels, (height * larger).div_ceil(side), (width * larger).div_ceil(side)])
        })
        .find(|input| passes(model, layer, args, wire, input))
}

fn passes(model: &Model, last: &'static dyn Layer, args: &Args, wire: Wire, input: &Shape) -> bool {
    let mut shapes = vec![input.clone()];
    for instance in &model.layers {
        let inputs: Vec<&Shape> = instance.inputs.iter().map(|wire| &shapes[wire.index()]).collect();
        let inferred = match instance.unit {
            Unit::Layer(layer) => layer.infer(&instance.args, inputs[0]),
            Unit::Join(join) => join.infer(&inputs),
        };
        match inferred.map(|inferred| inferred.output).or_else(|fault| fault.assume.ok_or(())) {
            Ok(shape) => shapes.push(shape),
            Err(()) => return false,
        }
    }
    last.infer(args, &shapes[wire.index()]).is_ok()
}
