//! The geometry that turns any convolution into a sum of shifted planes.
//!
//! An image's channels are copied once into zero-padded planes, one plane a residue of the stride that some
//! tap needs. Then tap `t` of channel `c` reads, for the output at flat plane position `p`, the value at
//! `p + offset[c, t]`: every load is a run of consecutive values whatever the stride, padding and dilation,
//! and nothing is copied once per tap as im2col does. A run may reach over a row's end into the columns
//! that hold no output; [`Runs`] lists runs that cover all outputs and how each is squeezed when stored.

use super::Shape;
use crate::kernels::cpu::simd::{Simd, ZERO_LANE, level};

/// Values past the end of a buffer of planes that a load may touch.
pub(super) const SLACK: usize = 32;

/// The layout of one image's padded planes: `[channel][residue plane][row][column]`.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    channels: usize,
    source: [usize; 2],
    stride: [usize; 2],
    before: [usize; 2],
    residues: [Vec<usize>; 2],
    rows: usize,
    /// Columns of a plane, the distance between its rows.
    pub(super) pitch: usize,
    plane: usize,
    /// Distance between channels.
    pub(super) channel: usize,
}

/// One tap: which kernel entry, and where it reads relative to an output's position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// `row * kernel width + column` in the weights.
    pub(super) kernel: usize,
    /// Distance to read at, in a channel's planes.
    pub(super) offset: usize,
}

/// Runs of `LANES` flat plane positions that cover all outputs, in rising order.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    /// Plane position of the first lane.
    pub(super) at: Vec<u32>,
    /// Where the first lane's output lies in the dense output plane.
    pub(super) dense: Vec<u32>,
    /// Values to store: `LANES` where what follows the run's own outputs is stored again by a later run.
    pub(super) count: Vec<u32>,
    /// Lane numbers that bring a run's outputs together, `LANES` a run.
    pub(super) squeeze: Vec<u32>,
    /// Lane numbers that spread dense values back over a run, zeros between, `LANES` a run.
    pub(super) spread: Vec<u32>,
}

/// A tap on one axis: kernel index, residue, shift in planes of that residue.
type AxisTap = (usize, usize, usize);

impl Planes {
    /// The layout for the forward direction, and the taps on it.
    pub(super) fn forward(shape: &Shape) -> (Planes, Vec<Tap>) {
        let axis = |a: usize| -> Vec<AxisTap> {
            (0..shape.kernel[a])
                .map(|i| {
                    (i, i * shape.dilation[a] % shape.stride[a], i * shape.dilation[a] / shape.stride[a])
                })
                .collect()
        };
        let axes = [axis(0), axis(1)];
        let residues = axes.each_ref().map(|taps| {
            let mut used: Vec<usize> = taps.iter().map(|tap| tap.1).collect();
            used.sort_unstable();
            used.dedup();
            used
        });
        let reach = axes.each_ref().map(|taps| taps.iter().map(|tap| tap.2).max().unwrap_or(0));
        let before = [shape.padding[0], shape.padding[1]];
        let [out_h, out_w] = shape.output();
        let size = [out_h + reach[0], out_w + reach[1]];
        let planes = Planes::new(shape.inputs, shape.size, shape.stride, before, residues, size, reach[1]);
        let taps = planes.taps(&axes, shape.kernel[1]);
        (planes, taps)
    }

    /// A layout of planes of `size` rows and columns, of which `reach` columns hold no output.
    ///
    /// Zeros at a row's end that the next row starts with too are stored once.
    pub(super) fn new(
        channels: usize,
        source: [usize; 2],
        stride: [usize; 2],
        before: [usize; 2],
        residues: [Vec<usize>; 2],
        size: [usize; 2],
        reach: usize,
    ) -> Planes {
        let zeros = |residue: usize| {
            let left = before[1].saturating_sub(residue).div_ceil(stride[1]);
            let end = (source[1] + before[1]).saturating_sub(residue).div_ceil(stride[1]);
            left.min(size[1].saturating_sub(end))
        };
        let shared = residues[1].iter().map(|&r| zeros(r)).min().unwrap_or(0).min(reach);
        let (rows, pitch) = (size[0], size[1] - shared);
        let plane = rows * pitch + shared;
        let count = residues[0].len() * residues[1].len();
        // An odd number of cache lines, so that channels do not fall on the same cache set.
        let channel = ((count * plane).div_ceil(16) | 1) * 16;
        Planes { channels, source, stride, before, residues, rows, pitch, plane, channel }
    }

    /// Taps with their offsets, from the taps of the two axes.
    pub(super) fn taps(&self, axes: &[Vec<AxisTap>; 2], kernel_width: usize) -> Vec<Tap> {
        let slot = |axis: usize, residue| self.residues[axis].iter().position(|&r| r == residue).unwrap_or(0);
        let mut taps = Vec::new();
        for &(i, residue_h, down) in &axes[0] {
            for &(j, residue_w, right) in &axes[1] {
                let plane = slot(0, residue_h) * self.residues[1].len() + slot(1, residue_w);
                let offset = plane * self.plane + down * self.pitch + right;
                taps.push(Tap { kernel: i * kernel_width + j, offset });
            }
        }
        taps
    }

    /// Distance between images.
    pub(super) fn image(&self) -> usize {
        self.channels * self.channel
    }

    /// Copies an image into planes that were zeroed before the first image was copied there.
    ///
    /// # Safety
    /// `from` is valid for an image whose channels are `distance` apart and on to `end`, `to` for [`Planes::image`]
    /// values; `S` is available.
    #[inline(always)]
    pub(super) unsafe fn copy<S: Simd>(
        &self,
        from: *const f32,
        distance: usize,
        end: *const f32,
        to: *mut f32,
    ) {
        for c in 0..self.channels {
            // SAFETY: `c` is a channel of the image.
            unsafe {
                let from = from.add(c * distance);
                self.copy_channel::<S>(from, end, to.add(c * self.channel));
            }
        }
    }

    /// Copies one channel.
    ///
    /// # Safety
    /// As [`Planes::copy`], for a channel.
    #[inline(always)]
    pub(super) unsafe fn copy_channel<S: Simd>(&self, from: *const f32, end: *const f32, to: *mut f32) {
        let mut plane = to;
        for &residue_h in &self.residues[0] {
            for &residue_w in &self.residues[1] {
                let (top, bottom) = self.span(0, residue_h, self.rows);
                let (left, right) = self.span(1, residue_w, self.pitch);
                // SAFETY: `span` keeps rows and columns inside both the image and the plane.
                unsafe {
                    if left < right {
                        let first = left * self.stride[1] + residue_w - self.before[1];
                        for row in top..bottom {
                            let source_row = row * self.stride[0] + residue_h - self.before[0];
                            let source = from.add(source_row * self.source[1] + first);
                            let target = plane.add(row * self.pitch + left);
                            match self.stride[1] {
                                1 => copy_row::<S>(source, target, right - left),
                                2 => copy_even::<S>(source, end, target, right - left),
                                stride => {
                                    for i in 0..right - left {
                                        *target.add(i) = *source.add(i * stride);
                                    }
                                }
                            }
                        }
                    }
                    plane = plane.add(self.plane);
                }
            }
        }
    }

    /// The rows (or columns) of a residue's plane that hold values of the source, at most `limit`.
    #[inline(always)]
    fn span(&self, axis: usize, residue: usize, limit: usize) -> (usize, usize) {
        let (before, stride) = (self.before[axis], self.stride[axis]);
        let start = before.saturating_sub(residue).div_ceil(stride);
        let end = (self.source[axis] + before).saturating_sub(residue).div_ceil(stride).min(limit);
        (start.min(end), end)
    }
}

/// Copies `len` values, which do not overlap.
///
/// # Safety
/// Both pointers are valid for `len` values; `S` is available.
#[inline(always)]
pub(super) unsafe fn copy_row<S: Simd>(from: *const f32, to: *mut f32, len: usize) {
    // SAFETY: full vectors end at or before `len`; the last one is moved back onto it.
    unsafe {
        if len < S::LANES {
            for i in 0..len {
                *to.add(i) = *from.add(i);
            }
            return;
        }
        let mut i = 0;
        while i + S::LANES <= len {
            S::store(to.add(i), S::load(from.add(i)));
            i += S::LANES;
        }
        if i < len {
            S::store(to.add(len - S::LANES), S::load(from.add(len - S::LANES)));
        }
    }
}

/// Copies every second value, `len` in all.
///
/// # Safety
/// `from` is valid for `2 len - 1` values and on to `end`, `to` for `len`; `S` is available.
#[inline(always)]
unsafe fn copy_even<S: Simd>(from: *const f32, end: *const f32, to: *mut f32, len: usize) {
    let mut i = 0;
    // SAFETY: pairs of vectors are loaded only where they end at or before `end`.
    unsafe {
        let readable = end.offset_from(from) as usize;
        while i + S::LANES <= len && 2 * (i + S::LANES) <= readable {
            let (a, b) = (S::load(from.add(2 * i)), S::load(from.add(2 * i + S::LANES)));
            S::store(to.add(i), S::deinterleave(a, b).0);
            i += S::LANES;
        }
        for i in i..len {
            *to.add(i) = *from.add(2 * i);
        }
    }
}

impl Runs {
    /// Covers `rows × columns` outputs that lie `pitch` apart from row to row.
    pub(super) fn new([rows, columns]: [usize; 2], pitch: usize) -> Runs {
        let lanes = level().lanes();
        let mut runs = Runs { at: vec![], dense: vec![], count: vec![], squeeze: vec![], spread: vec![] };
        let mut next = 0;
        while next < rows * columns {
            let at = next / columns * pitch + next % columns;
            let dense = next;
            let (mut squeeze, mut spread) = (vec![0; lanes], vec![ZERO_LANE; lanes]);
            for lane in 0..lanes {
                let (row, column) = ((at + lane) / pitch, (at + lane) % pitch);
                if row < rows && column < columns {
                    squeeze[next - dense] = lane as u32;
                    spread[lane] = (next - dense) as u32;
                    next += 1;
                }
            }
            runs.at.push(at as u32);
            runs.dense.push(dense as u32);
            runs.count.push((if dense + lanes <= rows * columns { lanes } else { next - dense }) as u32);
            runs.squeeze.extend(squeeze);
            runs.spread.extend(spread);
        }
        runs
    }

    /// Number of runs.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.at.len()
    }
}
