//! Loops over slices of any length: whole vectors, then one part of a vector.

use super::Simd;

/// Runs `$step` for every vector of `$len` values, with `$at` the first value and `$n` how many there are:
/// the constant `LANES` in the main loop, so that [`load`] and [`store`] are plain loads and stores there.
macro_rules! sweep {
    ($simd:ident, $len:expr, |$at:ident, $n:ident| $step:block) => {{
        let len: usize = $len;
        let mut $at = 0;
        while $at + $simd::LANES <= len {
            let $n = $simd::LANES;
            $step
            $at += $simd::LANES;
        }
        if $at < len {
            let $n = len - $at;
            $step
        }
    }};
}
pub(crate) use sweep;

/// Loads `n` values, zeros behind them.
///
/// # Safety
/// `from` is valid for `n <= LANES` values; `S` is available.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(from: *const f32, n: usize) -> S::V {
    // SAFETY: the caller's contract; a part goes through a buffer of the largest vector's size.
    unsafe {
        if n == S::LANES {
            return S::load(from);
        }
        let mut lanes = [0.0f32; 16];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            *lane = *from.add(i);
        }
        S::load(lanes.as_ptr())
    }
}

/// Stores the first `n` values.
///
/// # Safety
/// `to` is valid for `n <= LANES` values; `S` is available.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(to: *mut f32, value: S::V, n: usize) {
    // SAFETY: as for `load`.
    unsafe {
        if n == S::LANES {
            return S::store(to, value);
        }
        let mut lanes = [0.0f32; 16];
        S::store(lanes.as_mut_ptr(), value);
        for (i, lane) in lanes.iter().enumerate().take(n) {
            *to.add(i) = *lane;
        }
    }
}
