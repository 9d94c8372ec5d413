//! The kernels of batch normalisation and of its moments: what is prepared for a channel, then one sweep.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::norm::{self, By, Passed, Planes};
use crate::kernels::cpu::{Call, Prepared, add_up};
use crate::ops::batch_norm::activation;
use crate::shape::Shape;

fn planes(input: &Shape) -> Planes {
    let dims = input.dims();
    Planes { images: dims[0], channels: dims[1], plane: dims[2..].iter().product() }
}

/// The bounds that an activation keeps its result between.
fn bounds(attrs: &Attrs) -> Result<[f32; 2], Fault> {
    match activation(attrs)?.map(|function| function.name()) {
        None => Ok([f32::NEG_INFINITY, f32::INFINITY]),
        Some("relu") => Ok([0.0, f32::INFINITY]),
        Some("relu6") => Ok([0.0, 6.0]),
        Some(other) => Err(Fault::internal(format!("no bounds of `{other}`"))),
    }
}

/// What the gradient ops learn of an activation from the inputs behind their others; `inverse` is `1 / √(variance + ε)`.
fn passed<'a>(
    told: &[&'a [f32]],
    [mean, inverse]: [&[f32]; 2],
    line: &'a mut [f32],
    ceiling: f32,
) -> Option<Passed<'a>> {
    match *told {
        [scale, shift] => {
            let (slope, offset) = line.split_at_mut(mean.len());
            slope.copy_from_slice(inverse);
            scale_and_shift([mean, scale, shift], slope, offset);
            Some(Passed { by: By::Line([slope, offset]), ceiling })
        }
        [y] => Some(Passed { by: By::Result(y), ceiling }),
        _ => None,
    }
}

/// `scale / √(variance + ε)` and `shift - mean · scale / √(variance + ε)`, from the inverse in `slope`.
fn scale_and_shift([mean, scale, shift]: [&[f32]; 3], slope: &mut [f32], offset: &mut [f32]) {
    for c in 0..mean.len() {
        slope[c] *= scale[c];
        offset[c] = shift[c] - mean[c] * slope[c];
    }
}

/// `1 / √(variance + ε)`
pub(super) fn invert(variance: &[f32], epsilon: f32, inverse: &mut [f32]) {
    inverse.iter_mut().zip(variance).for_each(|(out, variance)| *out = 1.0 / (variance + epsilon).sqrt());
}

pub fn moments(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let planes = planes(inputs[0]);
    let prepared = Prepared::with_call(0, move |call| norm::moments(planes, call.inputs[0], call.output))?;
    let channels = planes.channels;
    Ok(prepared.merging(norm::partial_len(channels), move |partials, output| {
        norm::finish_moments(channels, partials, output);
    }))
}

pub fn running_moment(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let channels = inputs[0].elements();
    let row = attrs.get_int("row") as usize;
    let (keep, take) = (attrs.get_float("keep"), attrs.get_float("take"));
    Prepared::new(move |inputs, output| {
        let pairs = inputs[0].iter().zip(&inputs[1][row * channels..]);
        output.iter_mut().zip(pairs).for_each(|(out, (old, new))| *out = keep * old + take * new);
    })
}

pub fn batch_norm(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let (planes, bounds) = (planes(inputs[0]), bounds(attrs)?);
    let (channels, epsilon) = (planes.channels, attrs.get_float("epsilon"));
    Prepared::with_call(2 * channels, move |Call { inputs, output, scratch, .. }| {
        let (mean, variance) = inputs[1].split_at(channels);
        let (slope, offset) = scratch.split_at_mut(channels);
        invert(variance, epsilon, slope);
        scale_and_shift([mean, inputs[2], inputs[3]], slope, offset);
        norm::apply(planes, inputs[0], [slope, offset], inputs.get(4).copied(), bounds, output);
    })
}

pub fn grad_sums(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let (planes, [_, ceiling]) = (planes(inputs[0]), bounds(attrs)?);
    let (channels, epsilon) = (planes.channels, attrs.get_float("epsilon"));
    let prepared = Prepared::with_call(3 * channels, move |Call { inputs, output, scratch, .. }| {
        let (mean, variance) = inputs[2].split_at(channels);
        let (inverse, line) = scratch.split_at_mut(channels);
        invert(variance, epsilon, inverse);
        let (to_scale, to_shift) = output.split_at_mut(channels);
        let passed = passed(&inputs[3..], [mean, inverse], line, ceiling);
        norm::backward_sums(planes, inputs[0], inputs[1], passed, [mean, inverse], [to_scale, to_shift]);
    })?;
    Ok(prepared.summing(output.elements(), add_up))
}

/// The factors of [`norm::backward_apply`] in place of the inverted deviation, which lies in the first of them.
pub(super) fn backward_factors(
    [a, b, c]: [&mut [f32]; 3],
    mean: &[f32],
    [to_scale, to_shift]: [&[f32]; 2],
    share: f32,
    scale: impl Fn(usize) -> f32,
) {
    for channel in 0..a.len() {
        let inverse = a[channel];
        a[channel] = scale(channel) * inverse;
        b[channel] = -a[channel] * inverse * (share * to_scale[channel]);
        c[channel] = -a[channel] * (share * to_shift[channel]) - b[channel] * mean[channel];
    }
}

pub fn grad_input(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let (planes, [_, ceiling]) = (planes(inputs[0]), bounds(attrs)?);
    let (channels, epsilon) = (planes.channels, attrs.get_float("epsilon"));
    // With running statistics nothing flows through mean and variance.
    let share = match attrs.get_text("statistics") {
        "running" => 0.0,
        _ => 1.0 / attrs.get_int("count") as f32,
    };
    Prepared::with_call(5 * channels, move |Call { inputs, output, scratch, .. }| {
        let (mean, variance) = inputs[2].split_at(channels);
        let (to_scale, to_shift) = inputs[4].split_at(channels);
        let (a, rest) = scratch.split_at_mut(channels);
        let (b, rest) = rest.split_at_mut(channels);
        let (c, line) = rest.split_at_mut(channels);
        invert(variance, epsilon, a);
        let passed = passed(&inputs[5..], [mean, a], line, ceiling);
        backward_factors([a, b, c], mean, [to_scale, to_shift], share, |channel| inputs[3][channel]);
        norm::backward_apply(planes, inputs[0], inputs[1], passed, [a, b, c], output);
    })
}
