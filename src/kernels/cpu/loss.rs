//! Softmax, cross-entropy and what else looks at a row of class scores.
#![allow(unsafe_code)]

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::Prepared;
use crate::kernels::cpu::reduce::row_sum;
use crate::kernels::cpu::simd::exp::exp;
use crate::kernels::cpu::simd::sweep::{load, store, sweep};
use crate::kernels::cpu::simd::{Simd, dispatch};
use crate::ops::softmax;
use crate::shape::Shape;

/// Outer extent, classes, inner extent of a value with classes on axis 1.
fn around_classes(shape: &Shape) -> [usize; 3] {
    around(shape, 1)
}

/// Outer extent, extent of an axis, inner extent.
fn around(shape: &Shape, axis: usize) -> [usize; 3] {
    let dims = shape.dims();
    [dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product()]
}

pub fn softmax(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [_, classes, inner] = around(inputs[0], softmax::axis(attrs));
    Prepared::new(move |inputs, output| {
        let images = inputs[0].chunks_exact(classes * inner);
        for (x, y) in images.zip(output.chunks_exact_mut(classes * inner)) {
            if inner == 1 {
                let (_, sum) = exponentials(x, y);
                let share = 1.0 / sum;
                y.iter_mut().for_each(|y| *y *= share);
                continue;
            }
            for i in 0..inner {
                let largest = (0..classes).map(|k| x[k * inner + i]).fold(f32::NEG_INFINITY, f32::max);
                let mut sum = 0.0;
                for k in 0..classes {
                    let e = (x[k * inner + i] - largest).exp();
                    y[k * inner + i] = e;
                    sum += e;
                }
                (0..classes).for_each(|k| y[k * inner + i] /= sum);
            }
        }
    })
}

pub fn log_softmax(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [_, classes, inner] = around_classes(inputs[0]);
    Prepared::new(move |inputs, output| {
        let images = inputs[0].chunks_exact(classes * inner);
        for (x, y) in images.zip(output.chunks_exact_mut(classes * inner)) {
            if inner == 1 {
                let (largest, sum) = exponentials(x, y);
                let log = sum.ln();
                y.iter_mut().zip(x).for_each(|(y, x)| *y = x - largest - log);
                continue;
            }
            for i in 0..inner {
                let places = || (0..classes).map(|k| k * inner + i);
                let largest = places().map(|at| x[at]).fold(f32::NEG_INFINITY, f32::max);
                let log = places().map(|at| (x[at] - largest).exp()).sum::<f32>().ln();
                places().for_each(|at| y[at] = x[at] - largest - log);
            }
        }
    })
}

pub fn softmax_grad(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [_, classes, inner] = around(inputs[0], softmax::axis(attrs));
    let size = classes * inner;
    Prepared::new(move |inputs, output| {
        let images = inputs[0].chunks_exact(size).zip(inputs[1].chunks_exact(size));
        for ((y, grad), out) in images.zip(output.chunks_exact_mut(size)) {
            if inner == 1 {
                out.iter_mut().zip(y.iter().zip(grad)).for_each(|(out, (y, grad))| *out = y * grad);
                let sum = row_sum(out);
                out.iter_mut().zip(y.iter().zip(grad)).for_each(|(out, (y, grad))| *out = y * (grad - sum));
                continue;
            }
            for i in 0..inner {
                let sum: f32 = (0..classes).map(|k| y[k * inner + i] * grad[k * inner + i]).sum();
                for at in (0..classes).map(|k| k * inner + i) {
                    out[at] = y[at] * (grad[at] - sum);
                }
            }
        }
    })
}

/// `y = e^(x - largest)`; gives the largest number and the sum of `y`.
fn exponentials(x: &[f32], y: &mut [f32]) -> (f32, f32) {
    assert!(x.len() == y.len());
    // SAFETY: the lengths are equal.
    unsafe { exponentials_dispatched(x, y) }
}

dispatch!(unsafe fn exponentials_dispatched(x: &[f32], y: &mut [f32]) -> (f32, f32) = exponentials_body);

#[inline(always)]
unsafe fn exponentials_body<S: Simd>(x: &[f32], y: &mut [f32]) -> (f32, f32) {
    // SAFETY: `y` is as long as `x`.
    unsafe {
        let largest = largest::<S>(x);
        let (shift, mut sums, mut rest) = (S::splat(largest), S::zero(), 0.0);
        sweep!(S, x.len(), |at, n| {
            let e = exp::<S>(S::sub(load::<S>(x.as_ptr().add(at), n), shift));
            store::<S>(y.as_mut_ptr().add(at), e, n);
            match n == S::LANES {
                true => sums = S::add(sums, e),
                false => rest = y[at..].iter().sum(),
            }
        });
        (largest, S::sum(sums) + rest)
    }
}

/// The largest number.
#[inline(always)]
unsafe fn largest<S: Simd>(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    // SAFETY: full vectors end inside the slice; the lanes have room for the widest vector.
    unsafe {
        let mut most = S::splat(f32::NEG_INFINITY);
        let full = x.chunks_exact(S::LANES);
        let rest = full.remainder();
        for chunk in full {
            most = S::max(S::load(chunk.as_ptr()), most);
        }
        S::store(lanes.as_mut_ptr(), most);
        lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

/// Largest logit and the sum of `e^(x - largest)`.
fn log_sum_exp(logits: &[f32]) -> (f32, f32) {
    // SAFETY: the body reads inside the slice.
    unsafe { log_sum_exp_dispatched(logits) }
}

dispatch!(unsafe fn log_sum_exp_dispatched(logits: &[f32]) -> (f32, f32) = log_sum_exp_body);

#[inline(always)]
unsafe fn log_sum_exp_body<S: Simd>(logits: &[f32]) -> (f32, f32) {
    // SAFETY: loads stay inside the slice.
    unsafe {
        let largest = largest::<S>(logits);
        let (shift, mut sums, mut rest) = (S::splat(largest), S::zero(), 0.0);
        sweep!(S, logits.len(), |at, n| {
            let e = exp::<S>(S::sub(load::<S>(logits.as_ptr().add(at), n), shift));
            if n == S::LANES {
                sums = S::add(sums, e);
            } else {
                let mut lanes = [0.0; 16];
                S::store(lanes.as_mut_ptr(), e);
                rest = lanes[..n].iter().sum();
            }
        });
        (largest, S::sum(sums) + rest)
    }
}

pub fn cross_entropy(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let classes = inputs[0].dims()[1];
    let smoothing = attrs.get_float("smoothing");
    Prepared::new(move |inputs, output| {
        let rows = inputs[0].chunks_exact(classes).zip(inputs[1]);
        for ((logits, &label), loss) in rows.zip(output) {
            let (largest, sum) = log_sum_exp(logits);
            // Below the largest logit, so that what large logits have in common does not cost precision.
            let hit = logits.get(label as usize).map_or(f32::NAN, |x| x - largest);
            *loss = sum.ln() - (1.0 - smoothing) * hit;
            if smoothing > 0.0 {
                let mean = logits.iter().map(|x| x - largest).sum::<f32>() / classes as f32;
                *loss -= smoothing * mean;
            }
        }
    })
}

pub fn cross_entropy_grad(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let classes = inputs[0].dims()[1];
    let smoothing = attrs.get_float("smoothing");
    let even = smoothing / classes as f32;
    Prepared::new(move |inputs, output| {
        let rows = inputs[0].chunks_exact(classes).zip(inputs[1].iter().zip(inputs[2]));
        for ((logits, (&label, &grad)), out) in rows.zip(output.chunks_exact_mut(classes)) {
            let (_, sum) = exponentials(logits, out);
            let share = 1.0 / sum;
            out.iter_mut().for_each(|out| *out = (*out * share - even) * grad);
            if let Some(out) = out.get_mut(label as usize) {
                *out -= (1.0 - smoothing) * grad;
            }
        }
    })
}

/// The position of the first largest number.
fn argmax(numbers: &[f32]) -> usize {
    let better = |best: usize, i: usize| if numbers[i] > numbers[best] { i } else { best };
    (0..numbers.len()).fold(0, better)
}

pub fn top1_correct(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let classes = inputs[0].dims()[1];
    Prepared::new(move |inputs, output| {
        let rows = inputs[0].chunks(classes).zip(inputs[1]);
        for ((logits, &label), out) in rows.zip(output) {
            *out = f32::from(argmax(logits) as f32 == label);
        }
    })
}

pub fn positions(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let classes = inputs[0].dims()[1];
    Prepared::new(move |inputs, output| {
        for (scores, out) in inputs[0].chunks(classes).zip(output) {
            *out = argmax(scores) as f32;
        }
    })
}

pub fn one_hot(_attrs: &Attrs, _inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let classes = output.dims()[1];
    let plane = output.dims()[2..].iter().product::<usize>().max(1);
    Prepared::new(move |inputs, output| {
        output.fill(0.0);
        for (labels, out) in inputs[0].chunks(plane).zip(output.chunks_mut(classes * plane)) {
            for (at, &label) in labels.iter().enumerate() {
                let class = label as usize;
                if class < classes {
                    out[class * plane + at] = 1.0;
                }
            }
        }
    })
}
