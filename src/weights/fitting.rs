//! A tensor and the state that is to take it → what is done with its numbers on the way, or that they do not fit.

use crate::model::{Instance, Model, Unit};
use crate::weights::matching::{Change, Target};
use crate::weights::names;
use crate::weights::tensors::Tensor;

/// Whether Keras calls a weight so.
pub fn is_kernel(name: &str, part: &str) -> bool {
    part == "weight" && matches!(name, "kernel" | "depthwise_kernel" | "pointwise_kernel")
}

/// How a tensor becomes a state; `None` where it cannot.
///
/// Extents of 1 behind the second axis may be missing on either side, and a fully connected layer behind a flatten may be
/// written as the convolution that it is (VGG: 4096x512x7x7).
pub fn fitting(target: &Target, tensor: &Tensor) -> Option<Change> {
    let (part, own) = (names::parted(&tensor.name).1, names::parted(&target.name).1);
    let shape = target.shape.as_slice();
    if is_kernel(part, own) {
        return kernel(target, tensor);
    }
    let theirs = tensor.shape.as_slice();
    if shape == theirs {
        // Where Keras has a norm behind a flatten, its channels stand last.
        let is_theirs = part != own && names::canonical(part) == own;
        return Some(match (target.flattened, theirs) {
            (Some([c, h, w]), &[n]) if is_theirs && c * h * w == n => {
                Change::Unflattened { extents: vec![h, w, c], axes: vec![2, 0, 1] }
            }
            _ => Change::Nothing,
        });
    }
    let count = |shape: &[usize]| shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    let ranks = [shape.len(), theirs.len()];
    let flat = ranks.contains(&2) && ranks.iter().all(|&rank| rank >= 2);
    (flat && shape[0] == theirs[0] && count(shape) == count(theirs)).then_some(Change::Reshaped)
}

/// Kernels of Keras: height, width, in, out, or of each channel its filters; and of a fully connected layer in, out, where in
/// may be an image that was flattened with its channels last.
fn kernel(target: &Target, tensor: &Tensor) -> Option<Change> {
    let shape = target.shape.as_slice();
    let turned = |axes: &[usize]| {
        axes.iter()
            .map(|&axis| tensor.shape[axis])
            .eq(shape.iter().copied())
            .then(|| Change::Turned(axes.to_vec()))
    };
    match (tensor.shape.as_slice(), shape) {
        (&[inputs, outputs], &[own, features]) => match target.flattened {
            Some([c, h, w]) if (outputs, inputs, c * h * w) == (own, features, features) => {
                Some(Change::Unflattened { extents: vec![h, w, c, outputs], axes: vec![3, 2, 0, 1] })
            }
            _ => turned(&[1, 0]),
        },
        // A fully connected layer on each pixel.
        (&[inputs, outputs], &[own, channels, 1, 1]) => {
            ((outputs, inputs) == (own, channels)).then(|| Change::Turned(vec![1, 0]))
        }
        (&[h, w, inputs, multiplier], &[own, 1, rows, columns]) => {
            let fits = inputs.checked_mul(multiplier) == Some(own) && [h, w] == [rows, columns];
            fits.then(|| Change::Turned(vec![2, 3, 0, 1]))
        }
        ([_, _, _, _], _) => turned(&[3, 2, 0, 1]),
        ([_, _, _], _) => turned(&[2, 1, 0]),
        _ => None,
    }
}

/// Channels, height and width of the image that a layer takes flat, where more than one pixel has more than one channel.
pub fn flattened(model: &Model, layer: &Instance) -> Option<[usize; 3]> {
    let mut at = layer;
    loop {
        let [input] = at.inputs.as_slice() else { return None };
        let before = model.layers.get(input.layer()?)?;
        let shape = |shape: &Option<crate::shape::Shape>| shape.as_ref().map(|shape| shape.dims().to_vec());
        let (from, to) = (shape(&before.input)?, shape(&before.output)?);
        let is_join = matches!(before.unit, Unit::Join(_));
        match (from.as_slice(), to.as_slice()) {
            (&[c, h, w], &[n])
                if c * h * w == n && h * w > 1 && c > 1 && before.unit.spec().name == "flatten" =>
            {
                return Some([c, h, w]);
            }
            // A layer that works on each number by itself.
            ([_], [_]) if from == to && !is_join && before.unit.spec().name != "linear" => at = before,
            _ => return None,
        }
    }
}
