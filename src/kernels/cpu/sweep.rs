//! One element-wise op over a piece of memory: the loops that plain kernels and fused programs are made of.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use crate::graph::op::Op;
use crate::kernels::cpu::functions::Lanes;
use crate::kernels::cpu::simd::sweep::{load, store, sweep};
use crate::kernels::cpu::simd::{Simd, dispatch};
use crate::ops::activation::Function;
use crate::ops::binary::Arithmetic;
use crate::ops::{activation, binary};

/// What is done to each element `(a, b, c)` of three operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Of `a` and `b`.
    Arithmetic(Arithmetic),
    /// `(a inner b) outer c`, rounded twice. Two ops in one loop read and write half as much.
    Left { inner: Arithmetic, outer: Arithmetic },
    /// `c outer (a inner b)`
    Right { inner: Arithmetic, outer: Arithmetic },
    /// A function of `a`.
    Value(Activation),
    /// Of a function's argument (or result) `a` and a gradient `b`.
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

/// A sum, difference, product or quotient of vectors.
///
/// # Safety
/// `S` must be available, here and in [`Three`].
trait Two {
    unsafe fn of<S: Simd>(x: S::V, y: S::V) -> S::V;
}

/// What is made of three operands.
trait Three {
    unsafe fn of<S: Simd>(a: S::V, b: S::V, c: S::V) -> S::V;
}

macro_rules! two {
    ($($name:ident = $method:ident),*) => {$(
        struct $name;

        impl Two for $name {
            #[inline(always)]
            unsafe fn of<S: Simd>(x: S::V, y: S::V) -> S::V {
                // SAFETY: the caller's contract.
                unsafe { S::$method(x, y) }
            }
        }
    )*};
}

two!(Sum = add, Difference = sub, Product = mul, Quotient = div);

/// `a I b`
struct Alone<I>(PhantomData<I>);
/// `(a I b) O c`
struct Left<I, O>(PhantomData<(I, O)>);
/// `c O (a I b)`
struct Right<I, O>(PhantomData<(I, O)>);

impl<I: Two> Three for Alone<I> {
    #[inline(always)]
    unsafe fn of<S: Simd>(a: S::V, b: S::V, _c: S::V) -> S::V {
        // SAFETY: the caller's contract, here and below.
        unsafe { I::of::<S>(a, b) }
    }
}

impl<I: Two, O: Two> Three for Left<I, O> {
    #[inline(always)]
    unsafe fn of<S: Simd>(a: S::V, b: S::V, c: S::V) -> S::V {
        unsafe { O::of::<S>(I::of::<S>(a, b), c) }
    }
}

impl<I: Two, O: Two> Three for Right<I, O> {
    #[inline(always)]
    unsafe fn of<S: Simd>(a: S::V, b: S::V, c: S::V) -> S::V {
        unsafe { O::of::<S>(c, I::of::<S>(a, b)) }
    }
}

/// Runs `$body` with `$name` as the type of an arithmetic.
macro_rules! arithmetic {
    ($kind:expr, $name:ident => $body:expr) => {
        match $kind {
            Arithmetic::Add => {
                type $name = Sum;
                $body
            }
            Arithmetic::Subtract => {
                type $name = Difference;
                $body
            }
            Arithmetic::Multiply => {
                type $name = Product;
                $body
            }
            Arithmetic::Divide => {
                type $name = Quotient;
                $body
            }
        }
    };
}

/// Two vectors a turn; `next` leads from one vector of an operand to the next.
///
/// # Safety
/// As for [`sweep_raw`], with vectors to read where a step is 0.
#[inline(always)]
unsafe fn three<S: Simd, F: Three>(
    [mut a, mut b, mut c]: [*const f32; 3],
    next: [usize; 3],
    out: *mut f32,
    len: usize,
) {
    let mut at = 0;
    // SAFETY: whole vectors are read and written up to `len`, then a part of one.
    unsafe {
        while at + 2 * S::LANES <= len {
            let first = F::of::<S>(S::load(a), S::load(b), S::load(c));
            (a, b, c) = (a.wrapping_add(next[0]), b.wrapping_add(next[1]), c.wrapping_add(next[2]));
            let second = F::of::<S>(S::load(a), S::load(b), S::load(c));
            (a, b, c) = (a.wrapping_add(next[0]), b.wrapping_add(next[1]), c.wrapping_add(next[2]));
            S::store(out.add(at), first);
            S::store(out.add(at + S::LANES), second);
            at += 2 * S::LANES;
        }
        while at < len {
            let n = S::LANES.min(len - at);
            let value = F::of::<S>(load::<S>(a, n), load::<S>(b, n), load::<S>(c, n));
            store::<S>(out.add(at), value, n);
            (a, b, c) = (a.wrapping_add(next[0]), b.wrapping_add(next[1]), c.wrapping_add(next[2]));
            at += n;
        }
    }
}

macro_rules! activations {
    ($($module:ident $Function:ident $OP:ident $GRAD:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Activation { $($Function),* }

        const ACTIVATIONS: &[(Activation, &dyn Function)] =
            &[$((Activation::$Function, &activation::$module::$Function)),*];

        dispatch!(
            /// `out[i] = code(a[i], b[i], c[i])` for `len` elements, of the three `sides`.
            ///
            /// # Safety
            /// The sides and `out` are valid for `len` numbers (a side for one where its step is 0), and `out`
            /// begins where a side begins or does not overlap it.
            pub(crate) unsafe fn sweep_raw(
                code: Code,
                alpha: f32,
                sides: [Side; 3],
                out: *mut f32,
                len: usize,
            ) = body
        );

        #[inline(always)]
        unsafe fn body<S: Simd>(code: Code, alpha: f32, sides: [Side; 3], out: *mut f32, len: usize) {
            // One number is read from a vector of it, over and over.
            // SAFETY: the caller's contract, here and below.
            let spread = sides.map(|side| [if side.step == 0 { unsafe { *side.from } } else { 0.0 }; 16]);
            let begin = |i: usize| if sides[i].step == 0 { spread[i].as_ptr() } else { sides[i].from };
            let from = [begin(0), begin(1), begin(2)];
            let next = sides.map(|side| side.step * S::LANES);
            // All bits where the place moves on with the element, none where it stays.
            let moving = sides.map(|side| side.step.wrapping_neg());
            macro_rules! one {
                (|$x:ident| $value:expr) => {
                    unsafe {
                        sweep!(S, len, |at, n| {
                            let $x = load::<S>(from[0].add(at & moving[0]), n);
                            store::<S>(out.add(at), $value, n);
                        });
                    }
                };
            }
            macro_rules! two {
                (|$x:ident, $y:ident| $value:expr) => {
                    unsafe {
                        sweep!(S, len, |at, n| {
                            let $x = load::<S>(from[0].add(at & moving[0]), n);
                            let $y = load::<S>(from[1].add(at & moving[1]), n);
                            store::<S>(out.add(at), $value, n);
                        });
                    }
                };
            }
            match code {
                Code::Arithmetic(kind) => {
                    arithmetic!(kind, I => unsafe { three::<S, Alone<I>>(from, next, out, len) })
                }
                Code::Left { inner, outer } => arithmetic!(inner, I => arithmetic!(outer, O => unsafe {
                    three::<S, Left<I, O>>(from, next, out, len)
                })),
                Code::Right { inner, outer } => arithmetic!(inner, I => arithmetic!(outer, O => unsafe {
                    three::<S, Right<I, O>>(from, next, out, len)
                })),
                Code::Value(function) => match function {
                    $(Activation::$Function => {
                        one!(|x| activation::$module::$Function.values::<S>(x, alpha))
                    })*
                },
                Code::PullBack(function) => match function {
                    $(Activation::$Function => {
                        two!(|at, grad| activation::$module::$Function.pull_back::<S>(at, grad, alpha))
                    })*
                },
            }
        }
    };
}

activation::every_function!(activations);

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
    unsafe { sweep_raw(code, alpha, [a, b, a], out.as_mut_ptr(), out.len()) }
}
