//! Parts of an image brought to mean 0 and variance 1, image by image, so that the second sweep finds the image
//! in the cache. A part is a channel of an image to the sweeps.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::batch_norm::{backward_factors, invert};
use crate::kernels::cpu::norm::{self, Planes};
use crate::kernels::cpu::{Call, Prepared};
use crate::ops::standardize::parts;
use crate::shape::Shape;

const UNBOUNDED: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

/// One image as planes.
fn image(attrs: &Attrs, input: &Shape) -> Result<Planes, Fault> {
    let [rows, plane] = parts(attrs, input)?;
    Ok(Planes { images: 1, channels: rows / input.dims()[0].max(1), plane })
}

/// Mean and variance of each part.
fn moments(image: Planes, x: &[f32], partial: &mut [f32], output: &mut [f32]) {
    partial.fill(0.0);
    norm::moments(image, x, partial);
    norm::finish_moments(image.channels, partial, output);
}

pub fn standardize(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let (image, epsilon) = (image(attrs, inputs[0])?, attrs.get_float("epsilon"));
    let (n, partial_len) = (image.channels, norm::partial_len(image.channels));
    Prepared::with_call(partial_len + 4 * n, move |Call { inputs, output, scratch, .. }| {
        let (partial, scratch) = scratch.split_at_mut(partial_len);
        let (of_parts, factors) = scratch.split_at_mut(2 * n);
        let (slope, offset) = factors.split_at_mut(n);
        for (x, y) in inputs[0].chunks_exact(image.len()).zip(output.chunks_exact_mut(image.len())) {
            moments(image, x, partial, of_parts);
            invert(&of_parts[n..], epsilon, slope);
            for c in 0..n {
                offset[c] = -of_parts[c] * slope[c];
            }
            norm::apply(image, x, [slope, offset], None, UNBOUNDED, y);
        }
    })
}

pub fn standardize_grad(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let (image, epsilon) = (image(attrs, inputs[0])?, attrs.get_float("epsilon"));
    let (n, partial_len) = (image.channels, norm::partial_len(image.channels));
    let share = 1.0 / image.plane as f32;
    Prepared::with_call(partial_len + 7 * n, move |Call { inputs, output, scratch, .. }| {
        let (partial, scratch) = scratch.split_at_mut(partial_len);
        let (of_parts, scratch) = scratch.split_at_mut(2 * n);
        let (sums, factors) = scratch.split_at_mut(2 * n);
        let (a, rest) = factors.split_at_mut(n);
        let (b, c) = rest.split_at_mut(n);
        let images = inputs[0].chunks_exact(image.len()).zip(inputs[1].chunks_exact(image.len()));
        for ((x, dy), dx) in images.zip(output.chunks_exact_mut(image.len())) {
            moments(image, x, partial, of_parts);
            let (mean, variance) = of_parts.split_at(n);
            invert(variance, epsilon, a);
            sums.fill(0.0);
            let (product, sum) = sums.split_at_mut(n);
            norm::backward_sums(image, x, dy, None, [mean, a], [product, sum]);
            backward_factors([a, b, c], mean, [product, sum], share, |_| 1.0);
            norm::backward_apply(image, x, dy, None, [a, b, c], dx);
        }
    })
}
