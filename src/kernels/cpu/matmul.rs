//! Matrix products, in bands of rows for the threads.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::gemm::{Into, Matrix, gemm};
use crate::kernels::cpu::{N_TILES, Prepared};
use crate::ops::matmul::sizes;
use crate::shape::Shape;

pub fn matmul(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
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
