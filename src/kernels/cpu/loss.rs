//! Softmax, cross-entropy and what else looks at a row of class scores.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::Prepared;
use crate::shape::Shape;

/// Outer extent, classes, inner extent of a value with classes on axis 1.
fn around_classes(shape: &Shape) -> [usize; 3] {
    let dims = shape.dims();
    [dims[0], dims[1], dims[2..].iter().product()]
}

pub fn softmax(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [_, classes, inner] = around_classes(inputs[0]);
    Prepared::new(move |inputs, output| {
        let images = inputs[0].chunks(classes * inner);
        for (x, y) in images.zip(output.chunks_mut(classes * inner)) {
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
        let images = inputs[0].chunks(classes * inner);
        for (x, y) in images.zip(output.chunks_mut(classes * inner)) {
            for i in 0..inner {
                let places = || (0..classes).map(|k| k * inner + i);
                let largest = places().map(|at| x[at]).fold(f32::NEG_INFINITY, f32::max);
                let log = places().map(|at| (x[at] - largest).exp()).sum::<f32>().ln();
                places().for_each(|at| y[at] = x[at] - largest - log);
            }
        }
    })
}

pub fn softmax_grad(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [_, classes, inner] = around_classes(inputs[0]);
    let size = classes * inner;
    Prepared::new(move |inputs, output| {
        let images = inputs[0].chunks(size).zip(inputs[1].chunks(size));
        for ((y, grad), out) in images.zip(output.chunks_mut(size)) {
            for i in 0..inner {
                let sum: f32 = (0..classes).map(|k| y[k * inner + i] * grad[k * inner + i]).sum();
                for at in (0..classes).map(|k| k * inner + i) {
                    out[at] = y[at] * (grad[at] - sum);
                }
            }
        }
    })
}

/// Largest logit and the sum of `e^(x - largest)`.
fn log_sum_exp(logits: &[f32]) -> (f32, f32) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (largest, logits.iter().map(|x| (x - largest).exp()).sum())
}

pub fn cross_entropy(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let classes = inputs[0].dims()[1];
    let smoothing = attrs.get_float("smoothing");
    Prepared::new(move |inputs, output| {
        let rows = inputs[0].chunks(classes).zip(inputs[1]);
        for ((logits, &label), loss) in rows.zip(output) {
            let (largest, sum) = log_sum_exp(logits);
            // Below the largest logit, so that what large logits have in common does not cost precision.
            let hit = logits.get(label as usize).map_or(f32::NAN, |x| x - largest);
            let mean = logits.iter().map(|x| x - largest).sum::<f32>() / classes as f32;
            *loss = sum.ln() - (1.0 - smoothing) * hit - smoothing * mean;
        }
    })
}

pub fn cross_entropy_grad(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let classes = inputs[0].dims()[1];
    let smoothing = attrs.get_float("smoothing");
    Prepared::new(move |inputs, output| {
        let rows = inputs[0].chunks(classes).zip(inputs[1].iter().zip(inputs[2]));
        for ((logits, (&label, &grad)), out) in rows.zip(output.chunks_mut(classes)) {
            let (largest, sum) = log_sum_exp(logits);
            let even = smoothing / classes as f32;
            for (out, x) in out.iter_mut().zip(logits) {
                *out = ((x - largest).exp() / sum - even) * grad;
            }
            if let Some(out) = out.get_mut(label as usize) {
                *out -= (1.0 - smoothing) * grad;
            }
        }
    })
}

/// The position of the first largest number.
pub fn argmax(numbers: &[f32]) -> usize {
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

pub fn one_hot(_attrs: &Attrs, _inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let classes = output.dims()[1];
    Prepared::new(move |inputs, output| {
        output.fill(0.0);
        for (&label, out) in inputs[0].iter().zip(output.chunks_mut(classes)) {
            if let Some(hit) = out.get_mut(label as usize) {
                *hit = 1.0;
            }
        }
    })
}
