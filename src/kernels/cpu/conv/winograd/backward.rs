//! The adjoint of the forward steps: `dM = A dY Aᵀ`, `dX = B (Uᵀ dM) Bᵀ` and `dU = Vᵀ dM`, `dW = Gᵀ dU G`.

use super::strip::{Rows, gather, scatter};
use super::transform::{F2, F4, Transform};
use super::{Tile, Winograd, forward, odd_lines, weights};
use crate::kernels::cpu::simd::{Simd, dispatch};
use crate::kernels::cpu::tile::{Product, Start, product};

dispatch!(
    /// # Safety
    /// Slices are as long as the shape, `n` and the scratch length say.
    pub(super) unsafe fn run(
        conv: &Winograd, n: usize, dy: &[f32], input: Option<(&[f32], &mut [f32])>,
        weights: Option<(&[f32], &mut [f32])>, scratch: &mut [f32],
    ) = body
);

#[inline(always)]
unsafe fn body<S: Simd>(
    conv: &Winograd,
    n: usize,
    dy: &[f32],
    input: Option<(&[f32], &mut [f32])>,
    weights: Option<(&[f32], &mut [f32])>,
    scratch: &mut [f32],
) {
    // SAFETY: the caller's contract.
    unsafe {
        match conv.tile {
            Tile::Two => tiles::<S, F2, 2, 4>(conv, n, dy, input, weights, scratch),
            Tile::Four => tiles::<S, F4, 4, 6>(conv, n, dy, input, weights, scratch),
        }
    }
}

#[inline(always)]
unsafe fn tiles<S: Simd, T: Transform<S, M, A>, const M: usize, const A: usize>(
    conv: &Winograd,
    n: usize,
    dy: &[f32],
    mut input: Option<(&[f32], &mut [f32])>,
    mut weights: Option<(&[f32], &mut [f32])>,
    scratch: &mut [f32],
) {
    let shape = &conv.shape;
    let (strip, rest) = scratch.split_at_mut(conv.input_strip());
    let (sums, rest) = rest.split_at_mut(conv.input_strip());
    let (dy_strip, rest) = rest.split_at_mut(conv.output_strip(conv.outputs));
    let (v_point, m_point) = (conv.point(n, conv.inputs), conv.point(n, conv.outputs));
    let (v, rest) = rest.split_at_mut(A * A * v_point);
    let (dm, du) = rest.split_at_mut(A * A * m_point);
    let chunk = conv.chunk(n);
    let u_point = odd_lines(shape.inputs * chunk);
    strip.fill(0.0);
    dy_strip.fill(0.0);
    let total = n * conv.tiles[0];
    let block = conv.block_rows(n);
    for first in (0..total).step_by(block) {
        let rows = block.min(total - first);
        let place = |row: usize| ((first + row) / conv.tiles[0], (first + row) % conv.tiles[0]);
        // SAFETY: tile rows are below `total`; buffers were split by the same lengths.
        unsafe {
            for row in 0..rows {
                let (image, tile_row) = place(row);
                let from = dy.as_ptr().add(image * shape.output_len());
                let to = dm.as_mut_ptr().add(row * conv.tiles[1] * conv.outputs);
                output_adjoint::<S, T, M, A>(conv, tile_row, from, dy_strip, to, m_point);
            }
            if let Some((packed, dx)) = &mut input {
                for point in 0..A * A {
                    product::<S>(&Product {
                        rows: rows * conv.tiles[1],
                        vectors: conv.inputs / S::LANES,
                        depth: shape.outputs,
                        a: dm.as_ptr().add(point * m_point),
                        a_row: conv.outputs,
                        a_step: 1,
                        b: packed.as_ptr().add(point * conv.packed_point(shape.outputs, shape.inputs)),
                        b_panel: shape.outputs * 2 * S::LANES,
                        b_step: 2 * S::LANES,
                        c: v.as_mut_ptr().add(point * v_point),
                        c_row: conv.inputs,
                        start: Start::Zero,
                    });
                }
                for row in 0..rows {
                    let (image, tile_row) = place(row);
                    let to = dx.as_mut_ptr().add(image * shape.input_len());
                    let from = v.as_ptr().add(row * conv.tiles[1] * conv.inputs);
                    input_adjoint::<S, T, M, A>(conv, tile_row, from, v_point, sums, to);
                }
            }
            if let Some((x, dw)) = &mut weights {
                for row in 0..rows {
                    let (image, tile_row) = place(row);
                    let from = x.as_ptr().add(image * shape.input_len());
                    let to = v.as_mut_ptr().add(row * conv.tiles[1] * conv.inputs);
                    forward::input::<S, T, M, A>(conv, tile_row, from, strip, to, v_point);
                }
                for channel in (0..conv.outputs).step_by(chunk) {
                    let width = chunk.min(conv.outputs - channel);
                    for point in 0..A * A {
                        product::<S>(&Product {
                            rows: shape.inputs,
                            vectors: width / S::LANES,
                            depth: rows * conv.tiles[1],
                            a: v.as_ptr().add(point * v_point),
                            a_row: 1,
                            a_step: conv.inputs,
                            b: dm.as_ptr().add(point * m_point + channel),
                            b_panel: 2 * S::LANES,
                            b_step: conv.outputs,
                            c: du.as_mut_ptr().add(point * u_point),
                            c_row: chunk,
                            start: if first == 0 { Start::Zero } else { Start::Stored },
                        });
                    }
                    if first + rows == total {
                        weights::unpack::<S, T, M, A>(conv, chunk, channel, du.as_ptr(), dw.as_mut_ptr());
                    }
                }
            }
        }
    }
}

/// `dM = A dY Aᵀ` for one tile row; `strip` has zeros right of the image's columns.
#[inline(always)]
unsafe fn output_adjoint<S: Simd, T: Transform<S, M, A>, const M: usize, const A: usize>(
    conv: &Winograd,
    tile_row: usize,
    image: *const f32,
    strip: &mut [f32],
    dm: *mut f32,
    m_point: usize,
) {
    let [out_h, out_w] = conv.shape.output();
    let (pitch, channels) = (conv.tiles[1] * M, conv.outputs);
    let (start, end) = (tile_row * M, (tile_row * M + M).min(out_h));
    strip[(end - start) * pitch * channels..].fill(0.0);
    let rows = Rows {
        channels: conv.shape.outputs,
        plane: out_h * out_w,
        width: out_w,
        start,
        end,
        at: 0,
        pitch,
        pixel: channels,
    };
    // SAFETY: the strip holds `M` rows of `pitch` pixels.
    unsafe {
        gather::<S>(&rows, image, strip.as_mut_ptr());
        for tile in 0..conv.tiles[1] {
            for c in (0..channels).step_by(S::LANES) {
                let from = strip.as_ptr().add(tile * M * channels + c);
                let to = dm.add(tile * channels + c);
                let mut half = [[S::zero(); A]; M];
                for j in 0..M {
                    let mut column = [S::zero(); M];
                    for i in 0..M {
                        column[i] = S::load(from.add((i * pitch + j) * channels));
                    }
                    half[j] = T::output_adjoint(column);
                }
                for i in 0..A {
                    let mut row = [S::zero(); M];
                    for j in 0..M {
                        row[j] = half[j][i];
                    }
                    let row = T::output_adjoint(row);
                    for j in 0..A {
                        S::store(to.add((i * A + j) * m_point), row[j]);
                    }
                }
            }
        }
    }
}

/// `dX = Σ_tiles B dV Bᵀ`: adds one tile row to `sums`, writes the rows that are complete, and keeps the
/// two rows that the next tile row adds to.
#[inline(always)]
unsafe fn input_adjoint<S: Simd, T: Transform<S, M, A>, const M: usize, const A: usize>(
    conv: &Winograd,
    tile_row: usize,
    dv: *const f32,
    v_point: usize,
    sums: &mut [f32],
    image: *mut f32,
) {
    let (shape, channels) = (&conv.shape, conv.inputs);
    let pitch = conv.tiles[1] * M + 2;
    let kept = if tile_row == 0 { 0 } else { (A - M) * pitch * channels };
    sums[kept..].fill(0.0);
    for tile in 0..conv.tiles[1] {
        for c in (0..channels).step_by(S::LANES) {
            // SAFETY: the strip holds `A` rows of `pitch` pixels; tiles end inside it.
            unsafe {
                let from = dv.add(tile * channels + c);
                let to = sums.as_mut_ptr().add(tile * M * channels + c);
                let mut half = [[S::zero(); A]; A];
                for j in 0..A {
                    let mut column = [S::zero(); A];
                    for i in 0..A {
                        column[i] = S::load(from.add((i * A + j) * v_point));
                    }
                    half[j] = T::input_adjoint(column);
                }
                for i in 0..A {
                    let mut row = [S::zero(); A];
                    for j in 0..A {
                        row[j] = half[j][i];
                    }
                    let row = T::input_adjoint(row);
                    for j in 0..A {
                        let sum = to.add((i * pitch + j) * channels);
                        S::store(sum, S::add(S::load(sum), row[j]));
                    }
                }
            }
        }
    }
    let last = tile_row + 1 == conv.tiles[0];
    let top = tile_row * M;
    let complete = top + if last { A } else { M };
    let start = top.saturating_sub(shape.padding[0]).min(shape.size[0]);
    let rows = Rows {
        channels: shape.inputs,
        plane: shape.size[0] * shape.size[1],
        width: shape.size[1],
        start,
        end: complete.saturating_sub(shape.padding[0]).min(shape.size[0]),
        at: (start + shape.padding[0]).saturating_sub(top) * pitch + shape.padding[1],
        pitch,
        pixel: channels,
    };
    // SAFETY: rows `start..end` of the image lie in the strip.
    unsafe { scatter::<S>(&rows, sums.as_ptr(), image) };
    if !last {
        sums.copy_within(M * pitch * channels.., 0);
    }
}
