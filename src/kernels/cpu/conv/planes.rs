//! The geometry that turns any convolution into a sum of shifted planes.
//!
//! An image's channels are copied once into zero-padded planes, one plane a residue of the stride that some
//! tap needs. Then tap `t` of channel `c` reads, for the output at flat plane position `p`, the value at
//! `p + offset[c, t]`: every load is a run of consecutive values whatever the stride, padding and dilation,
//! and nothing is copied once per tap as im2col does. A run may reach over a row's end into the columns
//! that hold no output; [`Runs`] lists runs that cover all outputs and how each is squeezed when stored.

use std::ops::Range;

use super::Shape;
use crate::kernels::cpu::simd::{Simd, ZERO_LANE, level, sweep, sweep::sweep};

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
    /// The rows and columns of each residue's plane that hold values of the source.
    spans: [Vec<Range<usize>>; 2],
    /// Columns of a plane, the distance between its rows.
    pub(super) pitch: usize,
    plane: usize,
    /// Distance between channels.
    pub(super) channel: usize,
}

/// One tap: which kernel entry, and where it reads relative to an output's position.
#[derive(Clone, Debug)]
pub(super) struct Tap {
    /// `row * kernel width + column` in the weights.
    pub(super) kernel: usize,
    /// Distance to read at, in a channel's planes.
    pub(super) offset: usize,
    /// Its row in the kernel.
    pub(super) row: usize,
    /// The output rows for which it reads no row of padding.
    pub(super) rows: Range<isize>,
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

/// The taps of one axis, each in the plane of its residue.
fn axis_taps(shape: &Shape, axis: usize) -> Vec<AxisTap> {
    let (stride, dilation) = (shape.stride[axis], shape.dilation[axis]);
    (0..shape.kernel[axis]).map(|i| (i, i * dilation % stride, i * dilation / stride)).collect()
}

impl Planes {
    /// The layout for the forward direction, and the taps on it.
    pub(super) fn forward(shape: &Shape) -> (Planes, Vec<Tap>) {
        let axes = [axis_taps(shape, 0), axis_taps(shape, 1)];
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
        let span = |axis: usize, residue: usize, limit: usize| {
            let start = before[axis].saturating_sub(residue).div_ceil(stride[axis]);
            let end = (source[axis] + before[axis]).saturating_sub(residue).div_ceil(stride[axis]).min(limit);
            start.min(end)..end
        };
        let spans = [(0, rows), (1, pitch)]
            .map(|(axis, limit)| residues[axis].iter().map(|&residue| span(axis, residue, limit)).collect());
        Planes { channels, source, stride, before, residues, spans, pitch, plane, channel }
    }

    /// Taps with their offsets, from the taps of the two axes.
    pub(super) fn taps(&self, axes: &[Vec<AxisTap>; 2], kernel_width: usize) -> Vec<Tap> {
        let slot = |axis: usize, residue| self.residues[axis].iter().position(|&r| r == residue).unwrap_or(0);
        let mut taps = Vec::new();
        for &(i, residue_h, down) in &axes[0] {
            let rows = &self.spans[0][slot(0, residue_h)];
            for &(j, residue_w, right) in &axes[1] {
                let plane = slot(0, residue_h) * self.residues[1].len() + slot(1, residue_w);
                let offset = plane * self.plane + down * self.pitch + right;
                let rows = rows.start as isize - down as isize..rows.end as isize - down as isize;
                taps.push(Tap { kernel: i * kernel_width + j, offset, row: i, rows });
            }
        }
        taps
    }

    /// Distance between images.
    pub(super) fn image(&self) -> usize {
        self.channels * self.channel
    }

    /// Writes the zeros around an image's rows, where [`Planes::copy`] writes nothing.
    ///
    /// # Safety
    /// `to` is valid for [`Planes::image`] values; `S` is available.
    #[inline(always)]
    pub(super) unsafe fn clear<S: Simd>(&self, to: *mut f32) {
        for c in 0..self.channels {
            // SAFETY: `c` is a channel of the image.
            unsafe { self.clear_channel::<S>(to.add(c * self.channel)) }
        }
    }

    /// Clears one channel.
    ///
    /// # Safety
    /// As [`Planes::clear`], for a channel.
    #[inline(always)]
    unsafe fn clear_channel<S: Simd>(&self, to: *mut f32) {
        let mut plane = to;
        for rows in &self.spans[0] {
            for columns in &self.spans[1] {
                // SAFETY: all gaps between the spans' rows lie in the plane.
                unsafe {
                    let mut from = 0;
                    if columns.len() == self.pitch {
                        zero::<S>(plane, 0..rows.start * self.pitch);
                        from = rows.end * self.pitch;
                    } else if !columns.is_empty() {
                        for row in rows.clone() {
                            zero::<S>(plane, from..row * self.pitch + columns.start);
                            from = row * self.pitch + columns.end;
                        }
                    }
                    zero::<S>(plane, from..self.plane);
                    plane = plane.add(self.plane);
                }
            }
        }
    }

    /// Copies an image into planes that were cleared before the first image was copied there.
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
        for (rows, residue_h) in self.spans[0].iter().zip(&self.residues[0]) {
            for (columns, residue_w) in self.spans[1].iter().zip(&self.residues[1]) {
                // SAFETY: spans lie inside both the image and the plane.
                unsafe {
                    if !columns.is_empty() {
                        let first = columns.start * self.stride[1] + residue_w - self.before[1];
                        for row in rows.clone() {
                            let source_row = row * self.stride[0] + residue_h - self.before[0];
                            let source = from.add(source_row * self.source[1] + first);
                            let target = plane.add(row * self.pitch + columns.start);
                            match self.stride[1] {
                                1 => copy_row::<S>(source, target, columns.len()),
                                2 => copy_even::<S>(source, end, target, columns.len()),
                                stride => {
                                    for i in 0..columns.len() {
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
}

/// Writes zeros.
///
/// # Safety
/// `to` is valid for the range; `S` is available.
#[inline(always)]
unsafe fn zero<S: Simd>(to: *mut f32, range: Range<usize>) {
    sweep!(S, range.len(), |at, n| {
        // SAFETY: the caller's contract.
        unsafe { sweep::store::<S>(to.add(range.start + at), S::zero(), n) }
    });
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
            sweep::store::<S>(to, sweep::load::<S>(from, len), len);
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

    /// First and last row of a run's own outputs, of planes of `columns`.
    pub(super) fn rows(&self, run: usize, columns: usize) -> (isize, isize) {
        let first = self.dense[run];
        let end = self.dense.get(run + 1).map_or(first + self.count[run], |&next| next);
        ((first as usize / columns) as isize, ((end - 1) as usize / columns) as isize)
    }

    /// Number of runs.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.at.len()
    }
}
