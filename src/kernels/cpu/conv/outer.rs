//! The weight gradient of the direct convolutions: a sum of outer products over output positions.
//!
//! Output gradients are transposed to panels of two vectors of channels; a tile holds six weights of 16
//! output channels (on AVX2) in registers while all positions of all images of a block pass by. Nothing is
//! wasted on ragged planes, and sums need not be reduced across lanes, as dot products along rows would.

use super::engine::even_block;
use crate::kernels::cpu::simd::Simd;

/// Weights (of one output channel) of a tile.
const ROWS: usize = 6;
/// Weights of a tile of a single vector.
const NARROW_ROWS: usize = 10;

/// `sums[k, o] += Σ_image Σ_p x[positions[p] + offsets[k]] · dy[p, o]`.
pub(super) struct Outer<'a> {
    pub(super) offsets: &'a [u32],
    /// Plane position of every output of an image.
    pub(super) positions: &'a [u32],
    pub(super) images: usize,
    /// Padded planes and the distance between images.
    pub(super) x: *const f32,
    pub(super) x_image: usize,
    /// Packed by [`pack`]; panels are `images * positions.len()` rows long.
    pub(super) dy: *const f32,
    /// Output channels in vectors.
    pub(super) vectors: usize,
    /// `[offsets.len(), vectors * LANES]`
    pub(super) sums: *mut f32,
}

/// Transposes one image's `[outputs, plane]` gradients into rows `image * plane ..` of panels
/// `[panel][row][2 vectors]` with `rows` rows; channels beyond `outputs` are zero.
///
/// # Safety
/// `dy` is valid for the image, `panels` for all panels; `S` is available.
#[inline(always)]
pub(super) unsafe fn pack<S: Simd>(
    outputs: usize,
    plane: usize,
    rows: usize,
    image: usize,
    dy: *const f32,
    panels: *mut f32,
) {
    let panel = 2 * S::LANES;
    for first in (0..outputs.next_multiple_of(S::LANES)).step_by(8) {
        let mut few = [0.0f32; 64];
        // SAFETY: `first` is a group of eight columns of an existing panel.
        unsafe {
            let to = panels.add((first / panel * rows + image * plane) * panel + first % panel);
            if plane >= 8 {
                for p in (0..plane).step_by(8) {
                    let p = p.min(plane - 8);
                    let (mut from, mut pitch) = (dy.add(first * plane + p), plane);
                    if first + 8 > outputs {
                        for row in 0..outputs.saturating_sub(first) {
                            let target = few[8 * row..8 * row + 8].as_mut_ptr();
                            target.copy_from_nonoverlapping(from.add(row * plane), 8);
                        }
                        (from, pitch) = (few.as_ptr(), 8);
                    }
                    S::transpose8(from, pitch, to.add(p * panel), panel);
                }
            } else {
                for p in 0..plane {
                    for o in 0..8 {
                        let inside = first + o < outputs;
                        *to.add(p * panel + o) = if inside { *dy.add((first + o) * plane + p) } else { 0.0 };
                    }
                }
            }
        }
    }
}

/// Adds the products.
///
/// # Safety
/// Pointers are valid for what the job describes; `S` is available.
#[inline(always)]
pub(super) unsafe fn outer<S: Simd>(job: &Outer) {
    // SAFETY: the caller's contract.
    unsafe {
        for panel in 0..job.vectors / 2 {
            outer_panel::<S, 2>(job, panel);
        }
        if !job.vectors.is_multiple_of(2) {
            outer_panel::<S, 1>(job, job.vectors / 2);
        }
    }
}

#[inline(always)]
unsafe fn outer_panel<S: Simd, const N: usize>(job: &Outer, panel: usize) {
    let total = job.offsets.len();
    let mut k = 0;
    // SAFETY: `k + M <= total`.
    unsafe {
        while k < total {
            // Equal blocks, and larger ones of single vectors: few chains wait for each other.
            let most = if N == 1 { NARROW_ROWS } else { ROWS };
            let rows = even_block(total - k, most);
            match rows {
                1 => outer_tile::<S, 1, N>(job, panel, k),
                2 => outer_tile::<S, 2, N>(job, panel, k),
                3 => outer_tile::<S, 3, N>(job, panel, k),
                4 => outer_tile::<S, 4, N>(job, panel, k),
                5 => outer_tile::<S, 5, N>(job, panel, k),
                6 => outer_tile::<S, 6, N>(job, panel, k),
                7 => outer_tile::<S, 7, 1>(job, panel, k),
                8 => outer_tile::<S, 8, 1>(job, panel, k),
                9 => outer_tile::<S, 9, 1>(job, panel, k),
                _ => outer_tile::<S, NARROW_ROWS, 1>(job, panel, k),
            }
            k += rows;
        }
    }
}

#[inline(always)]
unsafe fn outer_tile<S: Simd, const M: usize, const N: usize>(job: &Outer, panel: usize, k: usize) {
    let width = job.vectors * S::LANES;
    // SAFETY: `k + M` offsets and the panel exist; positions plus offsets lie in the planes.
    unsafe {
        let to = job.sums.add(k * width + panel * 2 * S::LANES);
        let mut sums = [[S::zero(); N]; M];
        for i in 0..M {
            for j in 0..N {
                sums[i][j] = S::load(to.add(i * width + j * S::LANES));
            }
        }
        let mut dy = job.dy.add(panel * job.images * job.positions.len() * 2 * S::LANES);
        for image in 0..job.images {
            let mut x = [job.x; M];
            for i in 0..M {
                x[i] = job.x.add(image * job.x_image + *job.offsets.get_unchecked(k + i) as usize);
            }
            for &position in job.positions {
                let mut values = [S::zero(); N];
                for j in 0..N {
                    values[j] = S::load(dy.add(j * S::LANES));
                }
                for i in 0..M {
                    let factor = S::splat(*x[i].add(position as usize));
                    for j in 0..N {
                        sums[i][j] = S::fma(values[j], factor, sums[i][j]);
                    }
                }
                dy = dy.add(2 * S::LANES);
            }
        }
        for i in 0..M {
            for j in 0..N {
                S::store(to.add(i * width + j * S::LANES), sums[i][j]);
            }
        }
    }
}

/// `dw[o, k] += sums[k, o]` for `outputs` of `width` columns and `depth` rows.
///
/// # Safety
/// Both matrices are valid; `S` is available.
#[inline(always)]
pub(super) unsafe fn unpack<S: Simd>(
    outputs: usize,
    width: usize,
    depth: usize,
    sums: *const f32,
    dw: *mut f32,
) {
    let mut block = [0.0f32; 64];
    for first in (0..depth).step_by(64) {
        let end = depth.min(first + 64);
        for o in (0..outputs).step_by(8) {
            let mut k = first;
            // SAFETY: blocks of eight by eight end inside both matrices.
            unsafe {
                while o + 8 <= outputs && k + 8 <= end {
                    S::transpose8(sums.add(k * width + o), width, block.as_mut_ptr(), 8);
                    for row in 0..8 {
                        let to = dw.add((o + row) * depth + k);
                        for i in 0..8 {
                            *to.add(i) += block[row * 8 + i];
                        }
                    }
                    k += 8;
                }
                for o in o..outputs.min(o + 8) {
                    for k in k..end {
                        *dw.add(o * depth + k) += *sums.add(k * width + o);
                    }
                }
            }
        }
    }
}
