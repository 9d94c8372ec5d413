//! A flat piece of candle CPU storage that own kernels write into: candle lends a storage mutably to an
//! in-place operation, and to nothing else.

use std::cell::RefCell;

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Tensor};

use crate::diag::Fault;

/// The first number lies at a multiple of so many bytes, a cache line: else every vector of AVX-512 would touch two.
const ALIGNMENT: usize = 64;

pub struct Memory {
    /// A little longer than `len`, for the alignment.
    tensor: Tensor,
    len: usize,
}

impl Memory {
    /// `len` zeros, and a few more for the alignment, as `zeros` gets them from the system.
    pub fn new(len: usize, zeros: impl FnOnce(usize) -> Result<Vec<f32>, Fault>) -> Result<Memory, Fault> {
        let numbers = zeros(len.saturating_add(ALIGNMENT / size_of::<f32>()))?;
        let count = numbers.len();
        Ok(Memory { tensor: Tensor::from_vec(numbers, count, &Device::Cpu)?, len })
    }

    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs `body` on all the numbers.
    pub fn with<R>(&self, body: impl FnOnce(&mut [f32]) -> Result<R, Fault>) -> Result<R, Fault> {
        let body = |numbers: &mut [f32]| {
            let first = numbers.as_ptr().align_offset(ALIGNMENT);
            body(&mut numbers[first..first + self.len])
        };
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

#[cfg(test)]
mod tests {
    use super::{ALIGNMENT, Memory};

    #[test]
    fn numbers_begin_at_a_cache_line() {
        for len in [0, 1, 15, 16, 17, 1000, 100_000] {
            let memory = Memory::new(len, |n| Ok(vec![0.0; n])).unwrap();
            memory
                .with(|numbers| {
                    assert_eq!((numbers.as_ptr().addr() % ALIGNMENT, numbers.len()), (0, len));
                    Ok(())
                })
                .unwrap();
        }
    }
}
