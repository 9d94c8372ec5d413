//! The only door to candle: tensors, devices, and its errors as ours; and the project's own random numbers,
//! because candle's on the CPU cannot be seeded.

pub mod device;
pub mod disk;
pub mod host;
mod memory;
pub mod random;

#[cfg(feature = "cuda")]
pub use candle_core::cuda_backend::cudarc;
pub use candle_core::{D, DType, Device, Tensor};
pub use candle_nn::ops as nn;
pub use memory::Memory;

use crate::diag::{Fault, codes};
use crate::shape::Shape;

/// A candle error inside a graph that was checked: ours to answer for, unless a device has no memory left.
impl From<candle_core::Error> for Fault {
    fn from(error: candle_core::Error) -> Fault {
        device_fault("candle", &error.to_string())
    }
}

/// What a device's driver or library says went wrong, as text.
pub fn device_fault(who: &str, text: &str) -> Fault {
    // As drivers call it, cuBLAS and cuDNN 8, and cuDNN 9, which tells the device's memory from the host's.
    let phrases = ["out of memory", "alloc failed", "device allocation failed"];
    let said = text.to_lowercase().replace('_', " ");
    match phrases.iter().any(|phrase| said.contains(phrase)) {
        true => Fault::new(codes::TOO_BIG, "the device is out of memory")
            .note("weights saved so far are intact")
            .advise("a smaller `batch`, such as `--set train.batch=16`"),
        false => Fault::internal(format!("{who}: {text}")),
    }
}

/// A tensor of these numbers, row by row.
pub fn from_slice(numbers: &[f32], shape: &Shape, device: &Device) -> Result<Tensor, Fault> {
    Ok(Tensor::from_slice(numbers, shape.dims(), device)?)
}

/// A tensor of unsigned integers, for indexing.
pub fn indices(numbers: Vec<u32>, device: &Device) -> Result<Tensor, Fault> {
    let n = numbers.len();
    Ok(Tensor::from_vec(numbers, n, device)?)
}

/// The numbers of a tensor, row by row.
pub fn to_vec(tensor: &Tensor) -> Result<Vec<f32>, Fault> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?)
}

#[cfg(test)]
mod tests {
    use super::device_fault;
    use crate::diag::codes;

    #[test]
    fn allocations_that_fail_are_told_from_other_faults() {
        for text in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
            "CudnnError(CUDNN_STATUS_ALLOC_FAILED)",
            "CudnnError(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)",
        ] {
            let fault = device_fault("a library", text);
            assert_eq!(fault.code, codes::TOO_BIG, "{text}");
            assert!(!fault.remedies.is_empty(), "{text}");
        }
        for text in [
            "DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"an illegal memory access was encountered\")",
            "CublasError(CUBLAS_STATUS_EXECUTION_FAILED)",
            "CudnnError(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED)",
        ] {
            assert_ne!(device_fault("a library", text).code, codes::TOO_BIG, "{text}");
        }
    }
}
