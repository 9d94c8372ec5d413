//! `x^a` in every lane, as `2^(a log2 x)`. The exponent multiplies the logarithm's error by up to 128, so the logarithm
//! is carried in two numbers, a rounded one and what it lacks (Dekker, 1971): `log2 m = 2/ln 2 · artanh s` with
//! `s = (m - 1) / (m + 1)` and the series of `artanh`.

use super::Simd;
use super::exp::near_zero;
use super::log::around_one;

/// Exponents beyond are left to one lane after the other.
const LARGEST_EXPONENT: f32 = 1e6;

/// `2/ln 2`, and a third, rounded and what is lacking.
const SCALE: [f32; 2] = parts(2.0 * std::f64::consts::LOG2_E);
const THIRD: [f32; 2] = parts(1.0 / 3.0);

const fn parts(number: f64) -> [f32; 2] {
    let rounded = number as f32;
    [rounded, (number - rounded as f64) as f32]
}

/// Whether [`power`] may be asked: every lane is a positive normal number, and the exponent is not too large.
///
/// # Safety
/// `S` is available, here and below.
#[inline(always)]
pub(crate) unsafe fn is_usual<S: Simd>(x: S::V, exponent: f32) -> bool {
    // SAFETY: the caller's contract, here and below.
    unsafe {
        let (zero, one) = (S::zero(), S::splat(1.0));
        let finite = S::select_greater(x, S::splat(f32::MAX), zero, one);
        let normal = S::select_greater(S::splat(f32::MIN_POSITIVE), x, zero, finite);
        // NaN is not even equal to itself.
        S::sum(S::where_equal(x, x, normal)) == S::LANES as f32 && exponent.abs() <= LARGEST_EXPONENT
    }
}

/// `x^exponent` within 3 units in the last place, where [`is_usual`] holds.
#[inline(always)]
pub(crate) unsafe fn power<S: Simd>(x: S::V, exponent: f32) -> S::V {
    unsafe {
        let a = S::splat(exponent);
        let (log, log_rest) = log2::<S>(x);
        let (p, rest) = product::<S>(a, log);
        let rest = S::fma(a, log_rest, rest);
        // Beyond these bounds the result is infinite or 0, whatever the rest is.
        let p = S::max(S::splat(-200.0), S::min(S::splat(200.0), p));
        let rest = S::max(S::splat(-1.0), S::min(S::splat(1.0), rest));
        let n = S::round(p);
        let r = S::mul(S::add(S::sub(p, n), rest), S::splat(std::f32::consts::LN_2));
        // In two factors, so that results which are no normal numbers come out, too.
        let half = S::round(S::mul(n, S::splat(0.5)));
        let scale = S::exp2_whole(half);
        S::mul(S::fma(scale, near_zero::<S>(r), scale), S::exp2_whole(S::sub(n, half)))
    }
}

/// The logarithm to base 2, rounded, and what that lacks.
#[inline(always)]
unsafe fn log2<S: Simd>(x: S::V) -> (S::V, S::V) {
    unsafe {
        let one = S::splat(1.0);
        let (n, m) = around_one::<S>(x);
        let (over, under) = (S::sub(m, one), S::add(m, one));
        let under_rest = S::sub(m, S::sub(under, one));
        let s = S::div(over, under);
        let (back, back_rest) = product::<S>(s, under);
        let lacking = S::sub(S::sub(S::sub(over, back), back_rest), S::mul(s, under_rest));
        let s_rest = S::div(lacking, under);
        // artanh s = s (1 + s²/3 + s⁴/5 + …)
        let (square, square_rest) = product::<S>(s, s);
        let square_rest = S::fma(S::add(s, s), s_rest, square_rest);
        let mut tail = S::splat(1.0 / 13.0);
        for coefficient in [1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 0.2] {
            tail = S::fma(tail, square, S::splat(coefficient));
        }
        let tail = S::mul(S::mul(square, square), tail);
        let (third, third_rest) = scaled::<S>((square, square_rest), THIRD);
        let (beyond, beyond_rest) = sum::<S>(third, S::add(third_rest, tail));
        let (more, more_rest) = product::<S>(s, beyond);
        let more_rest = S::fma(s, beyond_rest, S::fma(s_rest, beyond, more_rest));
        let (artanh, artanh_rest) = sum::<S>(s, more);
        let artanh_rest = S::add(artanh_rest, S::add(more_rest, s_rest));
        let (part, part_rest) = scaled::<S>((artanh, artanh_rest), SCALE);
        let (log, log_rest) = sum::<S>(n, part);
        (log, S::add(log_rest, part_rest))
    }
}

/// A number in two parts times a constant in two parts.
#[inline(always)]
unsafe fn scaled<S: Simd>((number, rest): (S::V, S::V), factor: [f32; 2]) -> (S::V, S::V) {
    unsafe {
        let [factor, factor_rest] = factor.map(|part| S::splat(part));
        let (p, lacking) = product::<S>(number, factor);
        (p, S::fma(number, factor_rest, S::fma(rest, factor, lacking)))
    }
}

/// `a + b`, rounded, and what that lacks; `a` is 0 or not smaller than `b`.
#[inline(always)]
unsafe fn sum<S: Simd>(a: S::V, b: S::V) -> (S::V, S::V) {
    unsafe {
        let s = S::add(a, b);
        (s, S::sub(b, S::sub(s, a)))
    }
}

/// `a b`, rounded, and what that lacks.
#[inline(always)]
unsafe fn product<S: Simd>(a: S::V, b: S::V) -> (S::V, S::V) {
    unsafe {
        let p = S::mul(a, b);
        if S::FUSED {
            return (p, S::fma(a, b, S::sub(S::zero(), p)));
        }
        let ([a, a_low], [b, b_low]) = (halves::<S>(a), halves::<S>(b));
        let crossed = S::add(S::mul(a, b_low), S::mul(a_low, b));
        (p, S::add(S::add(S::sub(S::mul(a, b), p), crossed), S::mul(a_low, b_low)))
    }
}

/// The upper and the lower bits of a number, so few that products of them are exact.
#[inline(always)]
unsafe fn halves<S: Simd>(a: S::V) -> [S::V; 2] {
    unsafe {
        let far = S::mul(a, S::splat(4097.0));
        let upper = S::sub(far, S::sub(far, a));
        [upper, S::sub(a, upper)]
    }
}
