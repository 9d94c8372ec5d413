//! The register tile of a matrix product, with free strides: six rows of broadcasts by two vectors.
//!
//! Rows come by broadcasts and need no packing; columns come by vector loads, from packed panels or from
//! rows of a matrix. Every product of the crate that is not a sum of shifted planes runs through here.
#![allow(unsafe_code, clippy::needless_range_loop)]

use crate::kernels::cpu::simd::Simd;

/// Rows of a full tile.
pub(crate) const ROWS: usize = 6;
/// Vectors of a full tile.
pub(crate) const VECTORS: usize = 2;

/// `c[i, j] (+)= Σ_k a[i, k] · b[k, j]` for `rows` rows and `vectors` vectors of columns.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    pub(crate) rows: usize,
    pub(crate) vectors: usize,
    pub(crate) depth: usize,
    /// `a[i, k]` is at `i * a_row + k * a_step`.
    pub(crate) a: *const f32,
    pub(crate) a_row: usize,
    pub(crate) a_step: usize,
    /// Two vectors of `b[k, ..]` are at `panel * b_panel + k * b_step`.
    pub(crate) b: *const f32,
    pub(crate) b_panel: usize,
    pub(crate) b_step: usize,
    /// Row `i` is at `i * c_row`.
    pub(crate) c: *mut f32,
    pub(crate) c_row: usize,
    /// What the sums start from.
    pub(crate) start: Start,
}

/// What a product is added to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing.
    Zero,
    /// The values in `c`.
    Stored,
}

/// Computes the product, panel by panel.
///
/// # Safety
/// Pointers are valid for what the product describes, whole vectors included; `S` is available.
#[inline(always)]
pub(crate) unsafe fn product<S: Simd>(p: &Product) {
    // SAFETY: the caller's contract.
    unsafe {
        for panel in 0..p.vectors / VECTORS {
            panel_product::<S, VECTORS>(p, panel);
        }
        if !p.vectors.is_multiple_of(VECTORS) {
            panel_product::<S, 1>(p, p.vectors / VECTORS);
        }
    }
}

#[inline(always)]
unsafe fn panel_product<S: Simd, const N: usize>(p: &Product, panel: usize) {
    // SAFETY: `row` stays below `rows`.
    unsafe {
        let b = p.b.add(panel * p.b_panel);
        let c = p.c.add(panel * VECTORS * S::LANES);
        let mut row = 0;
        while row + ROWS <= p.rows {
            tile::<S, ROWS, N>(p, p.a.add(row * p.a_row), b, c.add(row * p.c_row));
            row += ROWS;
        }
        let (a, c) = (p.a.add(row * p.a_row), c.add(row * p.c_row));
        match p.rows - row {
            1 => tile::<S, 1, N>(p, a, b, c),
            2 => tile::<S, 2, N>(p, a, b, c),
            3 => tile::<S, 3, N>(p, a, b, c),
            4 => tile::<S, 4, N>(p, a, b, c),
            5 => tile::<S, 5, N>(p, a, b, c),
            _ => {}
        }
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const M: usize, const N: usize>(
    p: &Product,
    mut a: *const f32,
    mut b: *const f32,
    c: *mut f32,
) {
    // SAFETY: `M` rows and `N` vectors exist from here on.
    unsafe {
        let mut sums = [[S::zero(); N]; M];
        if p.start == Start::Stored {
            for i in 0..M {
                for j in 0..N {
                    sums[i][j] = S::load(c.add(i * p.c_row + j * S::LANES));
                }
            }
        }
        for _ in 0..p.depth {
            let mut values = [S::zero(); N];
            for j in 0..N {
                values[j] = S::load(b.add(j * S::LANES));
            }
            for i in 0..M {
                let factor = S::splat(*a.add(i * p.a_row));
                for j in 0..N {
                    sums[i][j] = S::fma(values[j], factor, sums[i][j]);
                }
            }
            a = a.add(p.a_step);
            b = b.add(p.b_step);
        }
        for i in 0..M {
            for j in 0..N {
                S::store(c.add(i * p.c_row + j * S::LANES), sums[i][j]);
            }
        }
    }
}
