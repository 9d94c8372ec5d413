//! `Y = Aᵀ [Σ_c U ⊙ (Bᵀ X B)] A`, block by block of tile rows.

use std::ops::Range;

use super::strip::{Rows, gather, scatter};
use super::transform::{F2, F4, Transform};
use super::{Tile, Winograd};
use crate::kernels::cpu::simd::{Simd, dispatch};
use crate::kernels::cpu::tile::{Product, Start, product};

dispatch!(
    /// # Safety
    /// Slices are as long as the shape, `n` and the scratch length say, `y` is valid for what belongs to the tile rows
    /// `rows` of all images.
    pub(super) unsafe fn run(
        conv: &Winograd, n: usize, rows: Range<usize>, x: &[f32], packed: &[f32], bias: Option<&[f32]>, floor: f32,
        y: *mut f32, scratch: &mut [f32],
    ) = body
);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn body<S: Simd>(
    conv: &Winograd,
    n: usize,
    rows: Range<usize>,
    x: &[f32],
    packed: &[f32],
    bias: Option<&[f32]>,
    floor: f32,
    y: *mut f32,
    scratch: &mut [f32],
) {
    // SAFETY: the caller's contract.
    unsafe {
        match conv.tile {
            Tile::Two => tiles::<S, F2, 2, 4>(conv, n, rows, x, packed, bias, floor, y, scratch),
            Tile::Four => tiles::<S, F4, 4, 6>(conv, n, rows, x, packed, bias, floor, y, scratch),
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn tiles<S: Simd, T: Transform<S, M, A>, const M: usize, const A: usize>(
    conv: &Winograd,
    n: usize,
    rows: Range<usize>,
    x: &[f32],
    packed: &[f32],
    bias: Option<&[f32]>,
    floor: f32,
    y: *mut f32,
    scratch: &mut [f32],
) {
    let shape = &conv.shape;
    let (strip, rest) = scratch.split_at_mut(conv.input_strip());
    let (v_point, m_point) = (conv.point(n, conv.inputs), conv.point(n, conv.outputs));
    let (v, rest) = rest.split_at_mut(A * A * v_point);
    let (m, rest) = rest.split_at_mut(A * A * m_point);
    let (out, rest) = rest.split_at_mut(conv.output_strip(conv.lanes));
    let biases = &mut rest[..conv.outputs];
    biases.fill(0.0);
    if let Some(bias) = bias {
        biases[..shape.outputs].copy_from_slice(&bias[..shape.outputs]);
    }
    strip.fill(0.0);
    let (block, end) = (conv.block_rows(n), rows.end);
    for first in rows.step_by(block) {
        let rows = block.min(end - first);
        // SAFETY: tile rows are below `end`; buffers were split by the same lengths.
        unsafe {
            for row in 0..rows {
                let (image, tile_row) = ((first + row) / conv.tiles[0], (first + row) % conv.tiles[0]);
                let from = x.as_ptr().add(image * shape.input_len());
                let to = v.as_mut_ptr().add(row * conv.tiles[1] * conv.inputs);
                input::<S, T, M, A>(conv, tile_row, from, strip, to, v_point);
            }
            for point in 0..A * A {
                product::<S>(&Product {
                    rows: rows * conv.tiles[1],
                    vectors: conv.outputs / S::LANES,
                    depth: shape.inputs,
                    a: v.as_ptr().add(point * v_point),
                    a_row: conv.inputs,
                    a_step: 1,
                    b: packed.as_ptr().add(point * conv.packed_point(shape.inputs, shape.outputs)),
                    b_panel: shape.inputs * 2 * S::LANES,
                    b_step: 2 * S::LANES,
                    c: m.as_mut_ptr().add(point * m_point),
                    c_row: conv.outputs,
                    start: Start::Zero,
                });
            }
            for row in 0..rows {
                let (image, tile_row) = ((first + row) / conv.tiles[0], (first + row) % conv.tiles[0]);
                let to = y.add(image * shape.output_len());
                let from = m.as_ptr().add(row * conv.tiles[1] * conv.outputs);
                output::<S, T, M, A>(conv, tile_row, from, m_point, biases, floor, out, to);
            }
        }
    }
}

/// `V = Bᵀ X B` for one tile row of one image; `strip` has zeros left and right of the image's columns.
///
/// # Safety
/// Pointers are valid for the shape; `S` is available.
#[inline(always)]
pub(super) unsafe fn input<S: Simd, T: Transform<S, M, A>, const M: usize, const A: usize>(
    conv: &Winograd,
    tile_row: usize,
    image: *const f32,
    strip: &mut [f32],
    v: *mut f32,
    v_point: usize,
) {
    let (shape, channels) = (&conv.shape, conv.inputs);
    let pitch = conv.tiles[1] * M + 2;
    let top = tile_row * M;
    let start = top.saturating_sub(shape.padding[0]).min(shape.size[0]);
    let end = (top + A).saturating_sub(shape.padding[0]).min(shape.size[0]);
    let above = (start + shape.padding[0] - top).min(A);
    strip[..above * pitch * channels].fill(0.0);
    strip[(above + end - start) * pitch * channels..].fill(0.0);
    let rows = Rows {
        channels: shape.inputs,
        plane: shape.size[0] * shape.size[1],
        width: shape.size[1],
        start,
        end,
        at: above * pitch + shape.padding[1],
        pitch,
        pixel: channels,
    };
    // SAFETY: the strip holds `A` rows of `pitch` pixels; tiles end inside it.
    unsafe {
        gather::<S>(&rows, image, strip.as_mut_ptr());
        for tile in 0..conv.tiles[1] {
            for c in (0..channels).step_by(S::LANES) {
                let from = strip.as_ptr().add(tile * M * channels + c);
                let to = v.add(tile * channels + c);
                let mut half = [[S::zero(); A]; A];
                for j in 0..A {
                    let mut column = [S::zero(); A];
                    for i in 0..A {
                        column[i] = S::load(from.add((i * pitch + j) * channels));
                    }
                    half[j] = T::input(column);
                }
                for i in 0..A {
                    let mut row = [S::zero(); A];
                    for j in 0..A {
                        row[j] = half[j][i];
                    }
                    let row = T::input(row);
                    for j in 0..A {
                        S::store(to.add((i * A + j) * v_point), row[j]);
                    }
                }
            }
        }
    }
}

/// `Y = max(floor, Aᵀ M A + bias)` for one tile row of one image.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn output<S: Simd, T: Transform<S, M, A>, const M: usize, const A: usize>(
    conv: &Winograd,
    tile_row: usize,
    m: *const f32,
    m_point: usize,
    biases: &[f32],
    floor: f32,
    out: &mut [f32],
    image: *mut f32,
) {
    let [out_h, out_w] = conv.shape.output();
    let pitch = conv.tiles[1] * M;
    for c in (0..conv.outputs).step_by(S::LANES) {
        // SAFETY: the strip holds `M` rows of `pitch` vectors; only present channels are scattered.
        unsafe {
            let bias = S::load(biases.as_ptr().add(c));
            let floor = S::splat(floor);
            for tile in 0..conv.tiles[1] {
                let from = m.add(tile * conv.outputs + c);
                let to = out.as_mut_ptr().add(tile * M * S::LANES);
                let mut half = [[S::zero(); M]; A];
                for j in 0..A {
                    let mut column = [S::zero(); A];
                    for i in 0..A {
                        column[i] = S::load(from.add((i * A + j) * m_point));
                    }
                    half[j] = T::output(column);
                }
                for i in 0..M {
                    let mut row = [S::zero(); A];
                    for j in 0..A {
                        row[j] = half[j][i];
                    }
                    let row = T::output(row);
                    for j in 0..M {
                        let value = S::max(floor, S::add(row[j], bias));
                        S::store(to.add((i * pitch + j) * S::LANES), value);
                    }
                }
            }
            let rows = Rows {
                channels: S::LANES.min(conv.shape.outputs - c),
                plane: out_h * out_w,
                width: out_w,
                start: tile_row * M,
                end: (tile_row * M + M).min(out_h),
                at: 0,
                pitch,
                pixel: S::LANES,
            };
            scatter::<S>(&rows, out.as_ptr(), image.add(c * rows.plane));
        }
    }
}
