//! The geometry of input gradients: one stride-1 sum of shifted planes for each residue of the stride.

use super::Shape;
use super::planes::{Planes, Runs, Tap};
use super::terms::Terms;
use crate::kernels::cpu::simd::Simd;

/// The input positions `stride * u + residue` of the input gradient.
#[derive(Clone, Debug)]
pub(super) struct Residue {
    /// First row and column, and how many there are.
    first: [usize; 2],
    count: [usize; 2],
    pub(super) terms: Terms,
    pub(super) runs: Runs,
    /// Where its weights start in the packed weights of a group.
    pub(super) packed: usize,
}

impl Residue {
    pub(super) fn runs_len(&self) -> usize {
        self.count[0] * self.count[1]
    }
}

/// One axis of a residue: its first input row (or column), how many there are, and the taps that reach
/// them with their shifts in the output.
struct AxisResidue {
    first: usize,
    count: usize,
    shifts: Vec<(usize, isize)>,
}

/// The planes of output gradients and, for each residue of the stride, the taps that reach its inputs.
///
/// Input row `i` and tap `k` meet where `i + padding = stride · o + dilation · k`. With
/// `i + padding = stride · u + r` the taps are those with `dilation · k ≡ r`, and
/// `o = u - (dilation · k - r) / stride`.
pub(super) fn backward(shape: &Shape) -> (Planes, Vec<Residue>, usize) {
    let out = shape.output();
    let mut found: [Vec<AxisResidue>; 2] = [vec![], vec![]];
    let (mut before, mut size) = ([0isize; 2], [0usize; 2]);
    for axis in 0..2 {
        let (stride, padding) = (shape.stride[axis], shape.padding[axis]);
        for r in 0..stride {
            let start = padding.saturating_sub(r).div_ceil(stride);
            let end = (shape.size[axis] + padding).saturating_sub(r).div_ceil(stride);
            if start >= end {
                continue;
            }
            let shifts: Vec<(usize, isize)> = (0..shape.kernel[axis])
                .filter(|k| k * shape.dilation[axis] % stride == r)
                .map(|k| (k, start as isize - ((k * shape.dilation[axis] - r) / stride) as isize))
                .collect();
            before[axis] = before[axis].max(shifts.iter().map(|s| -s.1).max().unwrap_or(0));
            found[axis].push(AxisResidue { first: start * stride + r - padding, count: end - start, shifts });
        }
        for residue in &found[axis] {
            let most = residue.shifts.iter().map(|s| s.1 + before[axis]).max().unwrap_or(0) as usize;
            size[axis] = size[axis].max(residue.count + most).max(before[axis] as usize + 1);
        }
    }
    let widest = found[1].iter().map(|residue| residue.count).max().unwrap_or(0);
    let before = before.map(|b| b as usize);
    let reach = size[1].saturating_sub(widest);
    let planes = Planes::new(shape.outputs, out, [1; 2], before, [vec![0], vec![0]], size, reach);
    let mut residues = Vec::new();
    let mut packed = 0;
    let (inputs, outputs) = (shape.inputs / shape.groups, shape.outputs / shape.groups);
    for row in &found[0] {
        for column in &found[1] {
            let place = |residue: &AxisResidue, axis: usize| {
                let shifts = residue.shifts.iter();
                shifts.map(|&(k, s)| (k, 0, (s + before[axis] as isize) as usize)).collect::<Vec<_>>()
            };
            let mut taps = planes.taps(&[place(row, 0), place(column, 1)], shape.kernel[1]);
            taps.sort_by_key(|tap| tap.offset);
            let count = [row.count, column.count];
            let runs = Runs::new(count, planes.pitch);
            let terms = Terms::new(outputs, &planes, &taps, &runs, count[1]);
            let len = inputs * terms.len();
            residues.push(Residue { first: [row.first, column.first], count, terms, runs, packed });
            packed += len;
        }
    }
    (planes, residues, found[1].len().max(1))
}

/// A list of offsets for every channel and tap.
pub(super) fn offsets(channels: usize, planes: &Planes, taps: &[Tap]) -> Vec<u32> {
    (0..channels).flat_map(|c| taps.iter().map(move |tap| (c * planes.channel + tap.offset) as u32)).collect()
}

/// Writes the dense planes of one row residue, and all column residues, to their places in `dx`.
#[inline(always)]
pub(super) unsafe fn interleave<S: Simd>(
    shape: &Shape,
    residues: &[Residue],
    channels: usize,
    images: usize,
    image: usize,
    partial: *const f32,
    dx: *mut f32,
) {
    let [height, width] = shape.size;
    let rows = residues[0].count[0];
    // SAFETY: the residues' rows and columns lie inside the input, `partial` holds all their planes.
    unsafe {
        for c in 0..channels {
            for row in 0..rows {
                let target = dx.add((c * height + residues[0].first[0] + row * shape.stride[0]) * width);
                let mut from = partial;
                let mut sources = [from; 2];
                for residue in residues {
                    let source = from.add(((image * channels + c) * rows + row) * residue.count[1]);
                    from = from.add(images * channels * residue.runs_len());
                    if shape.stride[1] == 2 && residues.len() == 2 {
                        sources[residue.first[1] % 2] = source;
                    } else {
                        for column in 0..residue.count[1] {
                            *target.add(residue.first[1] + column * shape.stride[1]) = *source.add(column);
                        }
                    }
                }
                if shape.stride[1] == 2 && residues.len() == 2 {
                    let mut i = 0;
                    while 2 * (i + S::LANES) <= width {
                        let (low, high) =
                            S::interleave(S::load(sources[0].add(i)), S::load(sources[1].add(i)));
                        S::store(target.add(2 * i), low);
                        S::store(target.add(2 * i + S::LANES), high);
                        i += S::LANES;
                    }
                    for column in 2 * i..width {
                        *target.add(column) = *sources[column % 2].add(column / 2);
                    }
                }
            }
        }
    }
}
