//! Eight lanes with AVX2 and FMA.

use super::Simd;
use std::arch::x86_64::*;

/// Eight lanes of ones and eight of zeros: the mask of `n` lanes begins at `8 - n`.
static PART: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// 256-bit registers.
#[derive(Clone, Copy)]
pub struct Avx2;

// SAFETY (all blocks below): the trait's contract, AVX2 and FMA are present and pointers are valid.
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> __m256 {
        // SAFETY: the mask's window stays inside the table for `n <= 8`; masked lanes are not read.
        unsafe {
            let mask = _mm256_loadu_si256(PART.as_ptr().add(8 - n.min(8)).cast());
            _mm256_maskload_ps(from, mask)
        }
    }
    /// By its bits, as masked stores are slow on some CPUs.
    #[inline(always)]
    unsafe fn store_part(mut to: *mut f32, v: __m256, n: usize) {
        unsafe {
            let mut rest = _mm256_castps256_ps128(v);
            if n & 4 != 0 {
                _mm_storeu_ps(to, rest);
                rest = _mm256_extractf128_ps::<1>(v);
                to = to.add(4);
            }
            if n & 2 != 0 {
                _mm_storel_epi64(to.cast(), _mm_castps_si128(rest));
                rest = _mm_movehl_ps(rest, rest);
                to = to.add(2);
            }
            if n & 1 != 0 {
                _mm_store_ss(to, rest);
            }
        }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m256) -> __m256 {
        unsafe { _mm256_sqrt_ps(a) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max_or_nan(a: __m256, b: __m256) -> __m256 {
        // The two orders agree, but for a NaN, which one of them gives; its bits outdo those of any number.
        unsafe { _mm256_or_ps(_mm256_max_ps(a, b), _mm256_max_ps(b, a)) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn where_positive(test: __m256, value: __m256) -> __m256 {
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(test, _mm256_setzero_ps()), value) }
    }
    #[inline(always)]
    unsafe fn select_greater(a: __m256, b: __m256, x: __m256, y: __m256) -> __m256 {
        unsafe { _mm256_blendv_ps(y, x, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) }
    }
    #[inline(always)]
    unsafe fn where_equal(a: __m256, b: __m256, x: __m256) -> __m256 {
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b), x) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, v: __m256) {
        unsafe {
            let whole = _mm256_cvtps_epi32(v);
            let words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        }
    }
    #[inline(always)]
    unsafe fn round(a: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    unsafe fn exp2_whole(n: __m256) -> __m256 {
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    unsafe fn exponent(x: __m256) -> __m256 {
        unsafe {
            let biased = _mm256_srli_epi32::<23>(_mm256_castps_si256(x));
            _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)))
        }
    }
    #[inline(always)]
    unsafe fn mantissa(x: __m256) -> __m256 {
        unsafe {
            let bits = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x007f_ffff));
            _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x3f80_0000)))
        }
    }
    #[inline(always)]
    unsafe fn sum(a: __m256) -> f32 {
        unsafe {
            let half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps::<1>(pair, pair)))
        }
    }
    #[inline(always)]
    unsafe fn permute(v: __m256, lanes: *const u32) -> __m256 {
        unsafe { _mm256_permutevar8x32_ps(v, _mm256_loadu_si256(lanes.cast())) }
    }
    #[inline(always)]
    unsafe fn expand(v: __m256, lanes: *const u32) -> __m256 {
        unsafe {
            let lanes = _mm256_loadu_si256(lanes.cast());
            let zero = _mm256_castsi256_ps(_mm256_srai_epi32::<31>(lanes));
            _mm256_andnot_ps(zero, _mm256_permutevar8x32_ps(v, lanes))
        }
    }
    #[inline(always)]
    unsafe fn deinterleave(a: __m256, b: __m256) -> (__m256, __m256) {
        unsafe {
            let (low, high) = (_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
            (_mm256_shuffle_ps::<0x88>(low, high), _mm256_shuffle_ps::<0xdd>(low, high))
        }
    }
    #[inline(always)]
    unsafe fn interleave(even: __m256, odd: __m256) -> (__m256, __m256) {
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(even, odd), _mm256_unpackhi_ps(even, odd));
            (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
        }
    }
    #[inline(always)]
    unsafe fn transpose8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe { transpose8(from, from_stride, to, to_stride) }
    }
}

/// Halves are joined while loading, so that only in-lane shuffles are left: 8 inserts, 16 shuffles.
#[inline(always)]
pub(super) unsafe fn transpose8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    // SAFETY: the caller's rows are valid for 8 values each.
    unsafe {
        transpose8x4(from, from_stride, to, to_stride);
        transpose8x4(from.add(4), from_stride, to.add(4 * to_stride), to_stride);
    }
}

/// Four columns of eight rows into four rows of eight.
#[inline(always)]
unsafe fn transpose8x4(from: *const f32, fs: usize, to: *mut f32, ts: usize) {
    // SAFETY: the caller's rows are valid for 4 values each.
    unsafe {
        let (a, b) = (rows(from, fs, 0), rows(from, fs, 1));
        let (c, d) = (rows(from, fs, 2), rows(from, fs, 3));
        let (ab0, ab1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (cd0, cd1) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        _mm256_storeu_ps(to, _mm256_shuffle_ps::<0x44>(ab0, cd0));
        _mm256_storeu_ps(to.add(ts), _mm256_shuffle_ps::<0xee>(ab0, cd0));
        _mm256_storeu_ps(to.add(2 * ts), _mm256_shuffle_ps::<0x44>(ab1, cd1));
        _mm256_storeu_ps(to.add(3 * ts), _mm256_shuffle_ps::<0xee>(ab1, cd1));
    }
}

/// Four values of row `row` in the low half, of row `row + 4` in the high half.
#[inline(always)]
unsafe fn rows(from: *const f32, stride: usize, row: usize) -> __m256 {
    // SAFETY: the caller's rows are valid for 4 values each.
    unsafe {
        let low = _mm256_castps128_ps256(_mm_loadu_ps(from.add(row * stride)));
        _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add((row + 4) * stride)))
    }
}
