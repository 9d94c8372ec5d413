//! The natural logarithm in every lane: `n ln 2 + ln m` with `x = 2^n m`, `m` around 1, and a polynomial of degree 8
//! for what `ln m` has beyond `f - f²/2`, `f = m - 1` (Cephes).

use std::f32::consts::SQRT_2;

use super::Simd;

/// What a number that is too small to be normal is multiplied by, and the logarithm of it to base 2.
const LIFT: (f32, f32) = (8_388_608.0, 23.0);

/// `ln x` within 2 units in the last place; minus infinity of 0, NaN below it.
///
/// # Safety
/// `S` is available, here and below.
#[inline(always)]
pub(crate) unsafe fn log<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller's contract, here and below.
    unsafe {
        let smallest = S::splat(f32::MIN_POSITIVE);
        let normal = S::select_greater(smallest, x, S::mul(x, S::splat(LIFT.0)), x);
        let lifted = S::select_greater(smallest, x, S::splat(LIFT.1), S::zero());
        let (n, m) = around_one::<S>(normal);
        let (n, f) = (S::sub(n, lifted), S::sub(m, S::splat(1.0)));
        let mut p = S::splat(7.037_684e-2);
        for coefficient in [
            -0.115_146_1,
            0.116_769_99,
            -0.124_201_41,
            0.142_493_23,
            -0.166_680_58,
            0.200_007_15,
            -0.249_999_94,
            0.333_333_3,
        ] {
            p = S::fma(p, f, S::splat(coefficient));
        }
        let square = S::mul(f, f);
        let rest = S::fma(n, S::splat(-2.121_944_4e-4), S::mul(S::mul(p, square), f));
        let rest = S::fma(square, S::splat(-0.5), rest);
        let log = S::fma(n, S::splat(0.693_359_4), S::add(f, rest));
        // NaN stays NaN; the difference of infinities is one, too, and is put right below.
        let log = S::add(log, S::sub(x, x));
        let log = S::add(log, S::where_equal(x, S::zero(), S::splat(f32::NEG_INFINITY)));
        let log = S::select_greater(x, S::splat(f32::MAX), x, log);
        S::select_greater(S::zero(), x, S::splat(f32::NAN), log)
    }
}

/// `n` and `m` of a positive normal `x = 2^n m`, `m` between the roots of 1/2 and 2.
#[inline(always)]
pub(super) unsafe fn around_one<S: Simd>(x: S::V) -> (S::V, S::V) {
    unsafe {
        let (n, m, root) = (S::exponent(x), S::mantissa(x), S::splat(SQRT_2));
        let half = S::mul(m, S::splat(0.5));
        let above = S::add(n, S::splat(1.0));
        (S::select_greater(m, root, above, n), S::select_greater(m, root, half, m))
    }
}
