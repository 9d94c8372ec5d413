//! One element-wise op over a piece of memory: the loops that plain kernels and fused programs are made of.
#![allow(unsafe_code)]

use crate::graph::op::Op;
use crate::kernels::cpu::functions::Lanes;
use crate::kernels::cpu::simd::sweep::{load, store, sweep};
use crate::kernels::cpu::simd::{Simd, dispatch};
use crate::ops::activation::Function;
use crate::ops::binary::Arithmetic;
use crate::ops::{activation, binary};

/// What is done to each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Of two numbers.
    Arithmetic(Arithmetic),
    /// A function of one number.
    Value(Activation),
    /// Of a function's argument (or result) and a gradient.
    PullBack(Activation),
}

/// Numbers to read: one an element, or the same one for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub from: *const f32,
    /// 1, or 0 for one number.
    pub step: usize,
}

impl Side {
    /// All of a slice, or its only number for all elements.
    fn new(numbers: &[f32], len: usize) -> Side {
        assert!(numbers.len() == len || numbers.len() == 1);
        Side { from: numbers.as_ptr(), step: usize::from(numbers.len() == len) }
    }
}

macro_rules! activations {
    ($($name:ident = $function:expr),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Activation { $($name),* }

        const ACTIVATIONS: &[(Activation, &dyn Function)] = &[$((Activation::$name, &$function)),*];

        dispatch!(
            /// `out[i] = code(a[i], b[i])` for `len` elements; a function of one number reads `a` alone.
            ///
            /// # Safety
            /// `a`, `b` and `out` are valid for `len` numbers (`a` and `b` for one where their step is 0), and
            /// `out` begins where `a` or `b` begins or does not overlap them.
            pub(crate) unsafe fn sweep_raw(
                code: Code,
                alpha: f32,
                a: Side,
                b: Side,
                out: *mut f32,
                len: usize,
            ) = body
        );

        #[inline(always)]
        unsafe fn body<S: Simd>(code: Code, alpha: f32, a: Side, b: Side, out: *mut f32, len: usize) {
            // One number is read from a vector of it, over and over.
            // SAFETY: the caller's contract, here and below.
            let spread = |side: Side| [if side.step == 0 { unsafe { *side.from } } else { 0.0 }; 16];
            let (spread_a, spread_b) = (spread(a), spread(b));
            let begin = |side: Side, spread: &[f32; 16]| if side.step == 0 { spread.as_ptr() } else { side.from };
            let (from_a, from_b) = (begin(a, &spread_a), begin(b, &spread_b));
            // All bits where the place moves on, none where it stays.
            let (moving_a, moving_b) = (a.step.wrapping_neg(), b.step.wrapping_neg());
            macro_rules! one {
                (|$x:ident| $value:expr) => {
                    unsafe {
                        sweep!(S, len, |at, n| {
                            let $x = load::<S>(from_a.add(at & moving_a), n);
                            store::<S>(out.add(at), $value, n);
                        });
                    }
                };
            }
            macro_rules! two {
                (|$x:ident, $y:ident| $value:expr) => {
                    unsafe {
                        sweep!(S, len, |at, n| {
                            let $x = load::<S>(from_a.add(at & moving_a), n);
                            let $y = load::<S>(from_b.add(at & moving_b), n);
                            store::<S>(out.add(at), $value, n);
                        });
                    }
                };
            }
            match code {
                Code::Arithmetic(Arithmetic::Add) => two!(|x, y| S::add(x, y)),
                Code::Arithmetic(Arithmetic::Subtract) => two!(|x, y| S::sub(x, y)),
                Code::Arithmetic(Arithmetic::Multiply) => two!(|x, y| S::mul(x, y)),
                Code::Arithmetic(Arithmetic::Divide) => two!(|x, y| S::div(x, y)),
                Code::Value(function) => match function {
                    $(Activation::$name => one!(|x| $function.values::<S>(x, alpha)),)*
                },
                Code::PullBack(function) => match function {
                    $(Activation::$name => two!(|at, grad| $function.pull_back::<S>(at, grad, alpha)),)*
                },
            }
        }
    };
}

activations!(
    Relu = activation::relu::Relu,
    LeakyRelu = activation::leaky_relu::LeakyRelu,
    Relu6 = activation::relu6::Relu6,
    Hardswish = activation::hardswish::Hardswish,
    Hardsigmoid = activation::hardsigmoid::Hardsigmoid,
    Elu = activation::elu::Elu,
    Selu = activation::selu::Selu,
    Tanh = activation::tanh::Tanh,
    Sigmoid = activation::sigmoid::Sigmoid,
    Silu = activation::silu::Silu,
    Gelu = activation::gelu::Gelu,
    Softplus = activation::softplus::Softplus,
    Mish = activation::mish::Mish,
    Power = activation::power::Power,
    Log = activation::log::Log,
    Sqrt = activation::sqrt::Sqrt,
    Square = activation::square::Square,
);

/// What an op does to each element; `None` for an op that has no kernel here.
pub(crate) fn code(op: &str) -> Option<Code> {
    let arithmetic = [&binary::ADD, &binary::SUBTRACT, &binary::MULTIPLY, &binary::DIVIDE];
    if let Some(found) = arithmetic.into_iter().find(|own| own.name() == op) {
        return Some(Code::Arithmetic(found.kind));
    }
    ACTIVATIONS.iter().find_map(|(activation, function)| match () {
        () if function.name() == op => Some(Code::Value(*activation)),
        () if function.grad_name() == op => Some(Code::PullBack(*activation)),
        () => None,
    })
}

/// `out[i] = code(a[i], b[i])`; a slice of one number stands for as many as `out` has. A function of one number
/// reads `a` alone.
pub(crate) fn sweep(code: Code, alpha: f32, a: &[f32], b: &[f32], out: &mut [f32]) {
    let (a, b) = (Side::new(a, out.len()), Side::new(b, out.len()));
    // SAFETY: the lengths were checked, and `out` is borrowed apart from `a` and `b`.
    unsafe { sweep_raw(code, alpha, a, b, out.as_mut_ptr(), out.len()) }
}
