//! Reductions, boxes of numbers, resampling and dropout masks: what `moving.cu` is asked to do for each op.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::format::{AXES, Format};
use crate::kernels::cuda::launch::{
    Argument, Command, FEW_BLOCKS, Kernel, Place, Prepared, THREADS, blocks, each, input, output, several,
    size, too_large,
};
use crate::kernels::cuda::product::{End, add_parts};
use crate::kernels::cuda::walk::{self, Axis, merged, steps};
use crate::ops::resample;
use crate::shape::Shape;

/// Summands that a thread of a reduction has where there are enough; neighbouring threads that are enough for memory; the
/// most parts that sums are cut into.
const SUMMANDS: usize = 16;
const NEIGHBOURS: usize = 32;
const MAX_PARTS: usize = 512;
/// `SQUARE` of `moving.cu`.
const SQUARE: usize = 32;
/// Matrices of so few rows or columns are moved element by element.
const FEW_LINES: usize = 8;

pub fn sum(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> Result<Prepared, Fault> {
    let axes = placed(attrs.get_ints("axes"), inputs[0], format);
    reduce(&axes, &format.in_memory(inputs[0]), output, |_| 1.0)
}

pub fn mean(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> Result<Prepared, Fault> {
    let axes = placed(attrs.get_ints("axes"), inputs[0], format);
    reduce(&axes, &format.in_memory(inputs[0]), output, |count| 1.0 / count as f32)
}

fn reduce(
    axes: &[usize],
    from: &Shape,
    to: &Shape,
    factor: impl Fn(usize) -> f32,
) -> Result<Prepared, Fault> {
    let own = steps(from.dims());
    let axis = |axis: usize| (from.dims()[axis], [own[axis]]);
    let is_reduced = |axis: &usize| axes.contains(axis);
    let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..from.rank()).partition(is_reduced);
    let reduced = merged(reduced.into_iter().map(axis));
    let kept = merged(kept.into_iter().map(axis));
    let count = from.elements() / to.elements().max(1);
    let along = reduced.last().is_some_and(|(_, [step])| *step == 1);
    let Split { lanes, n_parts } = split(to.elements(), count, along);
    let target = if n_parts == 1 { Place::Output } else { Place::Scratch(0) };
    let mut arguments = vec![Argument::Memory(target), input(0)];
    for number in [to.elements(), count, lanes, usize::from(along), n_parts] {
        arguments.push(size(number)?);
    }
    arguments.extend([
        Argument::Float(factor(count)),
        walk::argument(&kept, 0)?,
        walk::argument(&reduced, 0)?,
    ]);
    let n_blocks = to.elements().div_ceil(THREADS as usize / lanes) * n_parts;
    let mut commands = vec![blocks(Kernel::Named("reduce"), n_blocks, arguments)?];
    let mut scratch = 0;
    if n_parts > 1 {
        scratch = to.elements() * n_parts;
        commands.push(add_parts(target, to.elements(), n_parts, End::none())?);
    }
    Ok(Prepared { commands, scratch, ..Prepared::default() })
}

/// How a sum is shared out: threads of a block for each output, and parts; by its sizes alone, so that every device adds
/// in the same order.
struct Split {
    lanes: usize,
    n_parts: usize,
}

fn split(n: usize, count: usize, along: bool) -> Split {
    let threads = THREADS as usize;
    let wanted = count.div_ceil(SUMMANDS).next_power_of_two();
    let lanes = match along {
        true => wanted.max(count.next_power_of_two().min(NEIGHBOURS)).min(threads),
        // Outputs lie beside each other in a block.
        false => wanted.min(threads / n.next_power_of_two().min(NEIGHBOURS)),
    };
    let most = (FEW_BLOCKS / n.div_ceil(threads / lanes)).clamp(1, MAX_PARTS);
    // A few more summands are faster than another kernel.
    let n_parts = if count <= 4 * lanes * SUMMANDS { 1 } else { count.div_ceil(lanes * SUMMANDS).min(most) };
    Split { lanes, n_parts }
}

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
            match rows.min(columns) < FEW_LINES {
                true => {
                    let axes =
                        [(n_matrices, [rows * columns; 2]), (columns, [rows, 1]), (rows, [1, columns])];
                    moved(axes.to_vec(), 0, [0, 0])?
                }
                false => {
                    let squares = rows.div_ceil(SQUARE) * columns.div_ceil(SQUARE) * n_matrices;
                    let arguments = vec![output(), input(0), size(rows)?, size(columns)?];
                    blocks(Kernel::Named("swap_axes"), squares, arguments)?
                }
            }
        }
    };
    Ok(command.at(&|place| if place == Place::Output { to } else { from }))
}

/// These axes of a value as they lie in memory.
fn placed(axes: &[usize], of: &Shape, format: Format) -> Vec<usize> {
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

pub fn forward(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> Result<Prepared, Fault> {
    let [rows, columns] = resample::axes("resample", attrs)?;
    resampled([rows.taps, columns.taps], inputs[0], output, format)
}

pub fn adjoint(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> Result<Prepared, Fault> {
    let [rows, columns] = resample::axes("resample_adjoint", attrs)?;
    resampled([turned(&rows), turned(&columns)], inputs[0], output, format)
}

/// For each input of an axis the outputs that read it, and their weights.
fn turned(axis: &resample::Axis) -> Vec<Vec<(usize, f32)>> {
    let mut taps = vec![Vec::new(); axis.from];
    for (to, own) in axis.taps.iter().enumerate() {
        own.iter().for_each(|&(from, weight)| taps[from].push((to, weight)));
    }
    taps
}

fn resampled(
    taps: [Vec<Vec<(usize, f32)>>; 2],
    from: &Shape,
    to: &Shape,
    format: Format,
) -> Result<Prepared, Fault> {
    let n = to.elements();
    let mut arguments = vec![output(), input(0)];
    arguments.extend([0, 1].map(|table| Argument::Memory(Place::Table(table))));
    let depth = format.depth(to.dims()[1]);
    for extent in [n, to.dims()[2], to.dims()[3], from.dims()[2], from.dims()[3], depth] {
        arguments.push(size(extent)?);
    }
    let command = each(Kernel::Named("resample"), n, arguments)?;
    let tables = taps.iter().map(|taps| table(taps)).collect::<Result<_, _>>()?;
    Ok(Prepared { commands: vec![command], tables, ..Prepared::default() })
}

/// Where each output's taps begin, and each tap's input and weight, as floats that hold whole numbers exactly.
fn table(taps: &[Vec<(usize, f32)>]) -> Result<Vec<f32>, Fault> {
    const EXACT: usize = 1 << 24;
    let n_taps: usize = taps.iter().map(Vec::len).sum();
    if n_taps.max(taps.len()) >= EXACT {
        return Err(too_large());
    }
    let mut table = Vec::with_capacity(taps.len() + 1 + 2 * n_taps);
    let mut begin = 0;
    for own in taps {
        table.push(begin as f32);
        begin += own.len();
    }
    table.push(begin as f32);
    for &(at, weight) in taps.iter().flatten() {
        table.extend([at as f32, weight]);
    }
    Ok(table)
}

pub fn dropout_mask(attrs: &Attrs, _inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let (n, seed) = (to.elements(), attrs.get_int("seed") as u64);
    let p = attrs.get_float("p");
    let words = [seed as u32, (seed >> 32) as u32, attrs.get_int("stream") as u32];
    let mut arguments = vec![output(), input(0), size(n)?];
    arguments.extend(words.map(|word| Argument::Int(word as i32)));
    arguments.extend([Argument::Float(p), Argument::Float(1.0 / (1.0 - p))]);
    Prepared::of(blocks(Kernel::Named("dropout_mask"), n.div_ceil(4 * THREADS as usize), arguments)?)
}
