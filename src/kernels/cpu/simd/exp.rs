//! The exponential function in every lane.

use super::Simd;

/// `e^x`, saturating where the result would not be a normal number; NaN stays NaN. After Cephes: `2^n · p(r)` with
/// `x = n ln 2 + r`, `|r| <= ln 2 / 2`, and a polynomial of degree 6; within 2e-7 of the true value, relatively.
///
/// # Safety
/// `S` is available.
#[inline(always)]
pub(crate) unsafe fn exp_lanes<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller's contract.
    unsafe {
        // The bound comes first so that NaN, which `min` and `max` return from second place, passes.
        let x = S::max(S::splat(-87.336_5), S::min(S::splat(88.376_26), x));
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let r = S::fma(n, S::splat(-0.693_359_4), x);
        let r = S::fma(n, S::splat(2.121_944_4e-4), r);
        let mut p = S::splat(1.987_569_1e-4);
        for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = S::fma(p, r, S::splat(coefficient));
        }
        let p = S::fma(p, S::mul(r, r), S::add(r, S::splat(1.0)));
        S::mul(p, S::exp2_whole(n))
    }
}
