//! cuBLAS for matrix products, in full f32.
//!
//! **Never run on a GPU.** Written against cuBLAS' documentation of `cublasSgemm`, `cublasSetWorkspace` and of
//! reproducibility: with one stream a product gives the same bits each time.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::Arc;

use crate::diag::Fault;
use crate::kernels::cuda::launch::{Product, int};
use crate::tensor::cudarc::cublas::CudaBlas;
use crate::tensor::cudarc::cublas::result::{CublasError, sgemm};
use crate::tensor::cudarc::cublas::sys::{cublasOperation_t, cublasSetWorkspace_v2};
use crate::tensor::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use crate::tensor::device_fault;

/// What the documentation recommends for Hopper. Given once, so that nothing is allocated while a step is recorded.
const WORKSPACE: usize = 32 << 20;

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
    /// Addresses of both factors and the result.
    left: u64,
    right: u64,
    out: u64,
}

fn fault(error: CublasError) -> Fault {
    device_fault("cuBLAS", &format!("{error:?}"))
}

impl Blas {
    pub fn new(stream: &Arc<CudaStream>) -> Result<Blas, Fault> {
        let handle = CudaBlas::new(Arc::clone(stream)).map_err(fault)?;
        Ok(Blas { products: Vec::new(), handle, workspace: None })
    }

    /// Takes a product, and gives its number.
    pub fn add(&mut self, product: Product<u64>) -> Result<usize, Fault> {
        let [m, k, n] = product.sizes;
        let [m, k, n] = [int(m)?, int(k)?, int(n)?];
        let operation = |transposed| match transposed {
            false => cublasOperation_t::CUBLAS_OP_N,
            true => cublasOperation_t::CUBLAS_OP_T,
        };
        self.products.push(Call {
            operations: [operation(product.transpose_b), operation(product.transpose_a)],
            sizes: [n, m, k],
            leading: [if product.transpose_b { k } else { n }, if product.transpose_a { m } else { k }, n],
            left: product.b,
            right: product.a,
            out: product.out,
        });
        Ok(self.products.len() - 1)
    }

    /// Takes the memory that the products want.
    pub fn begin(&mut self, stream: &Arc<CudaStream>) -> Result<(), Fault> {
        if self.products.is_empty() {
            return Ok(());
        }
        let workspace = stream.alloc_zeros::<u8>(WORKSPACE).map_err(super::driver::driver_fault)?;
        let (address, _guard) = workspace.device_ptr(stream);
        // SAFETY: the handle is alive, and the workspace lives as long as it.
        let set = unsafe { cublasSetWorkspace_v2(*self.handle.handle(), address as *mut _, WORKSPACE) };
        set.result().map_err(fault)?;
        drop(_guard);
        self.workspace = Some(workspace);
        Ok(())
    }

    pub fn run(&self, number: usize) -> Result<(), Fault> {
        let call = &self.products[number];
        let ([left, right], [m, n, k], [a, b, c]) = (call.operations, call.sizes, call.leading);
        let (one, zero) = (1.0f32, 0.0f32);
        // SAFETY: the addresses are those of whole matrices of these sizes inside the machine's allocation, by the plan;
        // the scalars are read before the call returns, as the pointer mode is the host's.
        unsafe {
            sgemm(
                *self.handle.handle(),
                left,
                right,
                m,
                n,
                k,
                &one,
                call.left as *const f32,
                a,
                call.right as *const f32,
                b,
                &zero,
                call.out as *mut f32,
                c,
            )
        }
        .map_err(fault)
    }
}
