//! The machine's multiply-add rate, to hold measurements against.
#![allow(unsafe_code)]

use super::{Simd, dispatch};

/// Floating-point operations a second of one core, from the time of `steps` times 12 independent chains.
pub fn peak_flops(steps: usize, time: impl Fn(&mut dyn FnMut()) -> f64) -> f64 {
    let mut out = 0.0;
    // SAFETY: the body touches registers only.
    let seconds = time(&mut || out += unsafe { chains(steps) });
    std::hint::black_box(out);
    (steps * 12 * 2 * super::level().lanes()) as f64 / seconds
}

dispatch!(unsafe fn chains(steps: usize) -> f32 = chains_body);

#[inline(always)]
unsafe fn chains_body<S: Simd>(steps: usize) -> f32 {
    // SAFETY: registers only; `dispatch!` chose an `S` that is available.
    unsafe {
        let (a, b) = (S::splat(std::hint::black_box(0.999)), S::splat(std::hint::black_box(1e-3)));
        let mut sums = [S::splat(1.0); 12];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = S::fma(*sum, a, b);
            }
        }
        let mut total = S::zero();
        for sum in sums {
            total = S::add(total, sum);
        }
        S::sum(total)
    }
}
