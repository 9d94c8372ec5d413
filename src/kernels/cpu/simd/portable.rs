//! Eight lanes in plain Rust, for the compiler to spread over whatever registers the target has (two of
//! NEON's or SSE2's).

use super::{Simd, ZERO_LANE};

/// An array of eight values.
#[derive(Clone, Copy)]
pub struct Portable;

/// `f(lane)` for every lane.
macro_rules! lanes {
    (|$i:ident| $value:expr) => {{
        let mut out = [0.0f32; 8];
        for $i in 0..8 {
            out[$i] = $value;
        }
        out
    }};
}

impl Simd for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    const FUSED: bool = cfg!(target_arch = "aarch64");

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 8] {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 8] {
        // SAFETY: the caller's pointer is valid for 8 values; the read asks for no alignment.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: [f32; 8]) {
        // SAFETY: as for `load`.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> [f32; 8] {
        // SAFETY: the caller's pointer is valid for `n` values.
        lanes!(|i| if i < n { unsafe { *from.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, v: [f32; 8], n: usize) {
        for (i, value) in v.iter().enumerate().take(n) {
            // SAFETY: the caller's pointer is valid for `n` values.
            unsafe { *to.add(i) = *value };
        }
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn sqrt(a: [f32; 8]) -> [f32; 8] {
        lanes!(|i| a[i].sqrt())
    }
    #[inline(always)]
    unsafe fn min(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn max_or_nan(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(|i| if a[i] > b[i] || a[i].is_nan() { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        if Self::FUSED { lanes!(|i| a[i].mul_add(b[i], c[i])) } else { lanes!(|i| a[i] * b[i] + c[i]) }
    }
    #[inline(always)]
    unsafe fn where_positive(test: [f32; 8], value: [f32; 8]) -> [f32; 8] {
        lanes!(|i| if test[i] > 0.0 { value[i] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn select_greater(a: [f32; 8], b: [f32; 8], x: [f32; 8], y: [f32; 8]) -> [f32; 8] {
        lanes!(|i| if a[i] > b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    unsafe fn where_equal(a: [f32; 8], b: [f32; 8], x: [f32; 8]) -> [f32; 8] {
        lanes!(|i| if a[i] == b[i] { x[i] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> [f32; 8] {
        // SAFETY: the caller's pointer is valid for 8 bytes.
        lanes!(|i| f32::from(unsafe { *from.add(i) }))
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, v: [f32; 8]) {
        for (i, value) in v.iter().enumerate() {
            // SAFETY: the caller's pointer is valid for 8 bytes.
            unsafe { *to.add(i) = *value as u8 };
        }
    }
    #[inline(always)]
    unsafe fn round(a: [f32; 8]) -> [f32; 8] {
        lanes!(|i| a[i].round_ties_even())
    }
    #[inline(always)]
    unsafe fn exp2_whole(n: [f32; 8]) -> [f32; 8] {
        lanes!(|i| f32::from_bits(((n[i] as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn exponent(x: [f32; 8]) -> [f32; 8] {
        lanes!(|i| (x[i].to_bits() >> 23) as f32 - 127.0)
    }
    #[inline(always)]
    unsafe fn mantissa(x: [f32; 8]) -> [f32; 8] {
        lanes!(|i| f32::from_bits(x[i].to_bits() & 0x007f_ffff | 0x3f80_0000))
    }
    #[inline(always)]
    unsafe fn sum(a: [f32; 8]) -> f32 {
        let half = [a[0] + a[4], a[1] + a[5], a[2] + a[6], a[3] + a[7]];
        (half[0] + half[2]) + (half[1] + half[3])
    }
    #[inline(always)]
    unsafe fn permute(v: [f32; 8], lanes: *const u32) -> [f32; 8] {
        // SAFETY: the caller's lane numbers are valid for 8 reads; the mask keeps the index in range.
        lanes!(|i| v[unsafe { *lanes.add(i) } as usize & 7])
    }
    #[inline(always)]
    unsafe fn expand(v: [f32; 8], lanes: *const u32) -> [f32; 8] {
        lanes!(|i| {
            // SAFETY: as for `permute`.
            let lane = unsafe { *lanes.add(i) };
            if lane & ZERO_LANE == 0 { v[lane as usize & 7] } else { 0.0 }
        })
    }
    #[inline(always)]
    unsafe fn deinterleave(a: [f32; 8], b: [f32; 8]) -> ([f32; 8], [f32; 8]) {
        ([a[0], a[2], a[4], a[6], b[0], b[2], b[4], b[6]], [a[1], a[3], a[5], a[7], b[1], b[3], b[5], b[7]])
    }
    #[inline(always)]
    unsafe fn interleave(e: [f32; 8], o: [f32; 8]) -> ([f32; 8], [f32; 8]) {
        ([e[0], o[0], e[1], o[1], e[2], o[2], e[3], o[3]], [e[4], o[4], e[5], o[5], e[6], o[6], e[7], o[7]])
    }
    #[inline(always)]
    unsafe fn transpose8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..8 {
            for column in 0..8 {
                // SAFETY: the caller's rows are valid for 8 values each.
                unsafe { *to.add(column * to_stride + row) = *from.add(row * from_stride + column) };
            }
        }
    }
}
