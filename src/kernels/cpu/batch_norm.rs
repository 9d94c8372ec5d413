//! Batch normalisation, plane by plane: a plane is one channel of one image. Sums over a channel take the
//! images in order.

use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::Prepared;
use crate::kernels::cpu::reduce::row_sum;
use crate::shape::Shape;

/// Images, channels, pixels of a plane.
fn extents(input: &Shape) -> [usize; 3] {
    let dims = input.dims();
    [dims[0], dims[1], dims[2..].iter().product()]
}

/// Sums `term(planes of channel c of each image)` into `output`, one number a channel.
fn sum_channels(
    [images, channels, pixels]: [usize; 3],
    output: &mut [f32],
    term: impl Fn(usize, std::ops::Range<usize>) -> f32 + Send + Sync,
) {
    output.par_iter_mut().enumerate().for_each(|(c, out)| {
        *out = (0..images)
            .map(|image| {
                let start = (image * channels + c) * pixels;
                term(c, start..start + pixels)
            })
            .sum();
    });
}

/// The sum of `f` over two rows, in fixed interleaved lanes.
#[inline]
fn paired_sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (chunks_a, chunks_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = chunks_a.remainder().iter().zip(chunks_b.remainder()).map(|(&x, &y)| f(x, y)).sum();
    for (x, y) in chunks_a.zip(chunks_b) {
        for i in 0..8 {
            lanes[i] += f(x[i], y[i]);
        }
    }
    row_sum(&lanes) + rest
}

pub fn variance(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let e = extents(inputs[0]);
    let share = 1.0 / (e[0] * e[2]) as f32;
    Prepared::new(move |inputs, output| {
        let (x, mean) = (inputs[0], inputs[1]);
        sum_channels(e, output, |c, plane| {
            let m = mean[c];
            share * paired_sum(&x[plane.clone()], &x[plane], |a, _| (a - m) * (a - m))
        });
    })
}

pub fn batch_norm(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [_, channels, pixels] = extents(inputs[0]);
    let epsilon = attrs.get_float("epsilon");
    Prepared::new(move |inputs, output| {
        let (x, mean, variance, scale, shift) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]);
        output.par_chunks_mut(pixels).with_min_len(16).enumerate().for_each(|(i, out)| {
            let c = i % channels;
            let slope = scale[c] / (variance[c] + epsilon).sqrt();
            let (m, b) = (mean[c], shift[c]);
            out.iter_mut().zip(&x[i * pixels..]).for_each(|(out, x)| *out = (x - m) * slope + b);
        });
    })
}

pub fn grad_scale(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let e = extents(inputs[0]);
    let epsilon = attrs.get_float("epsilon");
    Prepared::new(move |inputs, output| {
        let (x, grad, mean, variance) = (inputs[0], inputs[1], inputs[2], inputs[3]);
        sum_channels(e, output, |c, plane| {
            let m = mean[c];
            paired_sum(&x[plane.clone()], &grad[plane], |x, g| (x - m) * g) / (variance[c] + epsilon).sqrt()
        });
    })
}

pub fn grad_input(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [images, channels, pixels] = extents(inputs[0]);
    let epsilon = attrs.get_float("epsilon");
    // With running statistics nothing flows through mean and variance.
    let share = match attrs.get_text("statistics") {
        "running" => 0.0,
        _ => 1.0 / (images * pixels) as f32,
    };
    Prepared::new(move |inputs, output| {
        let (x, grad, mean, variance) = (inputs[0], inputs[1], inputs[2], inputs[3]);
        let (scale, to_scale, to_shift) = (inputs[4], inputs[5], inputs[6]);
        output.par_chunks_mut(pixels).with_min_len(16).enumerate().for_each(|(i, out)| {
            let c = i % channels;
            let inverse = 1.0 / (variance[c] + epsilon).sqrt();
            let slope = scale[c] * inverse;
            let (through_mean, through_variance) = (to_shift[c] * share, to_scale[c] * share * inverse);
            let m = mean[c];
            let pairs = x[i * pixels..].iter().zip(&grad[i * pixels..]);
            out.iter_mut().zip(pairs).for_each(|(out, (x, g))| {
                *out = (g - through_mean - (x - m) * through_variance) * slope;
            });
        });
    })
}
