//! The vector types that every kernel is written against, and the choice of one of them at run time.
//!
//! A kernel body is a generic `#[inline(always)]` function over [`Simd`]; `dispatch!` compiles it once
//! for each instruction set inside a `#[target_feature]` function and picks one by the CPU's features, so
//! that a binary built for the baseline target is as fast as one built for this very machine.
#![allow(unsafe_code, clippy::needless_range_loop)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod exp;
pub(crate) mod log;
pub mod peak;
mod portable;
pub(crate) mod power;
pub(crate) mod sweep;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use portable::Portable;

use std::sync::atomic::{AtomicU8, Ordering};

use crate::diag::{Fault, codes};

/// Lane number with this bit set asks [`Simd::expand`] for a zero.
pub const ZERO_LANE: u32 = 1 << 31;

/// A vector of `LANES` f32 values.
///
/// # Safety
/// Every method may be called only on a CPU that has the implementor's instruction set; pointers must be
/// valid for `LANES` values (or as many as the method says), with no demand on alignment.
#[allow(clippy::missing_safety_doc)]
pub trait Simd: Copy + 'static {
    /// The register.
    type V: Copy;
    /// Values in a register.
    const LANES: usize;
    /// Whether [`Simd::fma`] rounds once.
    const FUSED: bool;
    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// The first `n < LANES` values, zeros behind them; the pointer is valid for `n` values.
    unsafe fn load_part(from: *const f32, n: usize) -> Self::V;
    /// Stores the first `n < LANES` values; the pointer is valid for `n` values.
    unsafe fn store_part(to: *mut f32, v: Self::V, n: usize);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The larger; NaN where either is one. (`max` gives `b` there.)
    unsafe fn max_or_nan(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the instruction set can.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `value` where `test > 0`, else 0.
    unsafe fn where_positive(test: Self::V, value: Self::V) -> Self::V;
    /// `x` where `a > b`, else `y`.
    unsafe fn select_greater(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `x` where `a == b`, else 0.
    unsafe fn where_equal(a: Self::V, b: Self::V, x: Self::V) -> Self::V;
    /// `LANES` bytes as whole numbers.
    unsafe fn load_bytes(from: *const u8) -> Self::V;
    /// Whole numbers in 0..=255 as bytes.
    unsafe fn store_bytes(to: *mut u8, v: Self::V);
    /// The nearest whole number, ties to even.
    unsafe fn round(a: Self::V) -> Self::V;
    /// `2^n` for whole `n` in -126..=127.
    unsafe fn exp2_whole(n: Self::V) -> Self::V;
    /// The whole `n` for which `x / 2^n` is from 1 to below 2, for positive normal `x`.
    unsafe fn exponent(x: Self::V) -> Self::V;
    /// `x / 2^exponent(x)` for positive normal `x`.
    unsafe fn mantissa(x: Self::V) -> Self::V;
    /// The sum of all lanes, in an order that depends on `LANES` only.
    unsafe fn sum(a: Self::V) -> f32;
    /// Lane `i` of the result is lane `lanes[i]` of `v`.
    unsafe fn permute(v: Self::V, lanes: *const u32) -> Self::V;
    /// Like [`Simd::permute`], with 0 where `lanes[i]` has [`ZERO_LANE`] set.
    unsafe fn expand(v: Self::V, lanes: *const u32) -> Self::V;
    /// The values at even and at odd places of `a` followed by `b`.
    unsafe fn deinterleave(a: Self::V, b: Self::V) -> (Self::V, Self::V);
    /// The inverse of [`Simd::deinterleave`].
    unsafe fn interleave(even: Self::V, odd: Self::V) -> (Self::V, Self::V);
    /// Transposes 8 rows of 8 values: `to[c * to_stride + r] = from[r * from_stride + c]`.
    unsafe fn transpose8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);

    /// All lanes 0.
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        // SAFETY: the caller's contract.
        unsafe { Self::splat(0.0) }
    }
}

/// The instruction sets that kernels are compiled for, from least to most capable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// What the target offers everywhere (SSE2, NEON).
    Portable = 1,
    /// AVX2 and FMA.
    Avx2 = 2,
    /// AVX-512 F.
    Avx512 = 3,
}

impl Level {
    /// From least to most capable.
    pub const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// How a user calls it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// Values in a register at this level.
    pub fn lanes(self) -> usize {
        match self {
            Level::Portable | Level::Avx2 => 8,
            Level::Avx512 => 16,
        }
    }
}

/// The environment variable that names the level to use. Levels round differently: bits are the same on two machines only
/// where they use the same one.
pub const VARIABLE: &str = "DSLC_SIMD";

/// The level that kernels run at in this process: what [`VARIABLE`] names, else the most capable one. Refuses a name that
/// is none, and a level that this CPU lacks.
pub fn chosen() -> Result<Level, Fault> {
    asked()?;
    Ok(level())
}

/// The level that the variable names, if it is set.
fn asked() -> Result<Option<Level>, Fault> {
    match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(name) => named(&name.to_string_lossy(), detect()).map(Some),
        None => Ok(None),
    }
}

/// The level of a name, on a CPU that has no more than `most`.
fn named(name: &str, most: Level) -> Result<Level, Fault> {
    let names = |levels: &[Level]| {
        let names: Vec<String> = levels.iter().map(|level| format!("`{}`", level.name())).collect();
        names.join(", ")
    };
    let has: Vec<Level> = Level::ALL.into_iter().filter(|level| *level <= most).collect();
    let refused = |message: String| Fault::new(codes::DEVICE, message);
    match Level::ALL.into_iter().find(|level| level.name() == name) {
        Some(level) if level <= most => Ok(level),
        Some(level) => Err(refused(format!(
            "this CPU does not have the instructions that `{VARIABLE}={}` asks for",
            level.name()
        ))
        .advise(format!("one that it has: {}; or leave the variable unset", names(&has)))),
        None => Err(refused(format!("`{VARIABLE}={name}` is not a kind of CPU kernels"))
            .advise(format!("one of {}; or leave the variable unset", names(&Level::ALL)))),
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The level that kernels run at, settled at the first call unless [`limit_level`] was called before: what
/// [`VARIABLE`] names, if that is a level that this CPU has ([`chosen`] refuses any other), else the most capable one.
#[inline]
pub fn level() -> Level {
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => {
            let level = asked().ok().flatten().unwrap_or_else(detect);
            LEVEL.store(level as u8, Ordering::Relaxed);
            level
        }
    }
}

/// The most capable level of at most [`level`] whose vectors are filled by rows of `width` values; where none is, the
/// one with the shortest vectors.
pub fn level_of_rows(width: usize) -> Level {
    if width < Level::Avx512.lanes() { level().min(Level::Avx2) } else { level() }
}

/// The most capable level of at most [`level`] at which `n` values in vectors leave the fewest lanes empty.
pub fn level_of_lanes(n: usize) -> Level {
    let narrow = level().min(Level::Avx2);
    if n.next_multiple_of(narrow.lanes()) < n.next_multiple_of(level().lanes()) { narrow } else { level() }
}

/// Uses no more than `at_most` from now on (for tests and measurements). Plans made before stay bound to
/// the number of lanes they were made for, so make them afterwards.
pub fn limit_level(at_most: Level) {
    LEVEL.store(detect().min(at_most) as u8, Ordering::Relaxed);
}

fn detect() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let wide = is_x86_feature_detected!("avx512f");
            return if wide { Level::Avx512 } else { Level::Avx2 };
        }
    }
    Level::Portable
}

/// Defines a function that runs `$body::<S>` for the instruction set of [`level`], or of the level that `at(…)` gives:
/// one that this module's functions gave. The body and all that it calls must be `#[inline(always)]`, else
/// intrinsics are not inlined into the feature's function.
macro_rules! dispatch {
    ($(#[$doc:meta])* $vis:vis unsafe fn $($rest:tt)*) => {
        $crate::kernels::cpu::simd::dispatch!(
            at($crate::kernels::cpu::simd::level()) $(#[$doc])* $vis unsafe fn $($rest)*
        );
    };
    (at($level:expr) $(#[$doc:meta])* $vis:vis unsafe fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $vis unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,avx512f")]
                unsafe fn avx512($($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: the features are enabled here; the rest is the caller's contract.
                    unsafe { $body::<$crate::kernels::cpu::simd::Avx512>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2($($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: the features are enabled here; the rest is the caller's contract.
                    unsafe { $body::<$crate::kernels::cpu::simd::Avx2>($($arg),*) }
                }
                match $level {
                    // SAFETY: the level is only ever set to what was detected.
                    $crate::kernels::cpu::simd::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::kernels::cpu::simd::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::kernels::cpu::simd::Level::Portable => {}
                }
            }
            // SAFETY: the portable level needs no feature; the rest is the caller's contract.
            unsafe { $body::<$crate::kernels::cpu::simd::Portable>($($arg),*) }
        }
    };
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use super::{Level, named};

    #[test]
    fn a_level_is_named_or_refused() {
        for most in Level::ALL {
            for level in Level::ALL {
                let found = named(level.name(), most);
                match level <= most {
                    true => assert_eq!(found, Ok(level)),
                    false => assert!(found.unwrap_err().message.contains("does not have the instructions")),
                }
            }
        }
        for name in ["AVX2", "sse2", "auto", " "] {
            assert!(
                named(name, Level::Avx512).unwrap_err().message.contains("is not a kind of CPU kernels"),
                "{name}"
            );
        }
    }
}
