//! One call into the `gemm` crate: `C = A B` or `C += A B` on slices, single-threaded.
#![allow(unsafe_code)]

/// A matrix inside a slice: element `(i, j)` is at `i * row + j * column`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub column: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row, `columns` wide.
    pub fn new(data: &'a [f32], columns: usize) -> Matrix<'a> {
        Matrix { data, row: columns, column: 1 }
    }

    /// The transpose of a matrix stored row after row, `columns` wide.
    pub fn transposed(data: &'a [f32], columns: usize) -> Matrix<'a> {
        Matrix { data, row: 1, column: columns }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// What happens to what `C` held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Into {
    Overwrite,
    Add,
}

/// `c` (`m x n`, row after row) takes `a` (`m x k`) times `b` (`k x n`).
pub fn gemm([m, k, n]: [usize; 3], a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], into: Into) {
    assert!(a.holds(m, k) && b.holds(k, n) && c.len() >= m * n, "matrix outside its slice");
    // SAFETY: the assertion keeps every element that the strides reach inside its slice; `c` is exclusive.
    unsafe {
        ::gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            into == Into::Add,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            ::gemm::Parallelism::None,
        );
    }
}
