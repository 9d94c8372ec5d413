//! The activation functions on vectors. A function that has no vector form here is computed lane by lane.
//!
//! The functions made of `exp` stay within a few units in the last place; results too small for a normal number
//! become 0, and NaN stays NaN.
#![allow(unsafe_code)]

use std::f32::consts::FRAC_1_SQRT_2;

use crate::kernels::cpu::simd::Simd;
use crate::kernels::cpu::simd::exp::{exp, exp_m1};
use crate::kernels::cpu::simd::log::log;
use crate::kernels::cpu::simd::power;
use crate::ops::activation::Function;
use crate::ops::activation::at_least::AtLeast;
use crate::ops::activation::at_most::AtMost;
use crate::ops::activation::elu::Elu;
use crate::ops::activation::exp::Exp;
use crate::ops::activation::gelu::Gelu;
use crate::ops::activation::hardsigmoid::Hardsigmoid;
use crate::ops::activation::hardswish::Hardswish;
use crate::ops::activation::leaky_relu::LeakyRelu;
use crate::ops::activation::log::Log;
use crate::ops::activation::mish::Mish;
use crate::ops::activation::power::Power;
use crate::ops::activation::relu::Relu;
use crate::ops::activation::relu6::Relu6;
use crate::ops::activation::selu::{ALPHA, SCALE, Selu};
use crate::ops::activation::sigmoid::Sigmoid;
use crate::ops::activation::silu::Silu;
use crate::ops::activation::softplus::Softplus;
use crate::ops::activation::sqrt::Sqrt;
use crate::ops::activation::square::Square;
use crate::ops::activation::tanh::Tanh;

/// A function of one number on all lanes of a vector.
///
/// # Safety
/// `S` must be available, for every method.
#[allow(clippy::missing_safety_doc)]
pub(crate) trait Lanes: Function {
    /// [`Function::value`] of every lane.
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        // SAFETY: the caller's contract.
        unsafe { each_lane::<S>(x, |x| self.value(x, alpha)) }
    }

    /// [`Function::derivative`] of every lane.
    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, at: S::V, alpha: f32) -> S::V {
        // SAFETY: the caller's contract.
        unsafe { each_lane::<S>(at, |at| self.derivative(at, alpha)) }
    }

    /// The gradient times the derivative.
    #[inline(always)]
    unsafe fn pull_back<S: Simd>(&self, at: S::V, grad: S::V, alpha: f32) -> S::V {
        // SAFETY: the caller's contract.
        unsafe { S::mul(grad, self.slopes::<S>(at, alpha)) }
    }
}

/// # Safety
/// `S` is available.
#[inline(always)]
unsafe fn each_lane<S: Simd>(x: S::V, f: impl Fn(f32) -> f32) -> S::V {
    let mut lanes = [0.0f32; 16];
    // SAFETY: no vector has more than 16 lanes.
    unsafe { S::store(lanes.as_mut_ptr(), x) };
    lanes[..S::LANES].iter_mut().for_each(|lane| *lane = f(*lane));
    // SAFETY: as above.
    unsafe { S::load(lanes.as_ptr()) }
}

/// `1 / (1 + e^-x)`
#[inline(always)]
unsafe fn logistic<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller's contract.
    unsafe {
        let one = S::splat(1.0);
        S::div(one, S::add(one, exp::<S>(S::sub(S::zero(), x))))
    }
}

/// The distribution function of the normal distribution, by a fit of `erfc` with a relative error of 1.2e-7
/// (Numerical Recipes, third edition, section 6.2.2).
#[inline(always)]
unsafe fn normal_distribution<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller's contract.
    unsafe {
        let (one, two) = (S::splat(1.0), S::splat(2.0));
        let z = S::mul(S::max(S::sub(S::zero(), x), x), S::splat(FRAC_1_SQRT_2));
        let t = S::div(two, S::add(two, z));
        let mut fit = S::splat(0.170_872_77);
        for coefficient in [
            -0.822_152_2,
            1.488_515_9,
            -1.135_204,
            0.278_868_08,
            -0.186_288_06,
            0.096_784_18,
            0.374_091_96,
            1.000_023_7,
            -1.265_512_2,
        ] {
            fit = S::fma(fit, t, S::splat(coefficient));
        }
        let half_erfc = S::mul(S::mul(S::splat(0.5), t), exp::<S>(S::sub(fit, S::mul(z, z))));
        S::select_greater(x, S::zero(), S::sub(one, half_erfc), half_erfc)
    }
}

impl Lanes for Relu {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        // SAFETY: the trait's contract, here and below.
        unsafe { S::max(S::zero(), x) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, y: S::V, _alpha: f32) -> S::V {
        unsafe { S::where_positive(y, S::splat(1.0)) }
    }

    #[inline(always)]
    unsafe fn pull_back<S: Simd>(&self, y: S::V, grad: S::V, _alpha: f32) -> S::V {
        unsafe { S::where_positive(y, grad) }
    }
}

impl Lanes for LeakyRelu {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe { S::select_greater(x, S::zero(), x, S::mul(S::splat(alpha), x)) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe { S::select_greater(x, S::zero(), S::splat(1.0), S::splat(alpha)) }
    }
}

impl Lanes for Relu6 {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { S::max(S::zero(), S::min(S::splat(6.0), x)) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, y: S::V, _alpha: f32) -> S::V {
        unsafe { S::where_positive(y, S::where_positive(S::sub(S::splat(6.0), y), S::splat(1.0))) }
    }
}

impl Lanes for Hardswish {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let gate = S::max(S::zero(), S::min(S::splat(6.0), S::add(x, S::splat(3.0))));
            S::mul(S::mul(x, gate), S::splat(1.0 / 6.0))
        }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let inside = S::fma(x, S::splat(1.0 / 3.0), S::splat(0.5));
            let below = S::select_greater(S::splat(3.0), x, inside, S::splat(1.0));
            S::where_positive(S::add(x, S::splat(3.0)), below)
        }
    }
}

impl Lanes for Hardsigmoid {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let line = S::fma(x, S::splat(1.0 / 6.0), S::splat(0.5));
            S::max(S::zero(), S::min(S::splat(1.0), line))
        }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, y: S::V, _alpha: f32) -> S::V {
        unsafe { S::where_positive(y, S::where_positive(S::sub(S::splat(1.0), y), S::splat(1.0 / 6.0))) }
    }
}

impl Lanes for Elu {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe { S::select_greater(x, S::zero(), x, S::mul(S::splat(alpha), exp_m1::<S>(x))) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe { S::select_greater(x, S::zero(), S::splat(1.0), S::mul(S::splat(alpha), exp::<S>(x))) }
    }
}

impl Lanes for Selu {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let below = S::mul(S::splat(SCALE * ALPHA), exp_m1::<S>(x));
            S::select_greater(x, S::zero(), S::mul(S::splat(SCALE), x), below)
        }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let below = S::mul(S::splat(SCALE * ALPHA), exp::<S>(x));
            S::select_greater(x, S::zero(), S::splat(SCALE), below)
        }
    }
}

impl Lanes for Tanh {
    /// `t / (t + 2)` with `t = e^2x - 1`.
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let t = exp_m1::<S>(S::add(x, x));
            S::div(t, S::add(t, S::splat(2.0)))
        }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, y: S::V, _alpha: f32) -> S::V {
        unsafe { S::sub(S::splat(1.0), S::mul(y, y)) }
    }
}

impl Lanes for Sigmoid {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { logistic::<S>(x) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, y: S::V, _alpha: f32) -> S::V {
        unsafe { S::mul(y, S::sub(S::splat(1.0), y)) }
    }
}

impl Lanes for Silu {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { S::mul(x, logistic::<S>(x)) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            // Further below the slope is as good as 0, but its factors are not.
            let (one, x) = (S::splat(1.0), S::max(S::splat(-80.0), x));
            let e = exp::<S>(S::sub(S::zero(), x));
            let s = S::div(one, S::add(one, e));
            // `e s` is `1 - s` without cancellation.
            S::mul(s, S::fma(x, S::mul(e, s), one))
        }
    }
}

impl Lanes for Gelu {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { S::mul(x, normal_distribution::<S>(x)) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let density = exp::<S>(S::mul(S::splat(-0.5), S::mul(x, x)));
            let density = S::mul(density, S::splat(0.398_942_3));
            S::fma(x, density, normal_distribution::<S>(x))
        }
    }
}

impl Lanes for Softplus {
    /// `max(x, 0) + ln(1 + t)` with `t = e^-|x|`, and `ln(1 + t) = 2 artanh(t / (2 + t))` by its series.
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let t = exp::<S>(S::min(S::sub(S::zero(), x), x));
            let s = S::div(t, S::add(S::splat(2.0), t));
            let square = S::mul(s, s);
            let mut p = S::splat(1.0 / 15.0);
            for coefficient in [1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0, 1.0] {
                p = S::fma(p, square, S::splat(coefficient));
            }
            S::fma(S::add(s, s), p, S::max(S::zero(), x))
        }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { logistic::<S>(x) }
    }
}

/// Above it `tanh(ln(1 + e^x))` is 1.
const MISH_ONE: f32 = 20.0;

impl Lanes for Mish {
    /// `tanh(ln(1 + e)) = n / (n + 2)` with `n = e (e + 2)`.
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let two = S::splat(2.0);
            let e = exp::<S>(S::min(S::splat(MISH_ONE), x));
            let n = S::mul(e, S::add(e, two));
            S::mul(x, S::div(n, S::add(n, two)))
        }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe {
            let (one, two) = (S::splat(1.0), S::splat(2.0));
            let x = S::min(S::splat(MISH_ONE), x);
            let e = exp::<S>(x);
            let n = S::mul(e, S::add(e, two));
            let below = S::add(n, two);
            // 1 - tanh², without cancellation.
            let rest = S::mul(S::splat(4.0), S::div(S::div(S::add(n, one), below), below));
            let slope = S::mul(rest, S::div(e, S::add(one, e)));
            S::fma(x, slope, S::div(n, below))
        }
    }
}

impl Lanes for Sqrt {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { S::sqrt(x) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, y: S::V, _alpha: f32) -> S::V {
        unsafe { S::div(S::splat(0.5), y) }
    }
}

impl Lanes for Square {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { S::mul(x, x) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { S::add(x, x) }
    }
}

impl Lanes for Exp {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { exp::<S>(x) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, y: S::V, _alpha: f32) -> S::V {
        y
    }
}

impl Lanes for AtLeast {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe { S::max(S::splat(alpha), x) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe { S::select_greater(S::splat(alpha), x, S::zero(), S::splat(1.0)) }
    }
}

impl Lanes for AtMost {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe { S::min(S::splat(alpha), x) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe { S::select_greater(x, S::splat(alpha), S::zero(), S::splat(1.0)) }
    }
}

impl Lanes for Log {
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { log::<S>(x) }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, _alpha: f32) -> S::V {
        unsafe { S::div(S::splat(1.0), x) }
    }
}

impl Lanes for Power {
    /// By vectors where every lane is a usual number.
    #[inline(always)]
    unsafe fn values<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe {
            match power::is_usual::<S>(x, alpha) {
                true => power::power::<S>(x, alpha),
                false => each_lane::<S>(x, |x| self.value(x, alpha)),
            }
        }
    }

    #[inline(always)]
    unsafe fn slopes<S: Simd>(&self, x: S::V, alpha: f32) -> S::V {
        unsafe { S::mul(S::splat(alpha), self.values::<S>(x, alpha - 1.0)) }
    }
}

#[cfg(test)]
mod tests;
