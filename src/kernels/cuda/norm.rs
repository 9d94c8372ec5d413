//! Normalisations: what `norm.cu` is asked to do.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::end::{End, add_parts, lanes};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{
    Argument, FEW_BLOCKS, Kernel, Place, Prepared, THREADS, blocks, each, input, optional, output, several,
    size,
};
use crate::kernels::cuda::together::ELEMENT;
use crate::kernels::cuda::walk::divisor;
use crate::ops::batch_norm;
use crate::ops::standardize::parts;
use crate::shape::Shape;

/// Numbers that one block adds up, of one channel or of each of some; and the most parts of a channel. What is added in
/// which order depends on the shape alone, so that every device gives the same sums.
const PART: usize = 4096;
const MAX_PARTS: usize = 512;
/// Neighbouring channels that one block adds up where they lie side by side.
const LANES: usize = 32;

/// Channels, the numbers of one of them that lie side by side, and in the whole batch.
fn extents(input: &Shape, format: Format) -> [usize; 3] {
    let channels = input.dims().get(1).copied().unwrap_or(1);
    let inner = match format {
        Format::ChannelsFirst => input.dims().iter().skip(2).product(),
        Format::ChannelsLast => 1,
    };
    [channels, inner, input.elements() / channels.max(1)]
}

/// Channels that a thread has where they lie side by side (`QUAD` of `common.cu`), and its rows of them where it makes
/// numbers (`ROWS` of `norm.cu`).
const QUAD: usize = 4;
const ROWS: usize = 8;

/// Whether a thread takes four channels at once.
fn in_fours(channels: usize, inner: usize) -> bool {
    inner == 1 && channels.is_multiple_of(QUAD)
}

/// Sums over the numbers of each channel: the blocks that make them, and what they are told of.
struct Sums {
    in_fours: bool,
    n_blocks: usize,
    n_parts: usize,
    extents: Vec<Argument<Place>>,
}

fn sums(input: &Shape, format: Format) -> Result<Sums, Fault> {
    let [channels, inner, count] = extents(input, format);
    let in_fours = in_fours(channels, inner);
    let columns = if in_fours { channels / QUAD } else { channels };
    let lanes = if inner == 1 { columns.next_power_of_two().min(LANES) } else { 1 };
    let most = (FEW_BLOCKS / columns.div_ceil(lanes).max(1)).clamp(1, MAX_PARTS);
    let n_parts = (count * lanes).div_ceil(PART).clamp(1, most);
    let extents = match in_fours {
        true => sizes([channels, count, n_parts, lanes])?,
        false => sizes([channels, inner, count, n_parts, lanes])?,
    };
    Ok(Sums { in_fours, n_blocks: columns.div_ceil(lanes) * n_parts, n_parts, extents })
}

/// A launch for each number of a value, made of numbers at its place and of some that its channel has: `operands`, and then
/// what `norm.cu` wants in front of `rest`.
fn by_channel(
    kernels: [&'static str; 2],
    shape: &Shape,
    format: Format,
    operands: Vec<Argument<Place>>,
    rest: Vec<Argument<Place>>,
) -> Result<Prepared, Fault> {
    let [channels, inner, count] = extents(shape, format);
    let mut arguments = operands;
    if !in_fours(channels, inner) {
        arguments.extend([size(shape.elements())?, divisor(channels)?, divisor(inner)?]);
        arguments.extend(rest);
        return Prepared::of(several(Kernel::Named(kernels[0]), shape.elements(), arguments)?);
    }
    let columns = channels / QUAD;
    let lanes = columns.next_power_of_two().min(THREADS as usize);
    arguments.extend(sizes([channels, count, lanes])?);
    arguments.extend(rest);
    let rows = ROWS * THREADS as usize / lanes;
    let n_blocks = columns.div_ceil(lanes) * count.div_ceil(rows);
    Prepared::of(blocks(Kernel::Named(kernels[1]), n_blocks, arguments)?)
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

pub fn moments(_attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let Sums { in_fours, n_blocks, n_parts, extents: told } = sums(inputs[0], format)?;
    let mut arguments = vec![scratch(), input(0)];
    arguments.extend(told);
    let kernel = if in_fours { "moments_parts_of_fours" } else { "moments_parts" };
    let sums = blocks(Kernel::Named(kernel), n_blocks, arguments)?;
    let [channels, inner, count] = extents(inputs[0], format);
    let lanes = lanes(n_parts);
    let mut arguments = vec![output(), scratch(), input(0)];
    arguments.extend(sizes([channels, inner, count, n_parts, lanes])?);
    let finish = blocks(Kernel::Named("moments"), channels.div_ceil(lanes), arguments)?;
    Ok(Prepared { commands: vec![sums, finish], scratch: to.elements() * n_parts, ..Prepared::default() })
}

/// Written as a kernel for elements, as all of a step's are done together.
pub fn running_moment(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let n = inputs[0].elements();
    let mut arguments = vec![output(), input(0), input(1), size(n)?];
    arguments.push(Argument::Int(attrs.get_int("row") as i32));
    arguments.extend(["keep", "take"].map(|name| Argument::Float(attrs.get_float(name))));
    let text = format!(
        "(float *out, const float *old, const float *moments, int n, int row, float keep, float take) {{\n{ELEMENT}    \
         if (element < (unsigned)n) out[element] = keep * old[element] + take * moments[row * n + element];\n}}\n"
    );
    Prepared::of(each(Kernel::Written(text), n, arguments)?)
}

pub fn forward(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let operands = vec![output(), input(0), input(1), input(2), input(3), optional(inputs, 4)];
    let rest = vec![epsilon(attrs), activation(attrs)?];
    by_channel(["batch_norm", "batch_norm_of_fours"], to, format, operands, rest)
}

pub fn grad_sums(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let Sums { in_fours, n_blocks, n_parts, extents } = sums(inputs[0], format)?;
    let kernel = if in_fours { "batch_norm_grad_sums_of_fours" } else { "batch_norm_grad_sums" };
    let mut arguments = vec![scratch(), input(0), input(1), input(2)];
    arguments.extend(told(inputs, 3));
    arguments.extend(extents);
    arguments.extend([epsilon(attrs), activation(attrs)?]);
    let sums = blocks(Kernel::Named(kernel), n_blocks, arguments)?;
    let finish = add_parts(Place::Scratch(0), to.elements(), n_parts, End::none())?;
    let commands = vec![sums, finish];
    Ok(Prepared { commands, scratch: to.elements() * n_parts, ..Prepared::default() })
}

/// What tells of an activation behind `n` inputs: its result, or scale and shift (`struct Told`).
fn told(inputs: &[&Shape], n: usize) -> [Argument<Place>; 3] {
    match inputs.len() == n + 2 {
        true => [Argument::Nothing, input(n), input(n + 1)],
        false => [optional(inputs, n), Argument::Nothing, Argument::Nothing],
    }
}

pub fn grad_input(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let share = match attrs.get_text("statistics") {
        "running" => 0.0,
        _ => 1.0 / attrs.get_int("count") as f32,
    };
    let mut operands = vec![output()];
    operands.extend((0..5).map(input));
    operands.extend(told(inputs, 5));
    let rest = vec![epsilon(attrs), Argument::Float(share), activation(attrs)?];
    by_channel(["batch_norm_grad_input", "batch_norm_grad_input_of_fours"], to, format, operands, rest)
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
