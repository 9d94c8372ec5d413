//! Normalisations: what `norm.cu` is asked to do.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::launch::{
    Argument, Kernel, Place, Prepared, blocks, each, input, optional, output, size,
};
use crate::kernels::cuda::product::{End, add_parts};
use crate::kernels::cuda::walk::divisor;
use crate::ops::batch_norm;
use crate::ops::standardize::parts;
use crate::shape::Shape;

/// Numbers of a channel that one block adds up, and the most blocks of a channel. What is added in which order depends
/// on the shape alone, so that every device gives the same sums.
const PART: usize = 4096;
const MAX_PARTS: usize = 64;

/// Channels, the numbers of one of them in one image, and in the whole batch.
fn extents(input: &Shape) -> [usize; 3] {
    let inner: usize = input.dims().iter().skip(2).product();
    let channels = input.dims().get(1).copied().unwrap_or(1);
    [channels, inner, input.elements() / channels.max(1)]
}

fn n_parts(count: usize) -> usize {
    count.div_ceil(PART).clamp(1, MAX_PARTS)
}

fn scratch() -> Argument<Place> {
    Argument::Memory(Place::Scratch(0))
}

/// 0 none, 1 relu, 2 relu6: the order of [`batch_norm::ACTIVATIONS`].
fn activation(attrs: &Attrs) -> Result<Argument<Place>, Fault> {
    let name = batch_norm::activation(attrs)?.map(|function| function.name());
    let found = batch_norm::ACTIVATIONS.iter().position(|function| Some(function.name()) == name);
    Ok(Argument::Int(found.map_or(0, |place| place as i32 + 1)))
}

fn sizes(extents: impl IntoIterator<Item = usize>) -> Result<Vec<Argument<Place>>, Fault> {
    extents.into_iter().map(size).collect()
}

fn epsilon(attrs: &Attrs) -> Argument<Place> {
    Argument::Float(attrs.get_float("epsilon"))
}

pub fn moments(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [channels, inner, count] = extents(inputs[0]);
    let n_parts = n_parts(count);
    let extents = sizes([channels, inner, count, n_parts])?;
    let mut arguments = vec![scratch(), input(0)];
    arguments.extend(extents.clone());
    let sums = blocks(Kernel::Named("moments_parts"), channels * n_parts, arguments)?;
    let mut arguments = vec![output(), scratch(), input(0)];
    arguments.extend(extents);
    let finish = each(Kernel::Named("moments"), channels, arguments)?;
    let scratch = 2 * channels * n_parts;
    Ok(Prepared { commands: vec![sums, finish], scratch, ..Prepared::default() })
}

pub fn running_moment(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let n = inputs[0].elements();
    let mut arguments = vec![output(), input(0), input(1), size(n)?];
    arguments.push(Argument::Int(attrs.get_int("row") as i32));
    arguments.extend(["keep", "take"].map(|name| Argument::Float(attrs.get_float(name))));
    Prepared::of(each(Kernel::Named("running_moment"), n, arguments)?)
}

pub fn forward(attrs: &Attrs, inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let [channels, inner, _] = extents(to);
    let mut arguments = vec![output(), input(0), input(1), input(2), input(3), optional(inputs, 4)];
    arguments.extend([size(to.elements())?, divisor(channels)?, divisor(inner)?]);
    arguments.extend([epsilon(attrs), activation(attrs)?]);
    Prepared::of(each(Kernel::Named("batch_norm"), to.elements(), arguments)?)
}

pub fn grad_sums(attrs: &Attrs, inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let [channels, inner, count] = extents(inputs[0]);
    let n_parts = n_parts(count);
    let mut arguments = vec![scratch(), input(0), input(1), input(2)];
    arguments.extend(told(inputs, 3));
    arguments.extend(sizes([channels, inner, count, n_parts])?);
    arguments.extend([epsilon(attrs), activation(attrs)?]);
    let sums = blocks(Kernel::Named("batch_norm_grad_sums"), channels * n_parts, arguments)?;
    let finish = add_parts(Place::Scratch(0), to.elements(), n_parts, End::none())?;
    let commands = vec![sums, finish];
    Ok(Prepared { commands, scratch: 2 * channels * n_parts, ..Prepared::default() })
}

/// What tells of an activation behind `n` inputs: its result, or scale and shift (`struct Told`).
fn told(inputs: &[&Shape], n: usize) -> [Argument<Place>; 3] {
    match inputs.len() == n + 2 {
        true => [Argument::Nothing, input(n), input(n + 1)],
        false => [optional(inputs, n), Argument::Nothing, Argument::Nothing],
    }
}

pub fn grad_input(attrs: &Attrs, inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let [channels, inner, _] = extents(to);
    let share = match attrs.get_text("statistics") {
        "running" => 0.0,
        _ => 1.0 / attrs.get_int("count") as f32,
    };
    let mut arguments = vec![output()];
    arguments.extend((0..5).map(input));
    arguments.extend(told(inputs, 5));
    arguments.extend([size(to.elements())?, divisor(channels)?, divisor(inner)?]);
    arguments.extend([epsilon(attrs), Argument::Float(share), activation(attrs)?]);
    Prepared::of(each(Kernel::Named("batch_norm_grad_input"), to.elements(), arguments)?)
}

pub fn standardize(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [rows, length] = parts(attrs, inputs[0])?;
    let arguments = vec![output(), input(0), size(length)?, epsilon(attrs)];
    Prepared::of(blocks(Kernel::Named("standardize"), rows, arguments)?)
}

pub fn standardize_grad(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [rows, length] = parts(attrs, inputs[0])?;
    let arguments = vec![output(), input(0), input(1), size(length)?, epsilon(attrs)];
    Prepared::of(blocks(Kernel::Named("standardize_grad"), rows, arguments)?)
}
