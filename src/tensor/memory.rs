//! A flat piece of candle CPU storage that own kernels write into: candle lends a storage mutably to an
//! in-place operation, and to nothing else.

use std::cell::RefCell;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Tensor};

use crate::diag::Fault;

pub struct Memory {
    tensor: Tensor,
}

impl Memory {
    /// `len` zeros.
    pub fn new(len: usize) -> Result<Memory, Fault> {
        Ok(Memory { tensor: Tensor::zeros(len, DType::F32, &Device::Cpu)? })
    }

    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.tensor.elem_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs `body` on all the numbers.
    pub fn with<R>(&self, body: impl FnOnce(&mut [f32]) -> Result<R, Fault>) -> Result<R, Fault> {
        let lend = Lend { body: RefCell::new(Some(body)), result: RefCell::new(None) };
        self.tensor.inplace_op1(&lend)?;
        lend.result.into_inner().unwrap_or_else(|| Err(Fault::internal("candle did not lend its storage")))
    }
}

struct Lend<F, R> {
    body: RefCell<Option<F>>,
    result: RefCell<Option<Result<R, Fault>>>,
}

impl<R, F: FnOnce(&mut [f32]) -> Result<R, Fault>> InplaceOp1 for Lend<F, R> {
    fn name(&self) -> &'static str {
        "dslc"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _layout: &Layout) -> candle_core::Result<()> {
        if let (CpuStorage::F32(numbers), Some(body)) = (storage, self.body.take()) {
            self.result.replace(Some(body(numbers)));
        }
        Ok(())
    }
}
