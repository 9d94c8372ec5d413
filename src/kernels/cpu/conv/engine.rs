//! The register-blocked inner loop of the direct convolutions: a sum of shifted planes.
//!
//! A tile is six output channels (one broadcast weight each) by two runs of positions: 12
//! accumulators, 2 loads and 6 broadcasts for 12 multiply-adds, which keeps both FMA units of an AVX2 core
//! fed from L1. Four by three needs fewer loads but all 16 registers, and LLVM then spills accumulators.

use std::array::from_fn;
use std::ops::Range;

use super::planes::Runs;
use super::terms::Terms;
use crate::kernels::cpu::simd::{Simd, sweep};

/// Output channels of a forward tile.
const ROWS: usize = 6;

/// The size of the next block when `left` are left, in blocks of at most `most` and about equal size, so
/// that no block is so small that its chains of sums wait for their own latency.
#[inline(always)]
pub(super) fn even_block(left: usize, most: usize) -> usize {
    left.div_ceil(left.div_ceil(most))
}

/// `y[o] = max(floor, bias[o] + Σ_k weights[o, k] · x[at + offsets[k]])` for `images` images and all runs.
pub(super) struct Forward<'a> {
    pub(super) terms: &'a Terms,
    pub(super) runs: &'a Runs,
    pub(super) images: usize,
    /// Padded planes and the distance between images.
    pub(super) x: *const f32,
    pub(super) x_image: usize,
    /// Packed by [`pack`].
    pub(super) weights: *const f32,
    pub(super) outputs: usize,
    /// One value an output channel, or null.
    pub(super) bias: *const f32,
    pub(super) floor: f32,
    /// Dense planes, their size, and the distance between images.
    pub(super) y: *mut f32,
    pub(super) y_plane: usize,
    pub(super) y_image: usize,
}

/// Packs weights to `[block of outputs][k][output in block]`.
#[inline(always)]
pub(super) fn pack(outputs: usize, k: usize, packed: &mut [f32], weight: impl Fn(usize, usize) -> f32) {
    let (mut at, mut first) = (0, 0);
    while first < outputs {
        let rows = even_block(outputs - first, ROWS);
        for index in 0..k {
            for row in 0..rows {
                packed[at] = weight(first + row, index);
                at += 1;
            }
        }
        first += rows;
    }
}

/// Runs the sum.
///
/// # Safety
/// Pointers are valid for what the job describes (x with slack for a run's overhang); `S` is available.
#[inline(always)]
pub(super) unsafe fn forward<S: Simd>(job: &Forward) {
    let mut first = 0;
    while first < job.outputs {
        let rows = even_block(job.outputs - first, ROWS);
        // SAFETY: `first` is an existing block; the rest is the caller's contract.
        unsafe {
            match rows {
                1 => forward_rows::<S, 1, 4>(job, first),
                2 => forward_rows::<S, 2, 4>(job, first),
                3 => forward_rows::<S, 3, 3>(job, first),
                4 => forward_rows::<S, 4, 2>(job, first),
                5 => forward_rows::<S, 5, 2>(job, first),
                _ => forward_rows::<S, 6, 2>(job, first),
            }
        }
        first += rows;
    }
}

#[inline(always)]
unsafe fn forward_rows<S: Simd, const M: usize, const N: usize>(job: &Forward, first: usize) {
    let runs = job.runs.len();
    let all = 0..job.terms.len();
    let abreast = if job.terms.ragged { job.images / N * N } else { 0 };
    // SAFETY: images and runs exist.
    unsafe {
        for image in (0..abreast).step_by(N) {
            for run in 0..runs {
                let needed = job.terms.spans.get_unchecked(run);
                let needed = needed.start as usize..needed.end as usize;
                forward_tile::<S, M, N>(job, first, from_fn(|j| (image + j, run)), needed);
            }
        }
        let (mut next, mut left) = ((abreast, 0), (job.images - abreast) * runs);
        while left >= N {
            forward_tile::<S, M, N>(job, first, from_fn(|_| step(&mut next, runs)), all.clone());
            left -= N;
        }
        for _ in 0..left {
            forward_tile::<S, M, 1>(job, first, [step(&mut next, runs)], all.clone());
        }
    }
}

/// An image and its run, and on to the next.
#[inline(always)]
fn step(next: &mut (usize, usize), runs: usize) -> (usize, usize) {
    let place = *next;
    next.1 += 1;
    if next.1 == runs {
        *next = (next.0 + 1, 0);
    }
    place
}

/// One tile of runs, each an image and its run, with the terms they need.
#[inline(always)]
unsafe fn forward_tile<S: Simd, const M: usize, const N: usize>(
    job: &Forward,
    first: usize,
    place: [(usize, usize); N],
    terms: Range<usize>,
) {
    let runs = job.runs;
    // SAFETY: images, runs and terms exist, so tables and planes hold what is read.
    unsafe {
        let mut x = [job.x; N];
        for j in 0..N {
            x[j] = job.x.add(place[j].0 * job.x_image + *runs.at.get_unchecked(place[j].1) as usize);
        }
        let mut sums = [[S::zero(); N]; M];
        if !job.bias.is_null() {
            for i in 0..M {
                sums[i] = [S::splat(*job.bias.add(first + i)); N];
            }
        }
        let mut weights = job.weights.add(first * job.terms.len() + terms.start * M);
        for &offset in job.terms.offsets.get_unchecked(terms) {
            let mut values = [S::zero(); N];
            for j in 0..N {
                values[j] = S::load(x[j].add(offset as usize));
            }
            for i in 0..M {
                let weight = S::splat(*weights.add(i));
                for j in 0..N {
                    sums[i][j] = S::fma(values[j], weight, sums[i][j]);
                }
            }
            weights = weights.add(M);
        }
        let floor = S::splat(job.floor);
        for j in 0..N {
            let (image, r) = place[j];
            let squeeze = runs.squeeze.as_ptr().add(r * S::LANES);
            let count = *runs.count.get_unchecked(r) as usize;
            let y = job.y.add(image * job.y_image + *runs.dense.get_unchecked(r) as usize);
            for i in 0..M {
                let value = S::permute(S::max(floor, sums[i][j]), squeeze);
                let y = y.add((first + i) * job.y_plane);
                sweep::store::<S>(y, value, count);
            }
        }
    }
}

/// Spreads a dense output plane over its runs, with zeros where a lane holds no output.
///
/// # Safety
/// `from` is valid for the plane, `to` for `runs.len() * LANES` values; `S` is available.
#[inline(always)]
pub(super) unsafe fn spread<S: Simd>(runs: &Runs, plane: usize, from: *const f32, to: *mut f32) {
    for r in 0..runs.len() {
        // SAFETY: no more than the plane's values are loaded.
        unsafe {
            let dense = *runs.dense.get_unchecked(r) as usize;
            let value = sweep::load::<S>(from.add(dense), S::LANES.min(plane - dense));
            S::store(to.add(r * S::LANES), S::expand(value, runs.spread.as_ptr().add(r * S::LANES)));
        }
    }
}
