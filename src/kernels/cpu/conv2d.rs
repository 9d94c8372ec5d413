//! Convolution as matrix products over unrolled windows (im2col), one image at a time so that the unrolled
//! image stays in cache. The batch is split into a fixed number of tiles for the threads; weight gradients are
//! summed tile by tile in order.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::gemm::{Into, Matrix, gemm};
use crate::kernels::cpu::{N_TILES, Prepared, tile};
use crate::ops::conv2d::{Conv2dGradInput, Conv2dGradWeight, Geometry};
use crate::shape::Shape;

/// Extents of one image's share of a convolution.
#[derive(Clone, Copy)]
struct Image {
    g: Geometry,
    /// Input numbers, output numbers, unrolled numbers.
    input: usize,
    output: usize,
    unrolled: usize,
    /// For each group: filters and taps (input channels times window).
    filters: usize,
    taps: usize,
    /// Output positions.
    positions: usize,
}

impl Image {
    fn new(g: Geometry) -> Image {
        let positions = g.windows.n_outputs();
        let taps = g.in_channels / g.groups * g.windows.n_taps();
        Image {
            g,
            input: g.in_channels * g.windows.height * g.windows.width,
            output: g.out_channels * positions,
            unrolled: g.groups * taps * positions,
            filters: g.out_channels / g.groups,
            taps,
            positions,
        }
    }

    /// `groups x taps x positions`: every number that each window reads, 0 in the padding.
    fn unroll(&self, image: &[f32], unrolled: &mut [f32]) {
        self.each_row(|row, oy, y, channel, kx| {
            let w = &self.g.windows;
            let out = &mut unrolled[row * self.positions + oy * w.out_width..][..w.out_width];
            let Some(y) = y else { return out.fill(0.0) };
            let line = &image[(channel * w.height + y) * w.width..][..w.width];
            let (first, last) = self.inside(kx);
            out[..first].fill(0.0);
            out[last..].fill(0.0);
            let mut x = (first * w.columns.stride + kx * w.columns.dilation).wrapping_sub(w.columns.before);
            if w.columns.stride == 1 && last > first {
                out[first..last].copy_from_slice(&line[x..x + last - first]);
                return;
            }
            for number in &mut out[first..last] {
                *number = line[x];
                x += w.columns.stride;
            }
        });
    }

    /// The adjoint of [`Image::unroll`]: sums into the image.
    fn roll(&self, unrolled: &[f32], image: &mut [f32]) {
        image.fill(0.0);
        self.each_row(|row, oy, y, channel, kx| {
            let w = &self.g.windows;
            let Some(y) = y else { return };
            let numbers = &unrolled[row * self.positions + oy * w.out_width..][..w.out_width];
            let line = &mut image[(channel * w.height + y) * w.width..][..w.width];
            let (first, last) = self.inside(kx);
            let mut x = (first * w.columns.stride + kx * w.columns.dilation).wrapping_sub(w.columns.before);
            for number in &numbers[first.min(last)..last] {
                line[x] += number;
                x += w.columns.stride;
            }
        });
    }

    /// Output columns whose tap `kx` reads inside the image, as a range.
    fn inside(&self, kx: usize) -> (usize, usize) {
        let w = &self.g.windows;
        let shift = kx * w.columns.dilation;
        let first = w.columns.before.saturating_sub(shift).div_ceil(w.columns.stride);
        let end = (w.width + w.columns.before).saturating_sub(shift).div_ceil(w.columns.stride);
        let end = end.min(w.out_width);
        (first.min(end), end)
    }

    /// Visits every row of the unrolled image: its number, the output row, the input row (`None` in the
    /// padding), the channel and the tap's column.
    fn each_row(&self, mut visit: impl FnMut(usize, usize, Option<usize>, usize, usize)) {
        let w = &self.g.windows;
        let mut row = 0;
        for channel in 0..self.g.in_channels {
            for ky in 0..w.rows.kernel {
                for kx in 0..w.columns.kernel {
                    for oy in 0..w.out_height {
                        let y = (oy * w.rows.stride + ky * w.rows.dilation)
                            .checked_sub(w.rows.before)
                            .filter(|&y| y < w.height);
                        visit(row, oy, y, channel, kx);
                    }
                    row += 1;
                }
            }
        }
    }
}

/// Splits a buffer of `size` numbers an image into the tiles' parts.
fn tiles(mut buffer: &mut [f32], batch: usize, size: usize) -> Vec<&mut [f32]> {
    let mut parts = Vec::with_capacity(N_TILES);
    for i in 0..N_TILES {
        let (part, rest) = buffer.split_at_mut(tile(batch, i).1 * size);
        parts.push(part);
        buffer = rest;
    }
    parts
}

pub fn forward(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let i = Image::new(Geometry::new(attrs, inputs[0], inputs[1])?);
    Prepared::with_scratch(N_TILES * i.unrolled, move |inputs, output, scratch| {
        let (x, weight) = (inputs[0], inputs[1]);
        let parts = tiles(output, i.g.batch, i.output);
        parts.into_par_iter().zip(scratch.par_chunks_mut(i.unrolled)).enumerate().for_each(
            |(t, (part, unrolled))| {
                let images = x[tile(i.g.batch, t).0 * i.input..].chunks(i.input);
                for (image, out) in images.zip(part.chunks_mut(i.output)) {
                    i.unroll(image, unrolled);
                    for group in 0..i.g.groups {
                        let weight = Matrix::new(&weight[group * i.filters * i.taps..], i.taps);
                        let windows = Matrix::new(&unrolled[group * i.taps * i.positions..], i.positions);
                        let out = &mut out[group * i.filters * i.positions..];
                        gemm([i.filters, i.taps, i.positions], weight, windows, out, Into::Overwrite);
                    }
                }
            },
        );
    })
}

pub fn grad_input(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let i = Image::new(Conv2dGradInput::geometry(attrs, inputs[0], inputs[1])?);
    Prepared::with_scratch(N_TILES * i.unrolled, move |inputs, output, scratch| {
        let (weight, grad) = (inputs[0], inputs[1]);
        let parts = tiles(output, i.g.batch, i.input);
        parts.into_par_iter().zip(scratch.par_chunks_mut(i.unrolled)).enumerate().for_each(
            |(t, (part, unrolled))| {
                let grads = grad[tile(i.g.batch, t).0 * i.output..].chunks(i.output);
                for (grad, image) in grads.zip(part.chunks_mut(i.input)) {
                    for group in 0..i.g.groups {
                        let weight = Matrix::transposed(&weight[group * i.filters * i.taps..], i.taps);
                        let grad = Matrix::new(&grad[group * i.filters * i.positions..], i.positions);
                        let windows = &mut unrolled[group * i.taps * i.positions..];
                        gemm([i.taps, i.filters, i.positions], weight, grad, windows, Into::Overwrite);
                    }
                    i.roll(unrolled, image);
                }
            },
        );
    })
}

pub fn grad_weight(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let i = Image::new(Conv2dGradWeight::geometry(attrs, inputs[0], inputs[1])?);
    let n_weights = output.elements();
    let size = i.unrolled + n_weights;
    Prepared::with_scratch(N_TILES * size, move |inputs, output, scratch| {
        let (x, grad) = (inputs[0], inputs[1]);
        scratch.par_chunks_mut(size).enumerate().for_each(|(t, scratch)| {
            let (unrolled, sum) = scratch.split_at_mut(i.unrolled);
            sum.fill(0.0);
            let (first, n) = tile(i.g.batch, t);
            let images = x[first * i.input..].chunks(i.input);
            for (image, grad) in images.zip(grad[first * i.output..].chunks(i.output)).take(n) {
                i.unroll(image, unrolled);
                for group in 0..i.g.groups {
                    let grad = Matrix::new(&grad[group * i.filters * i.positions..], i.positions);
                    let windows = Matrix::transposed(&unrolled[group * i.taps * i.positions..], i.positions);
                    let sum = &mut sum[group * i.filters * i.taps..];
                    gemm([i.filters, i.positions, i.taps], grad, windows, sum, Into::Add);
                }
            }
        });
        output.fill(0.0);
        for part in scratch.chunks(size) {
            output.iter_mut().zip(&part[i.unrolled..]).for_each(|(sum, part)| *sum += part);
        }
    })
}
