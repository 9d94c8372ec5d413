//! The one-dimensional transforms of Winograd's minimal filtering, and their adjoints for the gradients.
//!
//! Matrices from Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015): an output tile
//! is `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`. The gradients are its exact adjoints: with `dM = A dY Aᵀ`,
//! `dX = B (U dM) Bᵀ` added where tiles overlap, and `dW = Gᵀ (V dM) G`.

use crate::kernels::cpu::simd::Simd;

/// `F(M, 3)`: `M` outputs of a filter of three taps from `A = M + 2` inputs, with `A` multiplications.
///
/// # Safety
/// All methods: the instruction set of `S` is available.
pub(super) trait Transform<S: Simd, const M: usize, const A: usize> {
    /// `Bᵀ d`, of the input.
    unsafe fn input(d: [S::V; A]) -> [S::V; A];
    /// `B t`, its adjoint.
    unsafe fn input_adjoint(t: [S::V; A]) -> [S::V; A];
    /// `Aᵀ m`, to the output.
    unsafe fn output(m: [S::V; A]) -> [S::V; M];
    /// `A y`, its adjoint.
    unsafe fn output_adjoint(y: [S::V; M]) -> [S::V; A];
    /// `G g`, of the filter.
    unsafe fn filter(g: [S::V; 3]) -> [S::V; A];
    /// `Gᵀ u`, its adjoint.
    unsafe fn filter_adjoint(u: [S::V; A]) -> [S::V; 3];
}

/// Points 0, ±1, ∞.
pub(super) struct F2;
/// Points 0, ±1, ±2, ∞.
pub(super) struct F4;

/// `factor * a + b`
#[inline(always)]
unsafe fn axpy<S: Simd>(factor: f32, a: S::V, b: S::V) -> S::V {
    // SAFETY: the caller's contract.
    unsafe { S::fma(S::splat(factor), a, b) }
}

/// `factor * a`
#[inline(always)]
unsafe fn scale<S: Simd>(factor: f32, a: S::V) -> S::V {
    // SAFETY: the caller's contract.
    unsafe { S::mul(S::splat(factor), a) }
}

// SAFETY (all blocks below): arithmetic on registers of an available instruction set.
impl<S: Simd> Transform<S, 2, 4> for F2 {
    #[inline(always)]
    unsafe fn input(d: [S::V; 4]) -> [S::V; 4] {
        unsafe { [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[1], d[3])] }
    }
    #[inline(always)]
    unsafe fn input_adjoint(t: [S::V; 4]) -> [S::V; 4] {
        unsafe {
            let d1 = S::add(S::sub(t[1], t[2]), t[3]);
            let d2 = S::sub(S::add(t[1], t[2]), t[0]);
            [t[0], d1, d2, S::sub(S::zero(), t[3])]
        }
    }
    #[inline(always)]
    unsafe fn output(m: [S::V; 4]) -> [S::V; 2] {
        unsafe { [S::add(m[0], S::add(m[1], m[2])), S::sub(S::sub(m[1], m[2]), m[3])] }
    }
    #[inline(always)]
    unsafe fn output_adjoint(y: [S::V; 2]) -> [S::V; 4] {
        unsafe { [y[0], S::add(y[0], y[1]), S::sub(y[0], y[1]), S::sub(S::zero(), y[1])] }
    }
    #[inline(always)]
    unsafe fn filter(g: [S::V; 3]) -> [S::V; 4] {
        unsafe {
            let outer = scale::<S>(0.5, S::add(g[0], g[2]));
            [g[0], axpy::<S>(0.5, g[1], outer), axpy::<S>(-0.5, g[1], outer), g[2]]
        }
    }
    #[inline(always)]
    unsafe fn filter_adjoint(u: [S::V; 4]) -> [S::V; 3] {
        unsafe {
            let sum = S::add(u[1], u[2]);
            [axpy::<S>(0.5, sum, u[0]), scale::<S>(0.5, S::sub(u[1], u[2])), axpy::<S>(0.5, sum, u[3])]
        }
    }
}

// SAFETY (all blocks below): arithmetic on registers of an available instruction set.
impl<S: Simd> Transform<S, 4, 6> for F4 {
    #[inline(always)]
    unsafe fn input(d: [S::V; 6]) -> [S::V; 6] {
        unsafe {
            let even = axpy::<S>(-4.0, d[2], d[4]);
            let odd = axpy::<S>(-4.0, d[1], d[3]);
            let near = S::sub(d[4], d[2]);
            let twice = scale::<S>(2.0, S::sub(d[3], d[1]));
            [
                axpy::<S>(4.0, d[0], axpy::<S>(-5.0, d[2], d[4])),
                S::add(even, odd),
                S::sub(even, odd),
                S::add(near, twice),
                S::sub(near, twice),
                axpy::<S>(4.0, d[1], axpy::<S>(-5.0, d[3], d[5])),
            ]
        }
    }
    #[inline(always)]
    unsafe fn input_adjoint(t: [S::V; 6]) -> [S::V; 6] {
        unsafe {
            let (sum1, dif1) = (S::add(t[1], t[2]), S::sub(t[1], t[2]));
            let (sum2, dif2) = (S::add(t[3], t[4]), S::sub(t[3], t[4]));
            let d1 = axpy::<S>(4.0, S::sub(t[5], dif1), scale::<S>(-2.0, dif2));
            let d2 = axpy::<S>(-5.0, t[0], axpy::<S>(-4.0, sum1, S::sub(S::zero(), sum2)));
            let d3 = axpy::<S>(-5.0, t[5], axpy::<S>(2.0, dif2, dif1));
            [scale::<S>(4.0, t[0]), d1, d2, d3, S::add(t[0], S::add(sum1, sum2)), t[5]]
        }
    }
    #[inline(always)]
    unsafe fn output(m: [S::V; 6]) -> [S::V; 4] {
        unsafe {
            let (sum1, dif1) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            let (sum2, dif2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            [
                S::add(m[0], S::add(sum1, sum2)),
                axpy::<S>(2.0, dif2, dif1),
                axpy::<S>(4.0, sum2, sum1),
                S::add(m[5], axpy::<S>(8.0, dif2, dif1)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn output_adjoint(y: [S::V; 4]) -> [S::V; 6] {
        unsafe {
            let (even1, odd1) = (S::add(y[0], y[2]), S::add(y[1], y[3]));
            let even2 = axpy::<S>(4.0, y[2], y[0]);
            let odd2 = scale::<S>(2.0, axpy::<S>(4.0, y[3], y[1]));
            let (m1, m2) = (S::add(even1, odd1), S::sub(even1, odd1));
            [y[0], m1, m2, S::add(even2, odd2), S::sub(even2, odd2), y[3]]
        }
    }
    #[inline(always)]
    unsafe fn filter(g: [S::V; 3]) -> [S::V; 6] {
        unsafe {
            let outer = scale::<S>(-1.0 / 6.0, S::add(g[0], g[2]));
            let far = axpy::<S>(1.0 / 24.0, g[0], scale::<S>(1.0 / 6.0, g[2]));
            [
                scale::<S>(0.25, g[0]),
                axpy::<S>(-1.0 / 6.0, g[1], outer),
                axpy::<S>(1.0 / 6.0, g[1], outer),
                axpy::<S>(1.0 / 12.0, g[1], far),
                axpy::<S>(-1.0 / 12.0, g[1], far),
                g[2],
            ]
        }
    }
    #[inline(always)]
    unsafe fn filter_adjoint(u: [S::V; 6]) -> [S::V; 3] {
        unsafe {
            let near = scale::<S>(-1.0 / 6.0, S::add(u[1], u[2]));
            let far = S::add(u[3], u[4]);
            let middle = scale::<S>(1.0 / 6.0, S::sub(u[2], u[1]));
            [
                axpy::<S>(0.25, u[0], axpy::<S>(1.0 / 24.0, far, near)),
                axpy::<S>(1.0 / 12.0, S::sub(u[3], u[4]), middle),
                axpy::<S>(1.0 / 6.0, far, S::add(u[5], near)),
            ]
        }
    }
}
