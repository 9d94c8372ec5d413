//! Products of few rows, as at batch 1: every number of `b` is read once, in the order it lies in memory.

use super::{Gemm, Store};
use crate::kernels::cpu::simd::Simd;
use crate::kernels::cpu::simd::sweep::{load, store as save, sweep};

/// Numbers of `c` that stay in L1 while the rows of a plain `b` pass by.
const NEAR: usize = 4096;

/// `c[i, j] (+)= Σ_k a[i, k] b[j, k]` for `M` rows and a transposed `b`: dot products along both rows.
#[inline(always)]
pub(super) unsafe fn dots<S: Simd, const M: usize>(
    job: &Gemm,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    store: Store,
) {
    let mut column = 0;
    // SAFETY: `column` stays below `columns`.
    unsafe {
        while column + 4 <= job.columns {
            dot_tile::<S, M, 4>(job, a, b.add(column * job.strides[1]), c.add(column), store);
            column += 4;
        }
        while column < job.columns {
            dot_tile::<S, M, 1>(job, a, b.add(column * job.strides[1]), c.add(column), store);
            column += 1;
        }
    }
}

#[inline(always)]
unsafe fn dot_tile<S: Simd, const M: usize, const N: usize>(
    job: &Gemm,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    store: Store,
) {
    let [a_stride, b_stride, c_stride] = job.strides;
    // SAFETY: `M` rows of `a` and `N` of `b` exist, of `depth` numbers.
    unsafe {
        // Two sets of sums for single rows, whose four chains alone would wait for each other.
        let mut sums = [[[S::zero(); N]; M]; 2];
        let mut k = 0;
        while k + 2 * S::LANES <= job.depth {
            for (half, sums) in sums.iter_mut().enumerate() {
                let at = k + half * S::LANES;
                for j in 0..N {
                    let value = S::load(b.add(j * b_stride + at));
                    for i in 0..M {
                        sums[i][j] = S::fma(S::load(a.add(i * a_stride + at)), value, sums[i][j]);
                    }
                }
            }
            k += 2 * S::LANES;
        }
        for i in 0..M {
            for j in 0..N {
                let mut sum = S::sum(S::add(sums[0][i][j], sums[1][i][j]));
                for k in k..job.depth {
                    sum += *a.add(i * a_stride + k) * *b.add(j * b_stride + k);
                }
                let to = c.add(i * c_stride + j);
                *to = if store == Store::Add { *to + sum } else { sum };
            }
        }
    }
}

/// `c[i, ..] (+)= Σ_k a[i, k] b[k, ..]` for `M` rows and a plain `b`: four rows of `b` at a time.
#[inline(always)]
pub(super) unsafe fn sums<S: Simd, const M: usize>(
    job: &Gemm,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    store: Store,
) {
    for column in (0..job.columns).step_by(NEAR / M) {
        let columns = (NEAR / M).min(job.columns - column);
        let mut k = 0;
        // SAFETY: the block's columns and `N` rows of `b` from `k` on exist.
        unsafe {
            let (b, c) = (b.add(column), c.add(column));
            if store == Store::Overwrite {
                (0..M).for_each(|i| {
                    std::slice::from_raw_parts_mut(c.add(i * job.strides[2]), columns).fill(0.0)
                });
            }
            while k + 4 <= job.depth {
                sum_tile::<S, M, 4>(job, a.add(k), b.add(k * job.strides[1]), c, columns);
                k += 4;
            }
            while k < job.depth {
                sum_tile::<S, M, 1>(job, a.add(k), b.add(k * job.strides[1]), c, columns);
                k += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn sum_tile<S: Simd, const M: usize, const N: usize>(
    job: &Gemm,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    columns: usize,
) {
    let [a_stride, b_stride, c_stride] = job.strides;
    // SAFETY: `M` rows of `a` and `c` and `N` of `b` exist, the latter of `columns` numbers.
    unsafe {
        let mut factors = [[S::zero(); N]; M];
        for i in 0..M {
            for k in 0..N {
                factors[i][k] = S::splat(*a.add(i * a_stride + k));
            }
        }
        sweep!(S, columns, |at, n| {
            let mut values = [S::zero(); N];
            for k in 0..N {
                values[k] = load::<S>(b.add(k * b_stride + at), n);
            }
            for i in 0..M {
                let to = c.add(i * c_stride + at);
                let mut sum = load::<S>(to, n);
                for k in 0..N {
                    sum = S::fma(factors[i][k], values[k], sum);
                }
                save::<S>(to, sum, n);
            }
        });
    }
}
