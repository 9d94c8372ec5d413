//! A convolution of one image on all threads: by output channels, or, with Winograd's algorithm on a map of several
//! tile rows, by these, so that the image is not transformed once a thread. Which thread does what changes no bit.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use crate::diag::Fault;
use crate::kernels::cpu::Prepared;
use crate::kernels::cpu::arena::Pieces;
use crate::kernels::cpu::conv::{self, Activation, Algorithm, Conv, Depthwise, Purpose, Shape, Winograd};

/// Output channels that are worth a share, and their multiples.
const LEAST_CHANNELS: usize = 8;
/// Transformed weights of more numbers are not read by every thread.
const MOST_WEIGHTS: usize = 96 << 10;

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
            return Some(by_rows(conv, activation, n_shares));
        }
    }
    let shares = channels(shape, algorithm, n_shares);
    (shares.len() > 1).then(|| by_channels(shape, activation, shares))
}

fn by_rows(conv: Winograd, activation: Activation, n_shares: usize) -> Result<Prepared, Fault> {
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
