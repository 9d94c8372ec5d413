//! Boxes of numbers from one place to another, values from one form to another, and dropout masks: what `moving.cu` is asked
//! to do.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::format::{AXES, Format};
use crate::kernels::cuda::launch::{
    Argument, Command, Kernel, Place, Prepared, THREADS, blocks, each, input, output, several, size,
};
use crate::kernels::cuda::walk::{self, Axis, divisor, merged, steps};
use crate::ops::dropout_mask::FIRST;
use crate::shape::Shape;

/// `SQUARE` and `MOST_FEW` of `moving.cu`.
const SQUARE: usize = 32;
const MOST_FEW: usize = 16;

/// `n` elements along these axes, from input `from` to the output; the first operand is the output.
fn moved(axes: Vec<Axis<2>>, from: usize, starts: [usize; 2]) -> Result<Command<Place>, Fault> {
    let n = axes.iter().map(|(extent, _)| extent).product();
    let axes = merged(axes);
    let arguments = vec![
        output(),
        input(from),
        size(n)?,
        size(starts[0])?,
        size(starts[1])?,
        walk::argument(&axes, 0)?,
        walk::argument(&axes, 1)?,
    ];
    each(Kernel::Named("move"), n, arguments)
}

/// A value of this shape from one place to another where it lies otherwise.
pub fn converted<P: Copy>(
    shape: &Shape,
    [old, new]: [Format; 2],
    [from, to]: [P; 2],
) -> Result<Command<P>, Fault> {
    let n = shape.elements();
    let command = match (old.of(shape), new.of(shape)) {
        (old, new) if old == new => several(Kernel::Named("cast"), n, vec![output(), input(0), size(n)?])?,
        (old, _) => {
            // Channels and positions change places.
            let lies = old.in_memory(shape);
            let (rows, columns) = match (old, lies.dims()) {
                (Format::ChannelsFirst, &[.., channels, height, width]) => (channels, height * width),
                (Format::ChannelsLast, &[.., height, width, channels]) => (height * width, channels),
                _ => return Err(Fault::internal(format!("a value of {shape} lies in one way"))),
            };
            let n_matrices = n / (rows * columns).max(1);
            let mut arguments = vec![output(), input(0), size(rows)?, size(columns)?];
            let (few, many) = (rows.min(columns), rows.max(columns));
            match few <= MOST_FEW {
                true => {
                    arguments.push(divisor(few)?);
                    blocks(
                        Kernel::Named("swap_few"),
                        many.div_ceil(THREADS as usize) * n_matrices,
                        arguments,
                    )?
                }
                false => {
                    let squares = rows.div_ceil(SQUARE) * columns.div_ceil(SQUARE) * n_matrices;
                    blocks(Kernel::Named("swap_axes"), squares, arguments)?
                }
            }
        }
    };
    Ok(command.at(&|place| if place == Place::Output { to } else { from }))
}

/// These axes of a value as they lie in memory.
pub fn placed(axes: &[usize], of: &Shape, format: Format) -> Vec<usize> {
    match format {
        Format::ChannelsFirst => axes.to_vec(),
        Format::ChannelsLast => axes.iter().map(|axis| format.place(axis + AXES - of.rank())).collect(),
    }
}

/// Where something starts on the axes as they lie in memory.
fn starts(start: &[usize], format: Format) -> Vec<usize> {
    match (format, start) {
        (Format::ChannelsLast, &[image, channel, row, column]) => vec![image, row, column, channel],
        _ => start.to_vec(),
    }
}

/// A box of these extents in two values that lie row by row.
fn boxed(extents: &Shape, to: &Shape, from: &Shape) -> Vec<Axis<2>> {
    let (to, from) = (steps(to.dims()), steps(from.dims()));
    extents.dims().iter().enumerate().map(|(axis, &extent)| (extent, [to[axis], from[axis]])).collect()
}

fn start_of(start: &[usize], inside: &Shape) -> usize {
    start.iter().zip(steps(inside.dims())).map(|(start, step)| start * step).sum()
}

pub fn expand(_attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let (from, to) = (format.in_memory(inputs[0]), format.in_memory(to));
    let (lead, own) = (to.rank() - from.rank(), steps(from.dims()));
    let step = |axis: usize| match axis.checked_sub(lead) {
        Some(axis) if from.dims()[axis] > 1 => own[axis],
        _ => 0,
    };
    let axes = to.dims().iter().zip(steps(to.dims())).enumerate();
    Prepared::of(moved(axes.map(|(axis, (&extent, to))| (extent, [to, step(axis)])).collect(), 0, [0, 0])?)
}

pub fn concat(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let axis = placed(&[attrs.get_int("axis") as usize], to, format)[0];
    let to = format.in_memory(to);
    let mut start = vec![0; to.rank()];
    let mut prepared = Prepared::default();
    for (i, shape) in inputs.iter().enumerate() {
        let shape = format.in_memory(shape);
        let begin = start_of(&start, &to);
        prepared.commands.push(moved(boxed(&shape, &to, &shape), i, [begin, 0])?);
        start[axis] += shape.dims()[axis];
    }
    Ok(prepared)
}

pub fn slice(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let (from, to) = (format.in_memory(inputs[0]), format.in_memory(to));
    let start = start_of(&starts(attrs.get_ints("start"), format), &from);
    Prepared::of(moved(boxed(&to, &to, &from), 0, [0, start])?)
}

/// Where in a value a slice of it begins, if its numbers lie side by side.
pub fn offset(attrs: &Attrs, from: &Shape, to: &Shape) -> Option<usize> {
    let axes = merged(boxed(to, to, from));
    let is_one = axes.iter().all(|(_, steps)| *steps == [1, 1]) && axes.len() <= 1;
    is_one.then(|| start_of(attrs.get_ints("start"), from))
}

pub fn pad(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let (from, to) = (format.in_memory(inputs[0]), format.in_memory(to));
    let n = to.elements();
    let zeros = each(Kernel::Named("fill"), n, vec![output(), size(n)?, Argument::Float(0.0)])?;
    let start = start_of(&starts(attrs.get_ints("start"), format), &to);
    let inside = moved(boxed(&from, &to, &from), 0, [start, 0])?;
    Ok(Prepared { commands: vec![zeros, inside], ..Prepared::default() })
}

pub fn transpose(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let (to, from) = (steps(output.dims()), steps(inputs[0].dims()));
    let axes = attrs.get_ints("axes").iter().zip(output.dims()).zip(to);
    Prepared::of(moved(axes.map(|((&axis, &extent), to)| (extent, [to, from[axis]])).collect(), 0, [0, 0])?)
}

pub fn dropout_mask(attrs: &Attrs, _inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let (n, seed) = (to.elements(), attrs.get_int("seed") as u64);
    let first = attrs.get_int(FIRST) as usize;
    let p = attrs.get_float("p");
    let words = [seed as u32, (seed >> 32) as u32, attrs.get_int("stream") as u32];
    let mut arguments = vec![output(), input(0), size(n)?];
    arguments.extend(words.map(|word| Argument::Int(word as i32)));
    arguments.extend([Argument::Float(p), Argument::Float(1.0 / (1.0 - p)), size(first)?]);
    // A thread makes four numbers, which lie as they do in the whole mask.
    let n_fours = (first + n).div_ceil(4) - first / 4;
    Prepared::of(blocks(Kernel::Named("dropout_mask"), n_fours.div_ceil(THREADS as usize), arguments)?)
}
