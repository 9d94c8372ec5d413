//! Depthwise convolution: every channel by its own kernel, in all three directions.
//!
//! One channel's padded planes fit L1, so channels are copied and finished one after another, with the
//! geometry of a one-channel [`Direct`] convolution. There is no reuse across channels to block for: the
//! loads, one a multiply-add, bound the speed.

use super::direct::Direct;
use super::engine::spread;
use super::planes::{Runs, SLACK};
use super::residue::interleave;
use super::{Activation, Shape};
use crate::kernels::cpu::simd::{Simd, dispatch, sweep};

/// Runs of a forward tile.
const RUNS: usize = 6;
/// Taps that a weight gradient sums at once.
const TAPS: usize = 9;

/// A depthwise convolution of one shape.
#[derive(Clone, Debug)]
pub struct Depthwise {
    shape: Shape,
    /// The convolution of one channel.
    unit: Direct,
}

impl Depthwise {
    /// Whether every channel is a group of its own, with one output.
    pub fn supports(shape: &Shape) -> bool {
        shape.groups == shape.inputs && shape.groups == shape.outputs
    }

    /// For a supported `shape`, bound to the CPU's current vector width.
    pub fn new(shape: &Shape) -> Depthwise {
        assert!(Depthwise::supports(shape));
        Depthwise { shape: *shape, unit: Direct::new(&Shape { inputs: 1, outputs: 1, groups: 1, ..*shape }) }
    }

    /// The shape this was made for.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Scratch values that each direction needs, whatever the number of images.
    pub fn scratch_len(&self) -> usize {
        let unit = &self.unit;
        let forward = unit.planes.image() + unit.runs.squeeze.len();
        let backward = unit.backward.image() + unit.residue_len();
        forward.max(backward) + SLACK
    }

    /// `y = activation(x ⋆ w + bias)` for `n` images, `w` as `[channels, 1, kh, kw]`; overwrites `y`.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        n: usize,
        x: &[f32],
        w: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        assert!(x.len() >= n * self.shape.input_len() && y.len() >= n * self.shape.output_len());
        assert!(w.len() >= self.shape.weights_len() && scratch.len() >= self.scratch_len());
        assert!(bias.is_none_or(|bias| bias.len() >= self.shape.outputs));
        // SAFETY: all lengths were checked above.
        unsafe { forward(self, n, x, w, bias, activation.floor(), y, scratch) }
    }

    /// `dx = dy ⋆ᵀ w` for `n` images; overwrites `dx`.
    pub fn input_gradient(&self, n: usize, dy: &[f32], w: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
        assert!(dx.len() >= n * self.shape.input_len() && dy.len() >= n * self.shape.output_len());
        assert!(w.len() >= self.shape.weights_len() && scratch.len() >= self.scratch_len());
        // SAFETY: all lengths were checked above.
        unsafe { input_gradient(self, n, dy, w, dx, scratch) }
    }

    /// `dw += Σ_images x ⋆ dy`.
    pub fn weight_gradient(&self, n: usize, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut [f32]) {
        assert!(x.len() >= n * self.shape.input_len() && dy.len() >= n * self.shape.output_len());
        assert!(dw.len() >= self.shape.weights_len() && scratch.len() >= self.scratch_len());
        // SAFETY: all lengths were checked above.
        unsafe { weight_gradient(self, n, x, dy, dw, scratch) }
    }
}

dispatch!(unsafe fn forward(
    conv: &Depthwise, n: usize, x: &[f32], w: &[f32], bias: Option<&[f32]>, floor: f32, y: &mut [f32],
    scratch: &mut [f32],
) = forward_body);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn forward_body<S: Simd>(
    conv: &Depthwise,
    n: usize,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    floor: f32,
    y: &mut [f32],
    scratch: &mut [f32],
) {
    let (unit, channels) = (&conv.unit, conv.shape.inputs);
    let (x_plane, y_plane) = (unit.shape().input_len(), unit.shape().output_len());
    let taps = unit.offsets.len();
    scratch[..unit.planes.image() + SLACK].fill(0.0);
    for plane in 0..n * channels {
        let channel = plane % channels;
        let start = bias.map_or(0.0, |bias| bias[channel]);
        // SAFETY: the caller checked all lengths.
        unsafe {
            let from = x.as_ptr().add(plane * x_plane);
            unit.planes.copy_channel::<S>(from, x.as_ptr_range().end, scratch.as_mut_ptr());
            let weights = w.as_ptr().add(channel * taps);
            let weight = |tap: usize| *weights.add(tap);
            let to = y.as_mut_ptr().add(plane * y_plane);
            sums::<S>(&unit.offsets, &unit.runs, scratch.as_ptr(), weight, start, floor, to);
        }
    }
}

/// `y = max(floor, start + Σ_tap weight(tap) · x[at + offsets[tap]])` for all runs of a plane.
#[inline(always)]
unsafe fn sums<S: Simd>(
    offsets: &[u32],
    runs: &Runs,
    x: *const f32,
    weight: impl Fn(usize) -> f32 + Copy,
    start: f32,
    floor: f32,
    y: *mut f32,
) {
    let mut run = 0;
    // SAFETY: runs of a tile are below `runs.len()`.
    unsafe {
        while run + RUNS <= runs.len() {
            sums_tile::<S, RUNS>(offsets, runs, run, x, weight, start, floor, y);
            run += RUNS;
        }
        while run + 2 <= runs.len() {
            sums_tile::<S, 2>(offsets, runs, run, x, weight, start, floor, y);
            run += 2;
        }
        if run < runs.len() {
            sums_tile::<S, 1>(offsets, runs, run, x, weight, start, floor, y);
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn sums_tile<S: Simd, const N: usize>(
    offsets: &[u32],
    runs: &Runs,
    run: usize,
    x: *const f32,
    weight: impl Fn(usize) -> f32,
    start: f32,
    floor: f32,
    y: *mut f32,
) {
    // SAFETY: `run + N <= runs.len()`; planes and the dense output hold what runs name.
    unsafe {
        let mut at = [x; N];
        for j in 0..N {
            at[j] = x.add(*runs.at.get_unchecked(run + j) as usize);
        }
        let mut sums = [S::splat(start); N];
        for (tap, &offset) in offsets.iter().enumerate() {
            let weight = S::splat(weight(tap));
            for j in 0..N {
                sums[j] = S::fma(S::load(at[j].add(offset as usize)), weight, sums[j]);
            }
        }
        let floor = S::splat(floor);
        for j in 0..N {
            let value = S::permute(S::max(floor, sums[j]), runs.squeeze.as_ptr().add((run + j) * S::LANES));
            let count = *runs.count.get_unchecked(run + j) as usize;
            let to = y.add(*runs.dense.get_unchecked(run + j) as usize);
            sweep::store::<S>(to, value, count);
        }
    }
}

dispatch!(unsafe fn input_gradient(
    conv: &Depthwise, n: usize, dy: &[f32], w: &[f32], dx: &mut [f32], scratch: &mut [f32],
) = input_gradient_body);

#[inline(always)]
unsafe fn input_gradient_body<S: Simd>(
    conv: &Depthwise,
    n: usize,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    let (unit, channels) = (&conv.unit, conv.shape.inputs);
    let (x_plane, y_plane) = (unit.shape().input_len(), unit.shape().output_len());
    let area = unit.offsets.len();
    let (planes, partial) = scratch.split_at_mut(unit.backward.image() + SLACK);
    planes.fill(0.0);
    for plane in 0..n * channels {
        // SAFETY: the caller checked all lengths.
        unsafe {
            let from = dy.as_ptr().add(plane * y_plane);
            unit.backward.copy_channel::<S>(from, dy.as_ptr_range().end, planes.as_mut_ptr());
            let weights = w.as_ptr().add(plane % channels * area);
            let to = dx.as_mut_ptr().add(plane * x_plane);
            let dense = unit.residues.len() == 1;
            for row in unit.residues.chunks(unit.residues_across) {
                let mut part = if dense { to } else { partial.as_mut_ptr() };
                for residue in row {
                    let (terms, lowest) = (&residue.terms, f32::NEG_INFINITY);
                    let weight = |tap: usize| *weights.add(terms.weights.get_unchecked(tap).1);
                    sums::<S>(&terms.offsets, &residue.runs, planes.as_ptr(), weight, 0.0, lowest, part);
                    part = part.add(residue.runs_len());
                }
                if !dense {
                    interleave::<S>(unit.shape(), row, 1, 1, 0, partial.as_ptr(), to);
                }
            }
        }
    }
}

dispatch!(unsafe fn weight_gradient(
    conv: &Depthwise, n: usize, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut [f32],
) = weight_gradient_body);

#[inline(always)]
unsafe fn weight_gradient_body<S: Simd>(
    conv: &Depthwise,
    n: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    scratch: &mut [f32],
) {
    let (unit, channels) = (&conv.unit, conv.shape.inputs);
    let (x_plane, y_plane) = (unit.shape().input_len(), unit.shape().output_len());
    let taps = unit.offsets.len();
    let (planes, gradients) = scratch.split_at_mut(unit.planes.image() + SLACK);
    planes.fill(0.0);
    for channel in 0..channels {
        for tap in (0..taps).step_by(TAPS) {
            let here = TAPS.min(taps - tap);
            let mut offsets = [0u32; TAPS];
            offsets[..here].copy_from_slice(&unit.offsets[tap..tap + here]);
            // SAFETY: the caller checked all lengths.
            unsafe {
                let mut sums = [S::zero(); TAPS];
                for image in 0..n {
                    let plane = image * channels + channel;
                    let from = x.as_ptr().add(plane * x_plane);
                    unit.planes.copy_channel::<S>(from, x.as_ptr_range().end, planes.as_mut_ptr());
                    let from = dy.as_ptr().add(plane * y_plane);
                    spread::<S>(&unit.runs, y_plane, from, gradients.as_mut_ptr());
                    for (run, &at) in unit.runs.at.iter().enumerate() {
                        let gradient = S::load(gradients.as_ptr().add(run * S::LANES));
                        let x = planes.as_ptr().add(at as usize);
                        for t in 0..TAPS {
                            sums[t] = S::fma(S::load(x.add(offsets[t] as usize)), gradient, sums[t]);
                        }
                    }
                }
                for t in 0..here {
                    dw[channel * taps + tap + t] += S::sum(sums[t]);
                }
            }
        }
    }
}
