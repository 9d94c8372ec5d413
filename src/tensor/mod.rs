//! The only door to candle: tensors, devices, and its errors as ours; and the project's own random numbers,
//! because candle's on the CPU cannot be seeded.

pub mod device;
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
    match text.to_lowercase().replace('_', " ").contains("out of memory") {
        true => Fault::new(codes::TOO_BIG, "the device has no memory left")
            .note("weights that were saved before are intact")
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
