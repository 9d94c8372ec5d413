//! The only door to candle: tensors, devices, and its errors as ours; and the project's own random numbers,
//! because candle's on the CPU cannot be seeded.

mod memory;
pub mod random;

pub use candle_core::{D, DType, Device, Tensor};
pub use candle_nn::ops as nn;
pub use memory::Memory;

use crate::diag::Fault;
use crate::shape::Shape;

/// A candle error inside a graph that was checked: ours to answer for.
impl From<candle_core::Error> for Fault {
    fn from(error: candle_core::Error) -> Fault {
        Fault::internal(format!("candle: {error}"))
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
