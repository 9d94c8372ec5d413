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

/// Like [`sweep!`], for sums: `$slot` says which of four sums a vector belongs to, so that four vectors in a
/// row do not wait for one another.
macro_rules! sweep_sums {
    ($simd:ident, $len:expr, |$at:ident, $n:ident, $slot:ident| $step:block) => {{
        let len: usize = $len;
        let mut $at = 0;
        while $at + 4 * $simd::LANES <= len {
            for $slot in 0..4 {
                let $n = $simd::LANES;
                $step
                $at += $simd::LANES;
            }
        }
        while $at + $simd::LANES <= len {
            let ($slot, $n) = (0, $simd::LANES);
            $step
            $at += $simd::LANES;
        }
        if $at < len {
            let ($slot, $n) = (1, len - $at);
            $step
        }
    }};
}
pub(crate) use sweep_sums;

/// Loads `n` values, zeros behind them.
///
/// # Safety
/// `from` is valid for `n <= LANES` values; `S` is available.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(from: *const f32, n: usize) -> S::V {
    // SAFETY: the caller's contract.
    unsafe { if n == S::LANES { S::load(from) } else { S::load_part(from, n) } }
}

/// Stores the first `n` values.
///
/// # Safety
/// `to` is valid for `n <= LANES` values; `S` is available.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(to: *mut f32, value: S::V, n: usize) {
    // SAFETY: the caller's contract.
    unsafe { if n == S::LANES { S::store(to, value) } else { S::store_part(to, value, n) } }
}

/// Asks for the cache line of an address, which need not be valid; without effect where the CPU's instruction for it is
/// not known.
#[inline(always)]
pub(crate) fn prefetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and a prefetch of any address is allowed.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
