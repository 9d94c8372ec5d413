//! The convolution ops by the kernels of [`conv`]: the batch is split into a fixed number of tiles for the
//! threads; weights are arranged once a step; weight gradients are summed tile by tile in order.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::conv::{self, Activation, Conv, Purpose};
use crate::kernels::cpu::{N_TILES, Prepared, part};
use crate::ops::conv2d::{Conv2dGradInput, Conv2dGradWeight, Geometry};
use crate::ops::epilogue::has_relu;
use crate::shape::Shape;

/// One image's share of a convolution, in the kernels' terms.
fn shape_of(g: &Geometry) -> conv::Shape {
    let w = &g.windows;
    conv::Shape {
        inputs: g.in_channels,
        outputs: g.out_channels,
        groups: g.groups,
        size: [w.height, w.width],
        kernel: [w.rows.kernel, w.columns.kernel],
        stride: [w.rows.stride, w.columns.stride],
        dilation: [w.rows.dilation, w.columns.dilation],
        padding: [w.rows.before, w.columns.before, w.rows.after, w.columns.after],
    }
}

/// Images in the largest tile.
fn largest_tile(batch: usize) -> usize {
    batch.div_ceil(N_TILES)
}

/// Splits a buffer of `size` numbers an image into the tiles' parts.
fn tiles(mut buffer: &mut [f32], batch: usize, size: usize) -> [&mut [f32]; N_TILES] {
    std::array::from_fn(|i| {
        let (tile, rest) = std::mem::take(&mut buffer).split_at_mut(part(batch, i).1 * size);
        buffer = rest;
        tile
    })
}

pub fn forward(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let g = Geometry::new(attrs, inputs[0], inputs[1])?;
    let conv = Conv::new(&shape_of(&g), largest_tile(g.batch), Purpose::Inference);
    let (packed_len, input, output) =
        (conv.packed_forward_len(), conv.shape().input_len(), conv.shape().output_len());
    let scratch_len = conv.forward_scratch_len(largest_tile(g.batch)).max(1);
    let activation = if has_relu(attrs) { Activation::Relu } else { Activation::Identity };
    Prepared::with_scratch(packed_len + N_TILES * scratch_len, move |inputs, y, scratch| {
        let (packed, scratch) = scratch.split_at_mut(packed_len);
        conv.pack_forward(inputs[1], packed);
        let (x, packed, bias) = (inputs[0], &*packed, inputs.get(2).copied());
        let parts = tiles(y, g.batch, output).into_par_iter().zip(scratch.par_chunks_mut(scratch_len));
        parts.enumerate().for_each(|(tile, (y, scratch))| {
            let (first, n) = part(g.batch, tile);
            if n > 0 {
                conv.forward(n, &x[first * input..][..n * input], packed, bias, activation, y, scratch);
            }
        });
    })
}

pub fn grad_input(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let g = Conv2dGradInput::geometry(attrs, inputs[0], inputs[1])?;
    let conv = Conv::new(&shape_of(&g), largest_tile(g.batch), Purpose::Training);
    let (packed_len, input, output) =
        (conv.packed_input_len(), conv.shape().input_len(), conv.shape().output_len());
    let scratch_len = conv.backward_scratch_len(largest_tile(g.batch)).max(1);
    Prepared::with_scratch(packed_len + N_TILES * scratch_len, move |inputs, dx, scratch| {
        let (packed, scratch) = scratch.split_at_mut(packed_len);
        conv.pack_input(inputs[0], packed);
        let (dy, packed) = (inputs[1], &*packed);
        let parts = tiles(dx, g.batch, input).into_par_iter().zip(scratch.par_chunks_mut(scratch_len));
        parts.enumerate().for_each(|(tile, (dx, scratch))| {
            let (first, n) = part(g.batch, tile);
            if n > 0 {
                conv.backward(n, &dy[first * output..][..n * output], Some((packed, dx)), None, scratch);
            }
        });
    })
}

pub fn grad_weight(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let g = Conv2dGradWeight::geometry(attrs, inputs[0], inputs[1])?;
    let conv = Conv::new(&shape_of(&g), largest_tile(g.batch), Purpose::Training);
    let (n_weights, input, output) = (output.elements(), conv.shape().input_len(), conv.shape().output_len());
    let size = n_weights + conv.backward_scratch_len(largest_tile(g.batch));
    Prepared::with_scratch(N_TILES * size, move |inputs, dw, scratch| {
        let (x, dy) = (inputs[0], inputs[1]);
        scratch.par_chunks_mut(size).enumerate().for_each(|(tile, scratch)| {
            let (sum, scratch) = scratch.split_at_mut(n_weights);
            sum.fill(0.0);
            let (first, n) = part(g.batch, tile);
            if n > 0 {
                let x = &x[first * input..][..n * input];
                conv.backward(n, &dy[first * output..][..n * output], None, Some((x, sum)), scratch);
            }
        });
        dw.fill(0.0);
        for sum in scratch.chunks(size) {
            dw.iter_mut().zip(&sum[..n_weights]).for_each(|(total, sum)| *total += sum);
        }
    })
}
