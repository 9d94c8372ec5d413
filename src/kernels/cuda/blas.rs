//! cuBLAS for matrix products, in full f32 or, where it is asked for, with factors in TF32 or bf16; sums are f32.
//!
//! Written against cuBLAS' documentation of `cublasGemmEx`, `cublasSetMathMode`, `cublasSetWorkspace` and of
//! reproducibility: with one stream a product gives the same bits each time.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::diag::Fault;
use crate::kernels::cuda::launch::{Product, int};
use crate::kernels::cuda::machine::PRODUCTS_WORKSPACE;
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::{Storage, Stored};
use crate::tensor::cudarc::cublas::CudaBlas;
use crate::tensor::cudarc::cublas::result::{CublasError, gemm_ex};
use crate::tensor::cudarc::cublas::sys::{
    cublasComputeType_t, cublasGemmAlgo_t, cublasMath_t, cublasOperation_t, cublasSetMathMode,
    cublasSetWorkspace_v2, cudaDataType,
};
use crate::tensor::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use crate::tensor::device_fault;

pub struct Blas {
    products: Vec<Call>,
    handle: CudaBlas,
    /// Behind the handle, which uses it.
    workspace: Option<CudaSlice<u8>>,
}

/// A product as cuBLAS sees it, which has its matrices column by column: `outᵀ = bᵀ · aᵀ`.
struct Call {
    operations: [cublasOperation_t; 2],
    /// Rows and columns of the result, and the inner extent.
    sizes: [c_int; 3],
    leading: [c_int; 3],
    /// Both factors, which are stored alike, and the result.
    left: Stored<u64>,
    right: Stored<u64>,
    out: Stored<u64>,
}

impl Call {
    fn new(product: &Product<Stored<u64>>) -> Result<Call, Fault> {
        if product.a.storage != product.b.storage {
            return Err(Fault::internal("a product for cuBLAS of factors that are stored differently"));
        }
        let [m, k, n] = product.sizes;
        let [m, k, n] = [int(m)?, int(k)?, int(n)?];
        let operation = |transposed| match transposed {
            false => cublasOperation_t::CUBLAS_OP_N,
            true => cublasOperation_t::CUBLAS_OP_T,
        };
        Ok(Call {
            operations: [operation(product.transpose_b), operation(product.transpose_a)],
            sizes: [n, m, k],
            leading: [if product.transpose_b { k } else { n }, if product.transpose_a { m } else { k }, n],
            left: product.b,
            right: product.a,
            out: product.out,
        })
    }
}

fn data_type(storage: Storage) -> cudaDataType {
    match storage {
        Storage::F32 => cudaDataType::CUDA_R_32F,
        Storage::Bf16 => cudaDataType::CUDA_R_16BF,
    }
}

fn fault(error: CublasError) -> Fault {
    device_fault("cuBLAS", &format!("{error:?}"))
}

impl Blas {
    pub fn new(stream: &Arc<CudaStream>, precision: Precision) -> Result<Blas, Fault> {
        let handle = CudaBlas::new(Arc::clone(stream)).map_err(fault)?;
        let mode = match precision {
            Precision::F32 => cublasMath_t::CUBLAS_DEFAULT_MATH,
            Precision::Tf32 => cublasMath_t::CUBLAS_TF32_TENSOR_OP_MATH,
            // Parts of a sum are not rounded to the type of the result before they are added.
            Precision::Bf16 => cublasMath_t::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION,
        };
        // SAFETY: the handle is alive.
        unsafe { cublasSetMathMode(*handle.handle(), mode) }.result().map_err(fault)?;
        Ok(Blas { products: Vec::new(), handle, workspace: None })
    }

    /// Takes a product, and gives its number.
    pub fn add(&mut self, product: Product<Stored<u64>>) -> Result<usize, Fault> {
        self.products.push(Call::new(&product)?);
        Ok(self.products.len() - 1)
    }

    /// Takes the work space of the products, once, so that nothing is allocated while a step is recorded.
    pub fn begin(&mut self, stream: &Arc<CudaStream>) -> Result<(), Fault> {
        if self.products.is_empty() {
            return Ok(());
        }
        let workspace = stream.alloc_zeros::<u8>(PRODUCTS_WORKSPACE);
        let workspace = workspace.map_err(super::driver::driver_fault)?;
        let (address, _guard) = workspace.device_ptr(stream);
        // SAFETY: the handle is alive, and the workspace lives as long as it.
        let set =
            unsafe { cublasSetWorkspace_v2(*self.handle.handle(), address as *mut _, PRODUCTS_WORKSPACE) };
        set.result().map_err(fault)?;
        drop(_guard);
        self.workspace = Some(workspace);
        Ok(())
    }

    pub fn run(&self, number: usize) -> Result<(), Fault> {
        let call = &self.products[number];
        let ([left, right], [m, n, k], [a, b, c]) = (call.operations, call.sizes, call.leading);
        let (one, zero) = (1.0f32, 0.0f32);
        let (one, zero) = ((&raw const one).cast::<c_void>(), (&raw const zero).cast::<c_void>());
        // SAFETY: the addresses are those of whole matrices of these sizes and types inside the machine's allocation, by the plan;
        // the scalars are read before the call returns, as the pointer mode is the host's.
        unsafe {
            gemm_ex(
                *self.handle.handle(),
                left,
                right,
                m,
                n,
                k,
                one,
                call.left.at as *const c_void,
                data_type(call.left.storage),
                a,
                call.right.at as *const c_void,
                data_type(call.right.storage),
                b,
                zero,
                call.out.at as *mut c_void,
                data_type(call.out.storage),
                c,
                cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .map_err(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::Call;
    use crate::kernels::cuda::launch::Product;
    use crate::kernels::cuda::storage::Stored;
    use crate::tensor::cudarc::cublas::sys::cublasOperation_t;

    /// What the documentation of `cublasGemmEx` says that a call does; addresses are positions in `memory`.
    fn gemm(call: &Call, memory: &mut [f32]) {
        let [rows, columns, inner] = call.sizes.map(|n| n as usize);
        let [left, right, out] = call.leading.map(|n| n as usize);
        let read = |turned: cublasOperation_t, base: u64, leading: usize, i: usize, j: usize| {
            let (i, j) = if turned == cublasOperation_t::CUBLAS_OP_T { (j, i) } else { (i, j) };
            base as usize + i + j * leading
        };
        for i in 0..rows {
            for j in 0..columns {
                let factors = (0..inner).map(|l| {
                    memory[read(call.operations[0], call.left.at, left, i, l)]
                        * memory[read(call.operations[1], call.right.at, right, l, j)]
                });
                memory[call.out.at as usize + i + j * out] = factors.sum();
            }
        }
    }

    #[test]
    fn a_product_row_by_row_is_one_column_by_column() {
        let [m, k, n] = [2, 3, 5];
        for (transpose_a, transpose_b) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut memory: Vec<f32> = (0..m * k + k * n + m * n).map(|i| (i % 7) as f32 - 3.0).collect();
            let (a, b, out) = (0, m * k, m * k + k * n);
            let product = Product {
                sizes: [m, k, n],
                transpose_a,
                transpose_b,
                a: Stored::f32(a as u64),
                b: Stored::f32(b as u64),
                out: Stored::f32(out as u64),
            };
            let expected: Vec<f32> = (0..m * n)
                .map(|at| {
                    let (i, j) = (at / n, at % n);
                    let left = |l: usize| memory[a + if transpose_a { l * m + i } else { i * k + l }];
                    let right = |l: usize| memory[b + if transpose_b { j * k + l } else { l * n + j }];
                    (0..k).map(|l| left(l) * right(l)).sum()
                })
                .collect();
            gemm(&Call::new(&product).unwrap(), &mut memory);
            assert_eq!(memory[out..], expected, "{transpose_a} {transpose_b}");
        }
    }
}
