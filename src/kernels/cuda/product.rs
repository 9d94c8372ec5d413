//! Matrix products and convolutions: what `product.cu` and `conv.cu` are asked to do, and what a library is where the
//! device has one.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::geometry::{self, of_convolution};
use crate::kernels::cuda::launch::{
    Argument, Command, Convolution, Direction, FEW_BLOCKS, Kernel, Place, Prepared, Product, THREADS, blocks,
    each, input, int, optional, output, several, size,
};
use crate::kernels::cuda::walk::divisor;
use crate::ops::conv2d::{Conv2dGradInput, Conv2dGradWeight, Geometry};
use crate::ops::{epilogue, matmul as op};
use crate::shape::Shape;

/// `TILE` of `product.cu`.
const TILE: usize = 64;
/// Fewer tiles than this are cut along K, into parts of at least this length.
const FEW_TILES: usize = 128;
const PART: usize = 512;
/// Windows of which a block of the direct gradient of weights adds up so many, in at most so many parts; a thread keeps
/// so many taps in its registers.
const DIRECT_PART: usize = 4096;
const MAX_DIRECT_PARTS: usize = 512;
const TAPS: usize = 32;
/// Neighbouring outputs that a block of it takes where channels are last, and columns of many parts.
const LANES: usize = 32;
const MANY_PARTS: usize = 16;
/// With fewer channels a group's tiles would be mostly empty.
const FEW_CHANNELS: usize = 16;

/// What happens to a product before it counts: a bias for each of `channels` places of `inner` numbers, a relu.
pub struct End {
    bias: Argument<Place>,
    channels: usize,
    inner: usize,
    relu: bool,
}

impl End {
    pub fn none() -> End {
        End { bias: Argument::Nothing, channels: 1, inner: 1, relu: false }
    }

    /// The end of a product with this output, whose axis 1 has the channels.
    fn of(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> End {
        End {
            bias: optional(inputs, 2),
            channels: output.dims()[1],
            inner: match format {
                Format::ChannelsFirst => output.dims()[2..].iter().product(),
                Format::ChannelsLast => 1,
            },
            relu: epilogue::has_relu(attrs),
        }
    }

    fn is_none(&self) -> bool {
        self.bias == Argument::Nothing && !self.relu
    }

    fn relu(&self) -> Argument<Place> {
        Argument::Int(i32::from(self.relu))
    }
}

/// A product's numbers are finished where they are.
fn finish(n: usize, end: End) -> Result<Command<Place>, Fault> {
    let relu = end.relu();
    let mut arguments = vec![output(), output(), end.bias];
    arguments.extend([size(n)?, divisor(end.channels)?, divisor(end.inner)?, relu]);
    several(Kernel::Named("finish"), n, arguments)
}

/// The output is the sum of `n_parts` parts of `n` numbers, finished.
pub fn add_parts(parts: Place, n: usize, n_parts: usize, end: End) -> Result<Command<Place>, Fault> {
    let (relu, lanes) = (end.relu(), lanes(n_parts));
    let mut arguments = vec![output(), Argument::Memory(parts), end.bias];
    for number in [n, n_parts, lanes] {
        arguments.push(size(number)?);
    }
    arguments.extend([divisor(end.channels)?, divisor(end.inner)?, relu]);
    blocks(Kernel::Named("add_parts"), n.div_ceil(lanes), arguments)
}

/// Columns of a block that adds parts: fewer where several threads have enough to add of each.
pub fn lanes(n_parts: usize) -> usize {
    if n_parts >= MANY_PARTS { LANES } else { THREADS as usize }
}

/// Tiles of `m x n`.
fn tiles(m: usize, n: usize) -> usize {
    m.div_ceil(TILE) * n.div_ceil(TILE)
}

/// How many parts a product's K is cut into; by its sizes alone, so that every device adds in the same order.
fn n_parts(n_tiles: usize, k: usize) -> usize {
    if n_tiles >= FEW_TILES { 1 } else { (FEW_TILES / n_tiles).min(k.div_ceil(PART)).max(1) }
}

pub fn matmul(attrs: &Attrs, inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let [m, k, n] = op::sizes(attrs, inputs[0], inputs[1])?;
    let (transpose_a, transpose_b) = (attrs.get_int("transpose_a") == 1, attrs.get_int("transpose_b") == 1);
    let end = End::of(attrs, inputs, to, Format::ChannelsFirst);
    let n_tiles = tiles(m, n);
    let n_parts = n_parts(n_tiles, k);
    let (target, bias, relu) = match n_parts {
        1 => (output(), end.bias.clone(), end.relu()),
        _ => (Argument::Memory(Place::Scratch(0)), Argument::Nothing, Argument::Int(0)),
    };
    let mut arguments = vec![target, input(0), input(1), bias];
    for extent in [m, k, n] {
        arguments.push(size(extent)?);
    }
    arguments.extend([transpose_a, transpose_b].map(|turned| Argument::Int(i32::from(turned))));
    arguments.extend([relu, size(n_parts)?]);
    let mut commands = vec![blocks(Kernel::Named("matmul"), n_tiles * n_parts, arguments)?];
    let product = Product {
        sizes: [m, k, n],
        transpose_a,
        transpose_b,
        a: Place::Input(0),
        b: Place::Input(1),
        out: Place::Output,
    };
    let mut library = vec![Command::Product(product)];
    if !end.is_none() {
        library.push(finish(m * n, End::of(attrs, inputs, to, Format::ChannelsFirst))?);
    }
    if n_parts > 1 {
        commands.push(add_parts(Place::Scratch(0), m * n, n_parts, end)?);
    }
    let scratch = if n_parts > 1 { m * n * n_parts } else { 0 };
    Ok(Prepared { commands, scratch, library: Some(library), ..Prepared::default() })
}

pub fn conv2d(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let g = Geometry::new(attrs, inputs[0], inputs[1])?;
    let end = End::of(attrs, inputs, to, format);
    let [_, outputs] = per_group(&g);
    let mut arguments = vec![output(), input(0), input(1), end.bias.clone()];
    let own = match way(&g, format, outputs < FEW_CHANNELS) {
        Way::None => None,
        Way::Direct { last } => {
            arguments.extend([size(to.elements())?, end.relu()]);
            let parameters =
                "float *out, const float *x, const float *weight, const float *bias, int n, int relu";
            let function = format!("conv2d_direct<{last}>");
            Some(each(of_convolution(&function, parameters, &g)?, to.elements(), arguments)?)
        }
        Way::Tiles => {
            let tiles = tiles(outputs, positions(&g)?);
            arguments.extend([end.relu(), size(tiles)?, geometry::convolution(&g)?]);
            Some(blocks(Kernel::Named("conv2d"), tiles * g.groups, arguments)?)
        }
    };
    let mut library = library(Direction::Output, &g, format);
    if let Some(library) = library.as_mut().filter(|_| !end.is_none()) {
        library.push(finish(to.elements(), end)?);
    }
    Ok(Prepared { commands: own.into_iter().collect(), library, ..Prepared::default() })
}

pub fn grad_input(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let g = Conv2dGradInput::geometry(attrs, inputs[0], inputs[1])?;
    let [inputs, _] = per_group(&g);
    let mut arguments = vec![output(), input(0), input(1)];
    let own = match way(&g, format, inputs < FEW_CHANNELS) {
        Way::None => None,
        Way::Direct { last } => {
            arguments.push(size(to.elements())?);
            let parameters = "float *out, const float *weight, const float *grad, int n";
            let function = format!("conv2d_grad_input_direct<{last}>");
            Some(each(of_convolution(&function, parameters, &g)?, to.elements(), arguments)?)
        }
        Way::Tiles => {
            let pixels = g.batch * g.windows.height * g.windows.width;
            let tiles = tiles(inputs, pixels);
            int(pixels)?;
            arguments.extend([size(tiles)?, geometry::convolution(&g)?]);
            Some(blocks(Kernel::Named("conv2d_grad_input"), tiles * g.groups, arguments)?)
        }
    };
    let library = library(Direction::GradInput, &g, format);
    Ok(Prepared { commands: own.into_iter().collect(), library, ..Prepared::default() })
}

pub fn grad_weight(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let g = Conv2dGradWeight::geometry(attrs, inputs[0], inputs[1])?;
    let [inputs, outputs] = per_group(&g);
    let (taps, k) = (inputs * g.windows.n_taps(), positions(&g)?);
    let way = way(&g, format, outputs < FEW_CHANNELS || taps < FEW_CHANNELS);
    let (tiles, lanes) =
        (tiles(outputs, taps), if way.is_last() { LANES.min(g.out_channels.next_power_of_two()) } else { 1 });
    let at_once = g.windows.n_taps().min(TAPS);
    // Blocks of one part.
    let n_direct = g.windows.n_taps().div_ceil(at_once) * inputs * g.out_channels.div_ceil(lanes);
    let n_parts = match way {
        Way::None | Way::Tiles => n_parts(tiles * g.groups, k),
        Way::Direct { .. } => {
            (k * lanes).div_ceil(DIRECT_PART).clamp(1, (FEW_BLOCKS / n_direct).clamp(1, MAX_DIRECT_PARTS))
        }
    };
    let target = if n_parts == 1 { Place::Output } else { Place::Scratch(0) };
    let mut arguments = vec![Argument::Memory(target), input(0), input(1)];
    let own = match way {
        Way::None => None,
        Way::Direct { .. } => {
            arguments.extend([size(k)?, size(n_parts)?]);
            let function = format!("conv2d_grad_weight_direct<{at_once}, {lanes}>");
            let parameters = "float *out, const float *x, const float *grad, int count, int n_parts";
            Some(blocks(of_convolution(&function, parameters, &g)?, n_direct * n_parts, arguments)?)
        }
        Way::Tiles => {
            arguments.extend([size(tiles * n_parts)?, size(n_parts)?, geometry::convolution(&g)?]);
            Some(blocks(Kernel::Named("conv2d_grad_weight"), tiles * n_parts * g.groups, arguments)?)
        }
    };
    let (mut commands, mut scratch) = (Vec::from_iter(own), 0);
    if n_parts > 1 && !commands.is_empty() {
        scratch = to.elements() * n_parts;
        commands.push(add_parts(target, to.elements(), n_parts, End::none())?);
    }
    let library = library(Direction::GradWeight, &g, format);
    Ok(Prepared { commands, scratch, library, ..Prepared::default() })
}

/// How own kernels compute a convolution, if they do.
#[derive(Clone, Copy)]
enum Way {
    Tiles,
    /// With channels last, or not.
    Direct {
        last: bool,
    },
    None,
}

impl Way {
    fn is_last(self) -> bool {
        matches!(self, Way::Direct { last: true })
    }
}

/// Where channels are last only groups of one input channel have kernels: a library has the others.
fn way(g: &Geometry, format: Format, has_few_channels: bool) -> Way {
    match format {
        Format::ChannelsFirst if has_few_channels => Way::Direct { last: false },
        Format::ChannelsFirst => Way::Tiles,
        Format::ChannelsLast if is_depthwise(g) && has_few_channels => Way::Direct { last: true },
        Format::ChannelsLast => Way::None,
    }
}

/// Groups of one input channel.
fn is_depthwise(g: &Geometry) -> bool {
    g.groups > 1 && per_group(g)[0] == 1
}

/// Channels of the input that one output channel reads, and output channels that read one input channel.
fn per_group(g: &Geometry) -> [usize; 2] {
    [g.in_channels / g.groups, g.out_channels / g.groups]
}

/// Windows of all images.
fn positions(g: &Geometry) -> Result<usize, Fault> {
    let n = g.batch * g.windows.n_outputs();
    int(n).map(|_| n)
}

/// Libraries pad both sides of an axis alike, and are slower than a direct kernel where a group has one channel.
fn library(direction: Direction, g: &Geometry, format: Format) -> Option<Vec<Command<Place>>> {
    let is_even = [g.windows.rows, g.windows.columns].iter().all(|axis| axis.before == axis.after);
    if !is_even || is_depthwise(g) {
        return None;
    }
    let (images, weight, to) = match direction {
        Direction::Output => (Place::Input(0), Place::Input(1), Place::Output),
        Direction::GradInput => (Place::Output, Place::Input(0), Place::Input(1)),
        Direction::GradWeight => (Place::Input(0), Place::Output, Place::Input(1)),
    };
    let convolution = Convolution { direction, geometry: *g, format, images, weight, output: to };
    Some(vec![Command::Convolution(convolution)])
}
