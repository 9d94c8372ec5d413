//! Convolutions that have kernels of their own where channels lie last: of few input channels, whose products would leave tensor
//! cores mostly empty, and of groups of one channel. What `conv.cu` is asked to do of them.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::conv::library;
use crate::kernels::cuda::end::{End, add_parts};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::geometry::of_convolution;
use crate::kernels::cuda::launch::{
    Argument, Direction, FEW_BLOCKS, Place, Prepared, THREADS, blocks, input, int, output, size,
};
use crate::ops::conv2d::Geometry;
use crate::shape::Shape;

/// Input channels that are few, and the most terms of an output; the weights of a block have to fit into its memory.
const FEW_INPUTS: usize = 4;
const MOST_TERMS: usize = 80;
const MOST_WEIGHTS: usize = 8192;
/// Neighbouring channels of a thread where they come in fours; neighbouring threads of a block; places of a thread (`PLACES` of
/// `conv.cu`).
const QUAD: usize = 4;
const LANES: usize = 16;
const PLACES: usize = 4;
/// Sums that a thread of a gradient of weights keeps, windows that it adds up, and the most parts of them.
const MOST_SUMS: usize = 64;
const WINDOWS: usize = 16;
const MAX_PARTS: usize = 512;

/// What makes a convolution one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One group of few input channels.
    FewInputs,
    /// Groups of one input and one output channel, in fours.
    Fours,
}

fn kind(g: &Geometry, format: Format) -> Option<Kind> {
    let n_taps = g.windows.n_taps();
    let terms = n_taps * g.in_channels;
    let few = g.groups == 1
        && g.in_channels <= FEW_INPUTS
        && terms <= MOST_TERMS
        && terms * g.out_channels <= MOST_WEIGHTS
        && g.out_channels / width(g.out_channels) <= THREADS as usize;
    let fours = g.groups == g.in_channels
        && g.groups == g.out_channels
        && g.groups.is_multiple_of(QUAD)
        && n_taps * LANES * QUAD <= MOST_WEIGHTS;
    match format {
        Format::ChannelsFirst => None,
        Format::ChannelsLast if few => Some(Kind::FewInputs),
        Format::ChannelsLast if fours => Some(Kind::Fours),
        Format::ChannelsLast => None,
    }
}

/// Neighbouring filters of a thread.
fn width(filters: usize) -> usize {
    [4, 2].into_iter().find(|&width| filters.is_multiple_of(width)).unwrap_or(1)
}

/// Images and weights, with the end of `attrs` → output; `None` for a convolution of another kind.
pub fn conv2d(
    g: &Geometry,
    attrs: &Attrs,
    inputs: &[&Shape],
    to: &Shape,
    format: Format,
) -> Result<Option<Prepared>, Fault> {
    let Some(kind) = kind(g, format) else { return Ok(None) };
    let end = End::of(attrs, inputs, to, format);
    let relu = end.relu();
    let n = g.batch * g.windows.n_outputs();
    let arguments = vec![output(), input(0), input(1), end.bias, size(n)?, relu];
    let parameters = "float *out, const float *x, const float *weight, const float *bias, int n, int relu";
    let (taps, filters) = (g.windows.n_taps(), g.out_channels);
    let (function, n_blocks) = match kind {
        Kind::FewInputs => {
            let width = width(filters);
            let at_once = THREADS as usize / (filters / width);
            let inputs = g.in_channels;
            let function = format!("conv2d_few_inputs<{width}, {filters}, {taps}, {inputs}>");
            (function, n.div_ceil(PLACES * at_once))
        }
        Kind::Fours => (of_fours(g, Side::Windows), n_blocks_of_fours(g, n)),
    };
    let command = blocks(of_convolution(&function, parameters, g)?, n_blocks, arguments)?;
    let library = match kind {
        Kind::FewInputs => library(Direction::Output, g, format),
        Kind::Fours => None,
    };
    Ok(Some(Prepared { commands: vec![command], leads: library.is_some(), library, ..Prepared::default() }))
}

/// Weights and the output's gradient → that of the images.
pub fn grad_input(g: &Geometry, format: Format) -> Result<Option<Prepared>, Fault> {
    if kind(g, format) != Some(Kind::Fours) {
        return Ok(None);
    }
    let n = g.batch * g.windows.height * g.windows.width;
    int(n)?;
    let arguments = vec![output(), input(1), input(0), Argument::Nothing, size(n)?, Argument::Int(0)];
    let parameters = "float *out, const float *x, const float *weight, const float *bias, int n, int relu";
    let kernel = of_convolution(&of_fours(g, Side::Pixels), parameters, g)?;
    Prepared::of(blocks(kernel, n_blocks_of_fours(g, n), arguments)?).map(Some)
}

/// What each thread gathers for.
#[derive(Clone, Copy)]
enum Side {
    Windows,
    Pixels,
}

fn lanes_of_fours(g: &Geometry) -> usize {
    (g.groups / QUAD).next_power_of_two().min(LANES)
}

fn of_fours(g: &Geometry, side: Side) -> String {
    let back = match side {
        Side::Windows => "false",
        Side::Pixels => "true",
    };
    format!("conv2d_of_fours<{}, {}, {back}>", lanes_of_fours(g), g.windows.n_taps())
}

fn n_blocks_of_fours(g: &Geometry, n: usize) -> usize {
    let lanes = lanes_of_fours(g);
    g.groups.div_ceil(lanes * QUAD) * n.div_ceil(PLACES * THREADS as usize / lanes)
}

/// Images and the output's gradient → that of the weights.
pub fn grad_weight(g: &Geometry, to: &Shape, format: Format) -> Result<Option<Prepared>, Fault> {
    let Some(kind) = kind(g, format) else { return Ok(None) };
    let (columns, filters) = (g.windows.columns.kernel, g.out_channels);
    let (width, inputs, is_own) = match kind {
        Kind::FewInputs => (width(filters), g.in_channels, false),
        Kind::Fours => (QUAD, 1, true),
    };
    let lines = (MOST_SUMS / (columns * inputs * width)).clamp(1, g.windows.rows.kernel);
    let lanes = (filters / width).next_power_of_two().min(2 * LANES);
    let count = g.batch * g.windows.n_outputs();
    let of_part = g.windows.rows.kernel.div_ceil(lines) * filters.div_ceil(width * lanes);
    let most = (FEW_BLOCKS / of_part).clamp(1, MAX_PARTS);
    let n_parts = (count * lanes).div_ceil(WINDOWS * THREADS as usize).clamp(1, most);
    let target = if n_parts == 1 { Place::Output } else { Place::Scratch(0) };
    let arguments = vec![Argument::Memory(target), input(0), input(1), size(count)?, size(n_parts)?];
    let function =
        format!("conv2d_grad_weight_by_filters<{width}, {lanes}, {lines}, {columns}, {inputs}, {is_own}>");
    let parameters = "float *out, const float *x, const float *grad, int count, int n_parts";
    let kernel = of_convolution(&function, parameters, g)?;
    let mut prepared = Prepared::of(blocks(kernel, of_part * n_parts, arguments)?)?;
    if n_parts > 1 {
        prepared.scratch = to.elements() * n_parts;
        prepared.commands.push(add_parts(target, to.elements(), n_parts, End::none())?);
    }
    Ok(Some(prepared))
}
