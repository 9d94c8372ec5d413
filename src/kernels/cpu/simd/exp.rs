//! The exponential function in every lane: `2^n · e^r` with `x = n ln 2 + r`, `|r| <= ln 2 / 2`, and a polynomial of
//! degree 6 (Cephes).

use std::f32::consts::LOG2_E;

use super::Simd;

/// Below it `e^x` is no normal number.
const SMALLEST: f32 = -87.336_54;
/// Above it `e^x` is infinite.
const LARGEST: f32 = 88.722_83;

/// `e^x` within 2e-7 of the true value, relatively; 0 where that is no normal number, and NaN of NaN.
///
/// # Safety
/// `S` is available, here and below.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller's contract, here and below.
    unsafe {
        let (n, q) = reduced::<S>(x);
        let scale = S::exp2_whole(n);
        let e = S::fma(scale, q, scale);
        let e = S::select_greater(S::splat(SMALLEST), x, S::zero(), e);
        S::select_greater(x, S::splat(LARGEST), S::splat(f32::INFINITY), e)
    }
}

/// `e^x - 1`, as exact near 0 as far from it; NaN of NaN, else finite.
#[inline(always)]
pub(crate) unsafe fn exp_m1<S: Simd>(x: S::V) -> S::V {
    unsafe {
        let (n, q) = reduced::<S>(x);
        let scale = S::exp2_whole(n);
        S::fma(scale, q, S::sub(scale, S::splat(1.0)))
    }
}

/// `n` and `e^r - 1` of `x = n ln 2 + r`; `x` is first brought to where `e^x` is a normal number.
#[inline(always)]
unsafe fn reduced<S: Simd>(x: S::V) -> (S::V, S::V) {
    unsafe {
        // The bound comes first so that NaN, which `min` and `max` return from second place, passes.
        let x = S::max(S::splat(SMALLEST), S::min(S::splat(LARGEST), x));
        let n = S::min(S::splat(127.0), S::round(S::mul(x, S::splat(LOG2_E))));
        let r = S::fma(n, S::splat(-0.693_359_4), x);
        let r = S::fma(n, S::splat(2.121_944_4e-4), r);
        (n, near_zero::<S>(r))
    }
}

/// `e^r - 1` for `|r| <= ln 2 / 2`.
#[inline(always)]
pub(super) unsafe fn near_zero<S: Simd>(r: S::V) -> S::V {
    unsafe {
        let mut p = S::splat(1.987_569_1e-4);
        for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = S::fma(p, r, S::splat(coefficient));
        }
        S::fma(p, S::mul(r, r), r)
    }
}
