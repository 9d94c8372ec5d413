//! Pooling, plane by plane.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::Prepared;
use crate::ops::avg_pool2d::shares;
use crate::ops::window::Windows;
use crate::shape::Shape;

/// Visits the input positions that window `(oy, ox)` reads, in reading order.
#[inline]
fn taps(w: &Windows, oy: usize, ox: usize, mut visit: impl FnMut(usize)) {
    let rows = axis(w.rows, oy, w.height);
    let columns = axis(w.columns, ox, w.width);
    for y in rows {
        for x in columns.clone() {
            visit(y * w.width + x);
        }
    }
}

fn axis(window: crate::shape::Window, output: usize, extent: usize) -> std::ops::Range<usize> {
    let start = output * window.stride;
    let end = (start + window.kernel).saturating_sub(window.before).min(extent);
    start.saturating_sub(window.before).min(end)..end
}

/// The position of the first largest number of a window; a NaN wins.
#[inline]
fn first_largest(w: &Windows, plane: &[f32], oy: usize, ox: usize) -> (usize, f32) {
    let mut best = (usize::MAX, f32::NEG_INFINITY);
    taps(w, oy, ox, |at| {
        let number = plane[at];
        if best.0 == usize::MAX || number > best.1 || number.is_nan() {
            best = (at, number);
        }
    });
    best
}

pub fn max(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let w = Windows::of_pool("max_pool2d", attrs, inputs[0])?;
    let plane = w.height * w.width;
    Prepared::new(move |inputs, output| {
        output.par_chunks_mut(w.n_outputs()).with_min_len(16).enumerate().for_each(|(i, out)| {
            let plane = &inputs[0][i * plane..][..plane];
            for (oy, out) in out.chunks_mut(w.out_width).enumerate() {
                for (ox, out) in out.iter_mut().enumerate() {
                    *out = first_largest(&w, plane, oy, ox).1;
                }
            }
        });
    })
}

pub fn max_grad(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let w = Windows::of_pool("max_pool2d_grad", attrs, inputs[0])?;
    let plane = w.height * w.width;
    Prepared::new(move |inputs, output| {
        output.par_chunks_mut(plane).with_min_len(16).enumerate().for_each(|(i, out)| {
            out.fill(0.0);
            let plane = &inputs[0][i * plane..][..plane];
            let grads = &inputs[1][i * w.n_outputs()..][..w.n_outputs()];
            for (oy, grads) in grads.chunks(w.out_width).enumerate() {
                for (ox, grad) in grads.iter().enumerate() {
                    let (at, _) = first_largest(&w, plane, oy, ox);
                    if let Some(sum) = out.get_mut(at) {
                        *sum += grad;
                    }
                }
            }
        });
    })
}

pub fn avg(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let w = Windows::of_pool("avg_pool2d", attrs, inputs[0])?;
    let (plane, shares) = (w.height * w.width, shares(&w, attrs));
    Prepared::new(move |inputs, output| {
        output.par_chunks_mut(w.n_outputs()).with_min_len(16).enumerate().for_each(|(i, out)| {
            let plane = &inputs[0][i * plane..][..plane];
            for (position, out) in out.iter_mut().enumerate() {
                let mut sum = 0.0;
                taps(&w, position / w.out_width, position % w.out_width, |at| sum += plane[at]);
                *out = sum * shares[position];
            }
        });
    })
}

pub fn avg_grad(attrs: &Attrs, _inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let w = Windows::of_pool("avg_pool2d_grad", attrs, output)?;
    let (plane, shares) = (w.height * w.width, shares(&w, attrs));
    Prepared::new(move |inputs, output| {
        output.par_chunks_mut(plane).with_min_len(16).enumerate().for_each(|(i, out)| {
            out.fill(0.0);
            let grads = &inputs[0][i * w.n_outputs()..][..w.n_outputs()];
            for (position, (grad, share)) in grads.iter().zip(&shares).enumerate() {
                taps(&w, position / w.out_width, position % w.out_width, |at| out[at] += grad * share);
            }
        });
    })
}
