//! Kernels for CUDA: each op's work as launches of kernels, which are CUDA C++ in the `.cu` files beside this one, or
//! written for a node, and compiled when a session begins. Nothing of this folder but the driver needs CUDA, so the
//! kernels are tested without a GPU: compiled for the host, a thread after another (`tests/devices`).
//!
//! **None of it has ever run on a GPU.** What the tests on the host show is that the formulas and the arithmetic of
//! positions are right and that threads of a block meet at every barrier, not that a GPU runs them, or how fast.

#[cfg(feature = "cuda")]
mod blas;
mod classes;
#[cfg(feature = "cudnn")]
mod dnn;
#[cfg(feature = "cuda")]
mod driver;
pub mod gather;
mod geometry;
pub mod launch;
pub mod machine;
pub mod module;
pub mod moving;
mod norm;
mod pointwise;
mod pool;
#[cfg(feature = "cuda")]
mod nvrtc;
pub mod precision;
mod product;
pub mod storage;
pub mod together;
#[cfg(feature = "cuda")]
mod transfer;
#[cfg(feature = "cuda")]
mod versions;
mod walk;

use crate::diag::Fault;
use crate::graph::Node;
use crate::graph::op::Op;
use crate::kernels::cuda::launch::{Prepare, Prepared, int};
use crate::kernels::cuda::machine::Machine;
use crate::kernels::cuda::precision::Precision;
use crate::shape::Shape;
use crate::tensor::Device;

/// The kernels by the name of their op, for ops that are not element-wise; those have their kernels written.
pub static KERNELS: &[(&str, Prepare)] = &[
    ("pointwise", pointwise::pointwise),
    ("conv2d", product::conv2d),
    ("conv2d_grad_input", product::grad_input),
    ("conv2d_grad_weight", product::grad_weight),
    ("matmul", product::matmul),
    ("max_pool2d", pool::max),
    ("max_pool2d_grad", pool::max_grad),
    ("avg_pool2d", pool::avg),
    ("avg_pool2d_grad", pool::avg_grad),
    ("reduce_sum", moving::sum),
    ("reduce_mean", moving::mean),
    ("expand", moving::expand),
    ("concat", moving::concat),
    ("slice", moving::slice),
    ("pad", moving::pad),
    ("transpose", moving::transpose),
    ("resample", moving::forward),
    ("resample_adjoint", moving::adjoint),
    ("softmax", classes::softmax),
    ("softmax_grad", classes::softmax_grad),
    ("log_softmax", classes::log_softmax),
    ("cross_entropy", classes::cross_entropy),
    ("cross_entropy_grad", classes::cross_entropy_grad),
    ("top1_correct", classes::top1_correct),
    ("one_hot", classes::one_hot),
    ("moments", norm::moments),
    ("running_moment", norm::running_moment),
    ("batch_norm", norm::forward),
    ("batch_norm_grad_sums", norm::grad_sums),
    ("batch_norm_grad_input", norm::grad_input),
    ("standardize", norm::standardize),
    ("standardize_grad", norm::standardize_grad),
    ("dropout_mask", moving::dropout_mask),
];

/// The machine of a CUDA device.
#[cfg(feature = "cuda")]
pub fn open(device: &Device, precision: Precision) -> Result<Box<dyn Machine>, Fault> {
    Ok(Box::new(driver::Driver::new(device, precision)?))
}

/// A build without CUDA opens no such device, so that there is none to be given here.
#[cfg(not(feature = "cuda"))]
pub fn open(_device: &Device, _precision: Precision) -> Result<Box<dyn Machine>, Fault> {
    Err(Fault::internal("this dslc was built without CUDA"))
}

/// Versions of the driver and of the libraries of a build with CUDA.
#[cfg(feature = "cuda")]
pub use versions::versions;

/// Nothing, as this build has none of them.
#[cfg(not(feature = "cuda"))]
pub fn versions() -> Vec<(&'static str, String)> {
    Vec::new()
}

/// The work of an op; `None` for one that has no kernel.
pub fn find(op: &'static dyn Op) -> Option<Prepare> {
    KERNELS.iter().find(|(name, _)| *name == op.name()).map(|(_, prepare)| *prepare)
}

/// The work of a node on whole values of these shapes.
pub fn prepare(node: &Node, inputs: &[&Shape]) -> Result<Prepared, Fault> {
    for shape in inputs.iter().copied().chain([&node.shape]) {
        int(shape.elements())?;
    }
    match find(node.op) {
        Some(prepare) => prepare(&node.attrs, inputs, &node.shape),
        None if node.op.is_elementwise() => pointwise::single(node.op, &node.attrs, inputs, &node.shape),
        None => Err(Fault::internal(format!("`{}` has no kernel for CUDA", node.op.name()))),
    }
}
