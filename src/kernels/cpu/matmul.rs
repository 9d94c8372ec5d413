//! Matrix products, in bands of rows for the threads.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::gemm::{Into, Matrix, gemm};
use crate::kernels::cpu::{N_TILES, Prepared, add_up};
use crate::ops::matmul::sizes;
use crate::shape::Shape;

/// On one thread; a product over the images adds to a sum.
pub fn matmul(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let [m, k, n] = sizes(attrs, inputs[0], inputs[1])?;
    let (turn_a, turn_b) = (attrs.get_int("transpose_a") == 1, attrs.get_int("transpose_b") == 1);
    let product = move |inputs: &[&[f32]], output: &mut [f32], into: Into| {
        let a = if turn_a { Matrix::transposed(inputs[0], m) } else { Matrix::new(inputs[0], k) };
        let b = if turn_b { Matrix::transposed(inputs[1], k) } else { Matrix::new(inputs[1], n) };
        gemm([m, k, n], a, b, output, into);
    };
    if turn_a && !turn_b {
        let run = Prepared::new(move |inputs, output| product(inputs, output, Into::Add))?;
        return Ok(run.summing(output.elements(), add_up));
    }
    Prepared::new(move |inputs, output| product(inputs, output, Into::Overwrite))
}

/// In bands of rows for the threads.
pub fn matmul_parallel(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [m, k, n] = sizes(attrs, inputs[0], inputs[1])?;
    let (turn_a, turn_b) = (attrs.get_int("transpose_a") == 1, attrs.get_int("transpose_b") == 1);
    let band = m.div_ceil(N_TILES).max(1);
    Prepared::new(move |inputs, output| {
        let (a, b) = (inputs[0], inputs[1]);
        output.par_chunks_mut(band * n.max(1)).enumerate().for_each(|(i, c)| {
            let (first, rows) = (i * band, c.len() / n);
            let a = match turn_a {
                true => Matrix::transposed(&a[first..], m),
                false => Matrix::new(&a[first * k..], k),
            };
            let b = if turn_b { Matrix::transposed(b, k) } else { Matrix::new(b, n) };
            gemm([rows, k, n], a, b, c, Into::Overwrite);
        });
    })
}
