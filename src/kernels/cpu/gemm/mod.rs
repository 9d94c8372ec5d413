//! Matrix products `c (+)= op(a) op(b)` on row-major matrices, on one thread.
//!
//! Blocks of `b` are packed into panels of two vectors, transposed on the way where `b` is; a `b` that many products
//! share is packed once, by [`Gemm::pack`]. Rows of `a` are broadcast in place, or packed where `a` is transposed. A
//! product of few rows reads each number of `b` so seldom that packing would cost more than it saves: it runs as dot
//! products, or where `b` is not transposed as sums of its rows.
#![allow(unsafe_code, clippy::needless_range_loop)]

mod few;
mod pack;

use crate::kernels::cpu::simd::{Simd, dispatch, level};
use crate::kernels::cpu::tile::{self, Product, Start};
use few::{dots, sums};
use pack::{pack_a, pack_b};

/// Depth of a block: a panel of two vectors and six rows stay in L1.
const DEPTH: usize = 256;
/// Numbers in a block of `b`, which stays in L2.
const BLOCK: usize = 32 << 10;
/// Columns of a block of `b`, at least and at most.
const COLUMNS: [usize; 2] = [128, 8192];
/// Rows of a block of `a`, which stays in L2.
const ROWS: usize = 192;
/// Up to this depth a block is computed row by row, so that `c`, then the largest, is written along its rows.
const SHORT: usize = 32;
/// Up to so many rows, a product with a plain `a` packs nothing.
const FEW_ROWS: usize = 4;

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row-major, as the product needs it.
    Plain,
    /// Row-major of the transposed matrix.
    Transposed,
}

/// What happens to the numbers already in `c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Overwrite,
    Add,
}

/// Where the right factor is.
#[derive(Clone, Copy, Debug)]
pub enum Right<'a> {
    /// As its layout says.
    Stored(&'a [f32]),
    /// As [`Gemm::pack`] left it.
    Packed(&'a [f32]),
}

/// The sizes of `c[rows, columns] (+)= op(a)[rows, depth] · op(b)[depth, columns]`.
#[derive(Clone, Copy, Debug)]
pub struct Gemm {
    pub rows: usize,
    pub columns: usize,
    /// Length of the sums.
    pub depth: usize,
    /// Layout of `a`: `[rows, depth]` or transposed `[depth, rows]`.
    pub a: Layout,
    /// Layout of `b`: `[depth, columns]` or transposed `[columns, depth]`.
    pub b: Layout,
    /// Distances between the rows of `a`, `b` and `c` in memory.
    strides: [usize; 3],
}

/// A part of a product, and where its corner lies in `a`, `b` and `c`.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub job: Gemm,
    pub at: [usize; 3],
}

impl Gemm {
    /// Dense matrices.
    pub fn new([rows, depth, columns]: [usize; 3], a: Layout, b: Layout) -> Gemm {
        let a_stride = if a == Layout::Plain { depth } else { rows };
        let b_stride = if b == Layout::Plain { columns } else { depth };
        Gemm { rows, columns, depth, a, b, strides: [a_stride, b_stride, columns] }
    }

    /// The product of some rows of `a`, some of the depth and some columns of `b`: first and number of each. What the
    /// parts of a depth give has to be added up.
    pub fn part(&self, rows: (usize, usize), depth: (usize, usize), columns: (usize, usize)) -> Part {
        let corner = |layout, row: usize, column: usize, stride| match layout {
            Layout::Plain => row * stride + column,
            Layout::Transposed => column * stride + row,
        };
        let at = [
            corner(self.a, rows.0, depth.0, self.strides[0]),
            corner(self.b, depth.0, columns.0, self.strides[1]),
            corner(Layout::Plain, rows.0, columns.0, self.strides[2]),
        ];
        Part { job: Gemm { rows: rows.1, depth: depth.1, columns: columns.1, ..*self }, at }
    }

    /// The same with a `c` that has no gaps between its rows.
    pub fn dense(self) -> Gemm {
        Gemm { strides: [self.strides[0], self.strides[1], self.columns], ..self }
    }

    /// Whether the product has so few rows that nothing is packed.
    pub fn has_few_rows(&self) -> bool {
        self.rows <= FEW_ROWS && self.a == Layout::Plain
    }

    /// Numbers that [`Gemm::pack`] writes.
    pub fn packed_len(&self) -> usize {
        self.depth * self.columns.next_multiple_of(2 * level().lanes())
    }

    /// Packs `b` for products of any number of rows.
    pub fn pack(&self, b: &[f32], packed: &mut [f32]) {
        assert!(b.len() >= self.reach()[1] && packed.len() >= self.packed_len());
        // SAFETY: the lengths were checked.
        unsafe { pack_all(self, b.as_ptr(), packed.as_mut_ptr()) }
    }

    /// Numbers of scratch memory that a run with a stored `b` needs.
    pub fn scratch_len(&self) -> usize {
        if self.has_few_rows() { 0 } else { self.block_len() + self.packed_scratch_len() }
    }

    /// Numbers of scratch memory that a run with a packed `b` needs.
    pub fn packed_scratch_len(&self) -> usize {
        let a = if self.a == Layout::Plain { 0 } else { DEPTH.min(self.depth) * self.rows };
        self.rows.min(ROWS) * 2 * level().lanes() + a
    }

    /// Numbers in a block of `b`.
    fn block_len(&self) -> usize {
        DEPTH.min(self.depth) * self.block_columns()
    }

    fn block_columns(&self) -> usize {
        let columns = (BLOCK / DEPTH.min(self.depth).max(1)).clamp(COLUMNS[0], COLUMNS[1]);
        let panel = 2 * level().lanes();
        columns.min(self.columns.next_multiple_of(panel)) / panel * panel
    }

    /// How far the matrices reach in memory.
    fn reach(&self) -> [usize; 3] {
        let len = |layout, rows: usize, columns: usize, stride| {
            let (rows, columns) = if layout == Layout::Plain { (rows, columns) } else { (columns, rows) };
            if rows == 0 || columns == 0 { 0 } else { (rows - 1) * stride + columns }
        };
        [
            len(self.a, self.rows, self.depth, self.strides[0]),
            len(self.b, self.depth, self.columns, self.strides[1]),
            len(Layout::Plain, self.rows, self.columns, self.strides[2]),
        ]
    }

    /// Runs the product.
    pub fn run(&self, a: &[f32], b: Right<'_>, c: &mut [f32], store: Store, scratch: &mut [f32]) {
        assert!(c.len() >= self.reach()[2], "matrix outside its slice");
        // SAFETY: the length was checked; `c` is exclusive.
        unsafe { self.run_at(a, b, c.as_mut_ptr(), store, scratch) }
    }

    /// Runs the product on a `c` whose gaps between rows may belong to others.
    ///
    /// # Safety
    /// `c` is valid for `rows` rows of `columns` numbers, a row every `c` stride, and nobody else uses these.
    pub unsafe fn run_at(&self, a: &[f32], b: Right<'_>, c: *mut f32, store: Store, scratch: &mut [f32]) {
        let [a_len, b_len, _] = self.reach();
        let fits = match b {
            Right::Stored(b) => b.len() >= b_len && scratch.len() >= self.scratch_len(),
            Right::Packed(b) => b.len() >= self.packed_len() && scratch.len() >= self.packed_scratch_len(),
        };
        assert!(a.len() >= a_len && fits, "matrix outside its slice");
        // SAFETY: all lengths were checked, and `c` is the caller's.
        unsafe { run(self, a.as_ptr(), b, c, store, scratch) }
    }
}

dispatch!(unsafe fn pack_all(job: &Gemm, b: *const f32, packed: *mut f32) = pack_all_body);

#[inline(always)]
unsafe fn pack_all_body<S: Simd>(job: &Gemm, b: *const f32, packed: *mut f32) {
    let columns = job.columns.next_multiple_of(2 * S::LANES);
    for k in (0..job.depth).step_by(DEPTH) {
        // SAFETY: the block lies inside `b`, and its panels inside `packed`.
        unsafe {
            pack_b::<S>(job, b, (k, DEPTH.min(job.depth - k)), (0, job.columns), packed.add(k * columns))
        }
    }
}

dispatch!(unsafe fn run(job: &Gemm, a: *const f32, b: Right<'_>, c: *mut f32, store: Store, scratch: &mut [f32]) = body);

#[inline(always)]
unsafe fn body<S: Simd>(
    job: &Gemm,
    a: *const f32,
    b: Right<'_>,
    c: *mut f32,
    store: Store,
    scratch: &mut [f32],
) {
    // SAFETY: the caller checked all lengths.
    unsafe {
        match (b, job.b) {
            (Right::Stored(b), Layout::Plain) if job.has_few_rows() => match job.rows {
                1 => sums::<S, 1>(job, a, b.as_ptr(), c, store),
                2 => sums::<S, 2>(job, a, b.as_ptr(), c, store),
                3 => sums::<S, 3>(job, a, b.as_ptr(), c, store),
                _ => sums::<S, FEW_ROWS>(job, a, b.as_ptr(), c, store),
            },
            (Right::Stored(b), Layout::Transposed) if job.has_few_rows() => match job.rows {
                1 => dots::<S, 1>(job, a, b.as_ptr(), c, store),
                2 => dots::<S, 2>(job, a, b.as_ptr(), c, store),
                3 => dots::<S, 3>(job, a, b.as_ptr(), c, store),
                _ => dots::<S, FEW_ROWS>(job, a, b.as_ptr(), c, store),
            },
            (b, _) => blocks::<S>(job, a, b, c, store, scratch),
        }
    }
}

#[inline(always)]
unsafe fn blocks<S: Simd>(
    job: &Gemm,
    a: *const f32,
    b: Right<'_>,
    c: *mut f32,
    store: Store,
    scratch: &mut [f32],
) {
    let (panel, [a_stride, _, c_stride]) = (2 * S::LANES, job.strides);
    let all_columns = job.columns.next_multiple_of(panel);
    let (block_columns, block_len) = match b {
        Right::Packed(_) => (all_columns, 0),
        Right::Stored(_) => (job.block_columns(), job.block_len()),
    };
    let (packed_b, rest) = scratch.split_at_mut(block_len);
    let (edge, packed_a) = rest.split_at_mut(job.rows.min(ROWS) * panel);
    for k in (0..job.depth).step_by(DEPTH) {
        let depth = DEPTH.min(job.depth - k);
        let start = if k == 0 && store == Store::Overwrite { Start::Zero } else { Start::Stored };
        // SAFETY: blocks lie inside the matrices; packed buffers have room for a whole block.
        unsafe {
            if job.a == Layout::Transposed {
                pack_a(job, a.add(k * a_stride), depth, packed_a.as_mut_ptr());
            }
            for column in (0..job.columns).step_by(block_columns.max(1)) {
                let columns = block_columns.min(job.columns - column);
                let b = match b {
                    Right::Packed(b) => b.as_ptr().add(k * all_columns),
                    Right::Stored(b) => {
                        pack_b::<S>(job, b.as_ptr(), (k, depth), (column, columns), packed_b.as_mut_ptr());
                        packed_b.as_ptr()
                    }
                };
                for row in (0..job.rows).step_by(ROWS) {
                    let (left, whole) = (columns % panel, columns / panel);
                    let inner = Product {
                        rows: ROWS.min(job.rows - row),
                        vectors: whole * 2,
                        depth,
                        a: a.add(row * a_stride + k),
                        a_row: a_stride,
                        a_step: 1,
                        b,
                        b_panel: depth * panel,
                        b_step: panel,
                        c: c.add(row * c_stride + column),
                        c_row: c_stride,
                        start,
                    };
                    // Columns that fill no panel are computed beside the matrix.
                    let outer = Product {
                        vectors: left.div_ceil(S::LANES),
                        b: b.add(whole * depth * panel),
                        c: edge.as_mut_ptr(),
                        c_row: panel,
                        start: Start::Zero,
                        ..inner
                    };
                    for block in [inner, outer] {
                        let packed_a =
                            (job.a == Layout::Transposed).then(|| packed_a.as_ptr().add(row * depth));
                        multiply::<S>(&block, packed_a);
                    }
                    for i in 0..inner.rows {
                        let (from, to) =
                            (edge.as_ptr().add(i * panel), inner.c.add(i * c_stride + whole * panel));
                        for j in 0..left {
                            let before = if start == Start::Zero { 0.0 } else { *to.add(j) };
                            *to.add(j) = before + *from.add(j);
                        }
                    }
                }
            }
        }
    }
}

/// Rows of the next group: as many as a tile takes, but two tiles of four rather than one of six and a rest.
#[inline(always)]
fn group(left: usize) -> usize {
    match left {
        7 | 8 => 4,
        _ => left.min(tile::ROWS),
    }
}

/// One block, with `a` in place or packed in groups of rows.
#[inline(always)]
unsafe fn multiply<S: Simd>(block: &Product, packed_a: Option<*const f32>) {
    let panels = if block.depth <= SHORT { block.vectors } else { tile::VECTORS };
    for panel in (0..block.vectors).step_by(panels.max(1)) {
        let mut row = 0;
        while row < block.rows {
            let rows = group(block.rows - row);
            // SAFETY: groups and panels lie inside the block.
            unsafe {
                let (a, a_row, a_step) = match packed_a {
                    Some(packed) => (packed.add(row * block.depth), 1, rows),
                    None => (block.a.add(row * block.a_row), block.a_row, block.a_step),
                };
                tile::product::<S>(&Product {
                    rows,
                    vectors: panels.min(block.vectors - panel),
                    a,
                    a_row,
                    a_step,
                    b: block.b.add(panel / tile::VECTORS * block.b_panel),
                    c: block.c.add(row * block.c_row + panel * S::LANES),
                    ..*block
                });
            }
            row += rows;
        }
    }
}
