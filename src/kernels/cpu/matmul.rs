//! The matrix product op by the products of [`gemm`]. With a plain `a` the right factor is packed once for all slices
//! of the batch; with a transposed `a`, as for the gradient of weights, the depth is the batch, and slices of it are
//! summed.
//!
//! Weights too large for a cache are read once in all, by all threads: [`parallel`] splits a product along its longest
//! extent into a fixed number of parts, so that the result does not depend on the number of threads.
// Bodies in plain Rust are compiled for each instruction set all the same.
#![allow(unsafe_code, clippy::extra_unused_type_parameters)]

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::gemm::{Gemm, Layout, Right, Store};
use crate::kernels::cpu::simd::{Simd, dispatch};
use crate::kernels::cpu::{Call, Prepared, add_up};
use crate::ops::batch_matmul;
use crate::ops::epilogue::has_relu;
use crate::ops::matmul::sizes;
use crate::shape::Shape;

/// Parts of a product that all threads compute.
const PARTS: usize = 32;
/// Numbers in the largest operand from which on it pays to involve all threads.
const LARGE: usize = 1 << 20;

fn product(attrs: &Attrs, inputs: &[&Shape]) -> Result<Gemm, Fault> {
    Ok(of_sizes(attrs, sizes(attrs, inputs[0], inputs[1])?))
}

fn of_sizes(attrs: &Attrs, sizes: [usize; 3]) -> Gemm {
    let layout = |name: &str| if attrs.get_int(name) == 1 { Layout::Transposed } else { Layout::Plain };
    Gemm::new(sizes, layout("transpose_a"), layout("transpose_b"))
}

/// A product for each pair of matrices that a call's images hold.
pub fn batched(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [rows, depth, columns] = batch_matmul::sizes(attrs, inputs[0], inputs[1])?;
    let job = of_sizes(attrs, [rows, depth, columns]);
    Prepared::with_scratch(job.scratch_len(), move |inputs, c, scratch| {
        let pairs = inputs[0].chunks_exact(rows * depth).zip(inputs[1].chunks_exact(depth * columns));
        for ((a, b), c) in pairs.zip(c.chunks_exact_mut(rows * columns)) {
            job.run(a, Right::Stored(b), c, Store::Overwrite, scratch);
        }
    })
}

/// What `max(floor, ·)` leaves of a sum.
fn floor(attrs: &Attrs) -> f32 {
    if has_relu(attrs) { 0.0 } else { f32::NEG_INFINITY }
}

pub fn matmul(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let (job, floor) = (product(attrs, inputs)?, floor(attrs));
    if job.a == Layout::Transposed {
        let run = move |inputs: &[&[f32]], sum: &mut [f32], scratch: &mut [f32]| {
            job.run(inputs[0], Right::Stored(inputs[1]), sum, Store::Add, scratch);
        };
        let prepared = Prepared::with_scratch(job.scratch_len(), run)?;
        return Ok(prepared.summing(job.rows * job.columns, add_up));
    }
    if job.has_few_rows() {
        return Prepared::new(move |inputs, c| {
            job.run(inputs[0], Right::Stored(inputs[1]), c, Store::Overwrite, &mut []);
            finish(c, inputs.get(2).copied(), job.columns, floor);
        });
    }
    let prepared = Prepared::with_call(job.packed_scratch_len(), move |call| {
        let (inputs, c) = (call.inputs, call.output);
        job.run(inputs[0], Right::Packed(call.packed), c, Store::Overwrite, call.scratch);
        finish(c, inputs.get(2).copied(), job.columns, floor);
    })?;
    Ok(prepared.packing(1, job.packed_len(), move |b, packed| job.pack(b, packed)))
}

/// The first element and the length of part `i` of `n`.
fn part(n: usize, i: usize) -> (usize, usize) {
    let at = |i: usize| n * i / PARTS;
    (at(i), at(i + 1) - at(i))
}

pub fn parallel(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let (job, floor) = (product(attrs, inputs)?, floor(attrs));
    let [rows, depth, columns] = [job.rows, job.depth, job.columns];
    if [rows * depth, depth * columns, rows * columns].into_iter().all(|numbers| numbers < LARGE) {
        return matmul(attrs, inputs, output);
    }
    // Few rows read all of a transposed `b` in its own order when its rows, the columns of the product, are split.
    let split_depth = depth >= rows.max(columns) && !(job.has_few_rows() && columns >= PARTS);
    let split_columns = !split_depth && columns >= rows;
    let split = move |i: usize| match (split_depth, split_columns) {
        (true, _) => job.part((0, rows), part(depth, i), (0, columns)),
        (_, true) => job.part((0, rows), (0, depth), part(columns, i)),
        (_, _) => job.part(part(rows, i), (0, depth), (0, columns)),
    };
    let longest = (0..PARTS).map(|i| split(i).job.scratch_len()).max().unwrap_or(0);
    let partial = if split_depth { rows * columns } else { 0 };
    let size = (partial + longest).max(1);
    Prepared::with_call(PARTS * size, move |call| {
        let Call { inputs, output: c, scratch, team, .. } = call;
        let (a, b) = (inputs[0], inputs[1]);
        assert!(c.len() >= rows * columns, "matrix outside its slice");
        let place = Place(c.as_mut_ptr());
        team.share_pieces(scratch, size, |i, scratch| {
            let part = split(i);
            let (a, b) = (&a[part.at[0].min(a.len())..], Right::Stored(&b[part.at[1].min(b.len())..]));
            let (partial, scratch) = scratch.split_at_mut(partial);
            if split_depth {
                part.job.dense().run(a, b, partial, Store::Overwrite, scratch);
            } else if part.job.rows > 0 && part.job.columns > 0 {
                // SAFETY: the parts are apart from each other and inside `c`, which is exclusive here.
                unsafe { part.job.run_at(a, b, place.at(part.at[2]), Store::Overwrite, scratch) };
            }
        });
        if split_depth {
            c.fill(0.0);
            for part in scratch.chunks_exact(size) {
                c.iter_mut().zip(&part[..partial]).for_each(|(sum, number)| *sum += number);
            }
        }
        finish(c, inputs.get(2).copied(), columns, floor);
    })
}

/// The product's memory, of which each thread writes parts of its own.
#[derive(Clone, Copy)]
struct Place(*mut f32);

// SAFETY: the parts that threads write do not overlap.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Place {
    /// # Safety
    /// `offset` lies inside the memory.
    unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller's contract.
        unsafe { self.0.add(offset) }
    }
}

/// `c[i, j] = max(floor, c[i, j] + bias[j])`.
fn finish(c: &mut [f32], bias: Option<&[f32]>, columns: usize, floor: f32) {
    if bias.is_some() || floor > f32::NEG_INFINITY {
        // SAFETY: the body is safe code.
        unsafe { finish_rows(c, bias, columns, floor) }
    }
}

dispatch!(unsafe fn finish_rows(c: &mut [f32], bias: Option<&[f32]>, columns: usize, floor: f32) = finish_body);

#[inline(always)]
unsafe fn finish_body<S: Simd>(c: &mut [f32], bias: Option<&[f32]>, columns: usize, floor: f32) {
    // A NaN passes.
    let cut = |sum: f32| if floor > sum { floor } else { sum };
    match bias {
        Some(bias) => {
            for row in c.chunks_exact_mut(columns.max(1)) {
                row.iter_mut().zip(bias).for_each(|(number, bias)| *number = cut(*number + bias));
            }
        }
        None => c.iter_mut().for_each(|number| *number = cut(*number)),
    }
}
