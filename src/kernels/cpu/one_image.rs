//! A convolution of one image on all threads: by rows, so that the image is not read by every thread, or by output
//! channels where weights are many, rows few, or channels do not see each other. Which thread does what changes no bit.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use crate::diag::Fault;
use crate::kernels::cpu::Prepared;
use crate::kernels::cpu::arena::Pieces;
use crate::kernels::cpu::conv::{
    self, Activation, Algorithm, Band, Conv, Depthwise, Place, Placed, Purpose, Shape, Winograd,
};

/// Output channels that are worth a share, and their multiples.
const LEAST_CHANNELS: usize = 8;
/// Weights of more numbers, transformed or not, are not read by every thread.
const MOST_WEIGHTS: usize = 96 << 10;
/// An input is small of which the output is so many times as large: all of it goes to every thread, and each writes
/// channels, as it lies before those who read them.
const SMALL_INPUT: usize = 4;
/// Pixels that pointwise convolutions compute at once, on the widest CPU.
const POINTWISE_PIXELS: usize = 32;

/// The convolution in up to `n_shares` shares; `None` where it cannot be parted.
pub(super) fn forward(
    shape: &Shape,
    activation: Activation,
    n_shares: usize,
) -> Option<Result<Prepared, Fault>> {
    let algorithm = conv::plan(shape, 1, Purpose::Inference);
    if let Algorithm::Winograd(tile) = algorithm {
        let conv = Winograd::new(shape, tile);
        let n_shares = n_shares.min(conv.rows());
        if n_shares > 1 && conv.packed_forward_len() <= MOST_WEIGHTS {
            return Some(by_tile_rows(conv, activation, n_shares));
        }
    }
    let small_input = SMALL_INPUT * shape.input_len() <= shape.output_len();
    if shape.weights_len() <= MOST_WEIGHTS
        && !small_input
        && let Some(bands) = bands(shape, algorithm, n_shares)
    {
        return Some(by_rows(shape, algorithm, activation, bands));
    }
    let shares = channels(shape, algorithm, n_shares);
    (shares.len() > 1).then(|| by_channels(shape, activation, shares))
}

/// Rows of a convolution, of which every band wants scratch of its own.
struct Rows {
    conv: Box<dyn Placed>,
    band: Band,
    scratch: Range<usize>,
}

/// The rows of the output in `n_shares` bands; `None` where there are too few, or the kernel wants whole images.
fn bands(shape: &Shape, algorithm: Algorithm, n_shares: usize) -> Option<Vec<Rows>> {
    let (shape, grain) = match algorithm {
        // Pixels do not see each other: as good as rows.
        Algorithm::Pointwise => {
            (Shape { size: [shape.size[0] * shape.size[1], 1], ..*shape }, POINTWISE_PIXELS)
        }
        _ => (*shape, 1),
    };
    let rows = shape.output()[0];
    let grains = rows.div_ceil(grain);
    if n_shares < 2 || grains < n_shares {
        return None;
    }
    let mut scratch = 0..0;
    let band = |i: usize| {
        let [first, end] = [i, i + 1].map(|i| (grains * i / n_shares * grain).min(rows));
        let band = Band::new(&shape, first..end)?;
        let conv = Conv::with(&band.shape, algorithm);
        scratch = scratch.end..scratch.end + conv.forward_scratch_len(1);
        Some(Rows { conv: conv.placed()?, band, scratch: scratch.clone() })
    };
    (0..n_shares).map(band).collect()
}

fn by_rows(
    shape: &Shape,
    algorithm: Algorithm,
    activation: Activation,
    bands: Vec<Rows>,
) -> Result<Prepared, Fault> {
    let packing = Conv::with(shape, algorithm);
    let (len, scratch) = (packing.packed_forward_len(), bands.last().map_or(0, |band| band.scratch.end));
    let [input, output] = [shape.input_len(), shape.output_len()];
    let planes = [input / shape.inputs, output / shape.outputs];
    let run = Prepared::with_call(scratch, move |call| {
        let (x, packed, bias) = (call.inputs[0], call.packed, call.inputs.get(2).copied());
        assert!(x.len() >= input && call.output.len() >= output);
        let (y, memory) = (Output(call.output.as_mut_ptr()), Pieces::new(call.scratch, 1));
        call.team.share(bands.len(), |i| {
            let Rows { conv, band, scratch } = &bands[i];
            let (first, widths) = (band.first, [band.shape.size[1], band.shape.output()[1]]);
            // SAFETY: lengths were checked; bands' rows and scratch do not overlap, and a share is handed out once.
            unsafe {
                let place = Place {
                    x: x.as_ptr().add(first[0] * widths[0]),
                    end: x.as_ptr_range().end,
                    y: y.start().add(first[1] * widths[1]),
                    planes,
                };
                conv.forward_at(1, place, packed, bias, activation, memory.range(scratch.clone()));
            }
        });
    })?;
    Ok(run.packing(1, len, move |weights, packed| packing.pack_forward(weights, packed)))
}

fn by_tile_rows(conv: Winograd, activation: Activation, n_shares: usize) -> Result<Prepared, Fault> {
    let (rows, each, packing) = (conv.rows(), conv.forward_scratch_len(1), conv.clone());
    let run = Prepared::with_call(n_shares * each, move |call| {
        let (x, packed, bias) = (call.inputs[0], call.packed, call.inputs.get(2).copied());
        assert!(call.output.len() >= conv.shape().output_len());
        let y = Output(call.output.as_mut_ptr());
        call.team.share_pieces(call.scratch, each, |i, scratch| {
            let rows = rows * i / n_shares..rows * (i + 1) / n_shares;
            // SAFETY: the length was checked; the shares' rows do not overlap.
            unsafe { conv.forward_rows(1, rows, x, packed, bias, activation, y.start(), scratch) }
        });
    })?;
    let len = packing.packed_forward_len();
    Ok(run.packing(1, len, move |weights, packed| packing.pack_forward(weights, packed)))
}

/// An output of which each thread writes parts of its own.
#[derive(Clone, Copy)]
struct Output(*mut f32);

// SAFETY: the parts that threads write do not overlap.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    fn start(self) -> *mut f32 {
        self.0
    }
}

/// Some output channels.
struct Share {
    conv: Conv,
    /// The first output channel, and the first input channel that it reads.
    first: [usize; 2],
    packed: Range<usize>,
    scratch: Range<usize>,
}

/// The shares of the output channels.
fn channels(shape: &Shape, algorithm: Algorithm, n_shares: usize) -> Vec<Share> {
    let depthwise = shape.groups > 1 && Depthwise::supports(shape);
    if shape.groups > 1 && !depthwise {
        return Vec::new();
    }
    let n_shares = n_shares.min(shape.outputs / LEAST_CHANNELS).max(1);
    let size = shape.outputs.div_ceil(n_shares).next_multiple_of(LEAST_CHANNELS);
    let (mut packed, mut scratch) = (0..0, 0..0);
    let share = |first| {
        let outputs = size.min(shape.outputs - first);
        let part = match depthwise {
            true => Shape { inputs: outputs, outputs, groups: outputs, ..*shape },
            false => Shape { outputs, ..*shape },
        };
        let conv = Conv::with(&part, algorithm);
        packed = packed.end..packed.end + conv.packed_forward_len();
        scratch = scratch.end..scratch.end + conv.forward_scratch_len(1);
        let first = [first, if depthwise { first } else { 0 }];
        Share { conv, first, packed: packed.clone(), scratch: scratch.clone() }
    };
    (0..shape.outputs).step_by(size).map(share).collect()
}

fn by_channels(shape: &Shape, activation: Activation, shares: Vec<Share>) -> Result<Prepared, Fault> {
    let shares = Arc::new(shares);
    let end = |range: fn(&Share) -> &Range<usize>| shares.last().map_or(0, |last| range(last).end);
    let (len, scratch) = (end(|share| &share.packed), end(|share| &share.scratch));
    let (plane, channel) = (shape.size[0] * shape.size[1], shape.output_len() / shape.outputs);
    let all = Arc::clone(&shares);
    let run = Prepared::with_call(scratch, move |call| {
        let (x, bias) = (call.inputs[0], call.inputs.get(2).copied());
        let (outputs, memory) = (Pieces::new(call.output, channel), Pieces::new(call.scratch, 1));
        call.team.share(all.len(), |i| {
            let share = &all[i];
            let weights = &call.packed[share.packed.clone()];
            let bias = bias.map(|bias| &bias[share.first[0]..]);
            let x = &x[share.first[1] * plane..];
            // SAFETY: the shares' channels and scratch are apart, and each share is handed out once.
            let (own, scratch) = unsafe {
                let channels = share.first[0]..share.first[0] + share.conv.shape().outputs;
                (outputs.range(channels), memory.range(share.scratch.clone()))
            };
            share.conv.forward(1, x, weights, bias, activation, own, scratch);
        });
    })?;
    let filter = shape.weights_len() / shape.outputs;
    Ok(run.packing(1, len, move |weights, packed| {
        for share in shares.iter() {
            let weights = &weights[share.first[0] * filter..][..share.conv.shape().weights_len()];
            share.conv.pack_forward(weights, &mut packed[share.packed.clone()]);
        }
    }))
}
