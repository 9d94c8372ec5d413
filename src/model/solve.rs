//! Answers that take a search: the smallest input with which a model gets through to a layer.

use crate::layers::Layer;
use crate::model::Model;
use crate::shape::Shape;
use crate::spec::Args;

/// Larger images than this are not proposed.
const LARGEST: usize = 4096;

/// The smallest input, larger than the model's own and in its proportions, with which every layer so far and
/// then `layer` find their windows inside the image.
pub fn smallest_input(model: &Model, layer: &'static dyn Layer, args: &Args) -> Option<Shape> {
    let &[channels, height, width] = model.input.as_ref()?.dims() else { return None };
    let passes = |input: &Shape| {
        let above = model.layers.iter().map(|instance| (instance.layer, &instance.args));
        let mut shape = input.clone();
        for (layer, args) in above.chain([(layer, args)]) {
            match layer.infer(args, &shape) {
                Ok(inferred) => shape = inferred.output,
                Err(fault) => match fault.assume {
                    Some(assumed) => shape = assumed,
                    None => return false,
                },
            }
        }
        true
    };
    let side = height.max(width);
    (side + 1..=LARGEST)
        .map(|larger| {
            Shape::from([channels, (height * larger).div_ceil(side), (width * larger).div_ceil(side)])
        })
        .find(passes)
}
