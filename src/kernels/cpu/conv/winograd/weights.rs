//! The filter transform `U = G g Gᵀ` into packed panels, and its adjoint for the weight gradient.

use super::transform::{F2, F4, Transform};
use super::{Tile, Winograd, odd_lines};
use crate::kernels::cpu::simd::{Simd, dispatch};

dispatch!(
    /// Packs `U[ξ][panel][row][2 vectors of columns]`; `columns` and `rows` are counts with the distance
    /// of their 3×3 kernels in `weights`.
    ///
    /// # Safety
    /// `weights` holds all kernels, `packed` all points.
    pub(super) unsafe fn pack(
        conv: &Winograd, weights: *const f32, columns: [usize; 2], rows: [usize; 2], packed: *mut f32,
    ) = pack_body
);

#[inline(always)]
unsafe fn pack_body<S: Simd>(
    conv: &Winograd,
    weights: *const f32,
    columns: [usize; 2],
    rows: [usize; 2],
    packed: *mut f32,
) {
    // SAFETY: the caller's contract.
    unsafe {
        match conv.tile {
            Tile::Two => pack_tiles::<S, F2, 2, 4>(conv, weights, columns, rows, packed),
            Tile::Four => pack_tiles::<S, F4, 4, 6>(conv, weights, columns, rows, packed),
        }
    }
}

#[inline(always)]
unsafe fn pack_tiles<S: Simd, T: Transform<S, M, A>, const M: usize, const A: usize>(
    conv: &Winograd,
    weights: *const f32,
    [columns, column_step]: [usize; 2],
    [rows, row_step]: [usize; 2],
    packed: *mut f32,
) {
    let point = conv.packed_point(rows, columns);
    for first in (0..columns.next_multiple_of(2 * S::LANES)).step_by(S::LANES) {
        let present = S::LANES.min(columns.saturating_sub(first));
        let panel = first / (2 * S::LANES) * rows * 2 * S::LANES + first % (2 * S::LANES);
        for row in 0..rows {
            let mut lanes = [[0.0f32; 16]; 9];
            // SAFETY: `present` lanes have a kernel; every point of the panel is inside `packed`.
            unsafe {
                for lane in 0..present {
                    let kernel = weights.add((first + lane) * column_step + row * row_step);
                    for (t, values) in lanes.iter_mut().enumerate() {
                        values[lane] = *kernel.add(t);
                    }
                }
                let mut half = [[S::zero(); A]; 3];
                for j in 0..3 {
                    let column = [0, 3, 6].map(|i| S::load(lanes[i + j].as_ptr()));
                    half[j] = T::filter(column);
                }
                for i in 0..A {
                    let row_points = T::filter([half[0][i], half[1][i], half[2][i]]);
                    for j in 0..A {
                        let at = (i * A + j) * point + panel + row * 2 * S::LANES;
                        S::store(packed.add(at), row_points[j]);
                    }
                }
            }
        }
    }
}

/// Inputs that are unpacked together.
const INPUTS: usize = 8;

/// `dw += Gᵀ dU G` from `dU[ξ][input][output of a chunk]`, for the chunk of outputs that starts at `start`.
///
/// # Safety
/// `points` holds the chunk, `dw` all weights; `S` is available.
#[inline(always)]
pub(super) unsafe fn unpack<S: Simd, T: Transform<S, M, A>, const M: usize, const A: usize>(
    conv: &Winograd,
    chunk: usize,
    start: usize,
    points: *const f32,
    dw: *mut f32,
) {
    let inputs = conv.shape.inputs;
    let outputs = chunk.min(conv.shape.outputs - start);
    let point = odd_lines(inputs * chunk);
    // Sixteen outputs, a cache line, of a few inputs at a time: all points and kernels are met by whole lines.
    for block in (0..inputs).step_by(INPUTS) {
        for line in (0..outputs).step_by(2 * S::LANES) {
            for input in block..inputs.min(block + INPUTS) {
                for first in (line..outputs.min(line + 2 * S::LANES)).step_by(S::LANES) {
                    // SAFETY: points are stored in whole vectors; `first` is below `outputs`.
                    unsafe {
                        let at = points.add(input * chunk + first);
                        let present = S::LANES.min(outputs - first);
                        let dw = dw.add(((start + first) * inputs + input) * 9);
                        kernels::<S, T, M, A>(at, point, present, dw, inputs * 9);
                    }
                }
            }
        }
    }
}

/// The kernels of one vector of outputs and one input, which lie `step` apart in `dw`.
#[inline(always)]
unsafe fn kernels<S: Simd, T: Transform<S, M, A>, const M: usize, const A: usize>(
    at: *const f32,
    point: usize,
    present: usize,
    dw: *mut f32,
    step: usize,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut half = [[S::zero(); 3]; A];
        for j in 0..A {
            let mut column = [S::zero(); A];
            for i in 0..A {
                column[i] = S::load(at.add((i * A + j) * point));
            }
            half[j] = T::filter_adjoint(column);
        }
        let mut lanes = [[0.0f32; 16]; 9];
        for i in 0..3 {
            let mut row = [S::zero(); A];
            for j in 0..A {
                row[j] = half[j][i];
            }
            let kernel_row = T::filter_adjoint(row);
            for j in 0..3 {
                S::store(lanes[i * 3 + j].as_mut_ptr(), kernel_row[j]);
            }
        }
        for lane in 0..present {
            let kernel = dw.add(lane * step);
            for (t, values) in lanes.iter().enumerate() {
                *kernel.add(t) += values[lane];
            }
        }
    }
}
