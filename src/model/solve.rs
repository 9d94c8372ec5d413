//! Answers that take a search: the smallest input with which a model gets through to a layer.

use crate::diag::{Fault, codes};
use crate::layers::Layer;
use crate::model::{Model, Unit, Wire};
use crate::shape::Shape;
use crate::spec::Args;

/// Larger images than this are not proposed.
const LARGEST: usize = 4096;

/// The smallest input, larger than the model's own and in its proportions, with which every layer so far and
/// then `layer`, which takes `wire`, find their windows inside the image. `work` is how many layers may still be
/// inferred for such questions; where that does not suffice, there is no answer.
pub fn smallest_input(
    model: &Model,
    layer: &'static dyn Layer,
    args: &Args,
    wire: Wire,
    work: &mut usize,
) -> Option<Shape> {
    let &[channels, height, width] = model.input.as_ref()?.dims() else { return None };
    let side = height.max(width);
    let scaled = |larger: usize| {
        Shape::from([channels, (height * larger).div_ceil(side), (width * larger).div_ceil(side)])
    };
    let mut fault = |larger: usize| {
        *work = work.checked_sub(model.layers.len() + 1)?;
        Some(first_fault(model, layer, args, wire, &scaled(larger)))
    };
    // Windows that lie inside an image do so in every larger one; what else there is to refuse may depend on every pixel.
    let (mut low, mut high) = (side + 1, LARGEST);
    while low < high {
        let middle = low.midpoint(high);
        match fault(middle)? {
            Some(codes::WINDOW_TOO_LARGE) => low = middle + 1,
            Some(_) | None => high = middle,
        }
    }
    while low <= LARGEST {
        if fault(low)?.is_none() {
            return Some(scaled(low));
        }
        low += 1;
    }
    None
}

/// The code of the first refusal of an input.
fn first_fault(
    model: &Model,
    last: &'static dyn Layer,
    args: &Args,
    wire: Wire,
    input: &Shape,
) -> Option<&'static str> {
    let mut shapes = vec![input.clone()];
    for instance in &model.layers {
        let inputs: Vec<&Shape> = instance.inputs.iter().map(|wire| &shapes[wire.index()]).collect();
        let inferred = match instance.unit {
            Unit::Layer(layer) => layer.infer(&instance.args, inputs[0]),
            Unit::Join(join) => join.infer(&inputs),
        };
        let output = inferred.map(|inferred| inferred.output);
        match output.or_else(|Fault { code, assume, .. }| assume.ok_or(code)) {
            Ok(shape) => shapes.push(shape),
            Err(code) => return Some(code),
        }
    }
    last.infer(args, &shapes[wire.index()]).err().map(|fault| fault.code)
}
