//! Packing of both factors into what the register tile reads in order.

use super::{Gemm, Layout, ROWS, group};
use crate::kernels::cpu::simd::Simd;

/// Packs `depth` rows of a transposed `a` as `[group of rows][k][row]`, in the groups that a block is computed in.
#[inline(always)]
pub(super) unsafe fn pack_a(job: &Gemm, a: *const f32, depth: usize, packed: *mut f32) {
    let mut row = 0;
    while row < job.rows {
        // Groups do not run on from one block into the next.
        let rows = group((job.rows - row).min(ROWS - row % ROWS));
        for k in 0..depth {
            // SAFETY: `row + rows <= job.rows`; a group takes `rows * depth` numbers.
            unsafe {
                let (from, to) = (a.add(k * job.strides[0] + row), packed.add(row * depth + k * rows));
                for i in 0..rows {
                    *to.add(i) = *from.add(i);
                }
            }
        }
        row += rows;
    }
}

/// Packs a block of `b` as `[panel][k][column]`, filled up with zeros to whole panels. The block begins at row and
/// column `k.0`, `column.0` of the untransposed matrix and is `k.1` deep and `column.1` wide.
#[inline(always)]
pub(super) unsafe fn pack_b<S: Simd>(
    job: &Gemm,
    b: *const f32,
    (k, depth): (usize, usize),
    (column, columns): (usize, usize),
    packed: *mut f32,
) {
    let (panel, stride) = (2 * S::LANES, job.strides[1]);
    // SAFETY: reads stay inside the block of `b`, writes inside the panels.
    unsafe {
        for first in (0..columns).step_by(panel) {
            let present = panel.min(columns - first);
            let to = packed.add(first * depth);
            match job.b {
                Layout::Plain => {
                    for i in 0..depth {
                        let (from, to) = (b.add((k + i) * stride + column + first), to.add(i * panel));
                        if present == panel {
                            S::store(to, S::load(from));
                            S::store(to.add(S::LANES), S::load(from.add(S::LANES)));
                        } else {
                            for j in 0..panel {
                                *to.add(j) = if j < present { *from.add(j) } else { 0.0 };
                            }
                        }
                    }
                }
                Layout::Transposed => {
                    let from = b.add((column + first) * stride + k);
                    for j in (0..panel).step_by(8) {
                        let mut i = 0;
                        while j + 8 <= present && i + 8 <= depth {
                            S::transpose8(from.add(j * stride + i), stride, to.add(i * panel + j), panel);
                            i += 8;
                        }
                        for i in i..depth {
                            for j in j..j + 8 {
                                *to.add(i * panel + j) =
                                    if j < present { *from.add(j * stride + i) } else { 0.0 };
                            }
                        }
                    }
                }
            }
        }
    }
}
