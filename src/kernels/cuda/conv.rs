//! Convolutions: what `conv.cu` is asked to do, and what a library is where the device has one.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::channels_last;
use crate::kernels::cuda::end::{End, add_parts, finish};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::geometry::{self, of_convolution};
use crate::kernels::cuda::launch::{
    Argument, Command, Convolution, Direction, FEW_BLOCKS, Kernel, Place, Prepared, blocks, each, input, int,
    output, size,
};
use crate::kernels::cuda::product::{n_parts, tiles};
use crate::ops::conv2d::{Conv2dGradInput, Conv2dGradWeight, Geometry};
use crate::shape::Shape;

/// Windows of which a block of the direct gradient of weights adds up so many, in at most so many parts; a thread keeps
/// so many taps in its registers.
const DIRECT_PART: usize = 4096;
const MAX_DIRECT_PARTS: usize = 512;
const TAPS: usize = 32;
/// Neighbouring outputs that a block of it takes where channels are last.
const LANES: usize = 32;
/// With fewer channels a group's tiles would be mostly empty.
const FEW_CHANNELS: usize = 16;

pub fn conv2d(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let g = Geometry::new(attrs, inputs[0], inputs[1])?;
    if let Some(prepared) = channels_last::conv2d(&g, attrs, inputs, to, format)? {
        return Ok(prepared);
    }
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
    if let Some(prepared) = channels_last::grad_input(&g, format)? {
        return Ok(prepared);
    }
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
    if let Some(prepared) = channels_last::grad_weight(&g, to, format)? {
        return Ok(prepared);
    }
    let [inputs, outputs] = per_group(&g);
    let (taps, k) = (inputs * g.windows.n_taps(), positions(&g)?);
    let way = way(&g, format, outputs < FEW_CHANNELS || taps < FEW_CHANNELS);
    let tiles = tiles(outputs, taps);
    let lanes = match way {
        Way::Direct { last: true } => LANES.min(g.out_channels.next_power_of_two()),
        Way::Direct { last: false } | Way::Tiles | Way::None => 1,
    };
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
pub fn library(direction: Direction, g: &Geometry, format: Format) -> Option<Vec<Command<Place>>> {
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
