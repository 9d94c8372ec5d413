//! Kernels for CUDA: each op's work as launches of kernels, which are CUDA C++ in the `.cu` files beside this one, or
//! written for a node, and compiled when a session begins. Nothing of this folder but the driver needs CUDA, so the
//! kernels are tested without a GPU: compiled for the host, a thread after another (`tests/devices`).
//!
//! What the tests on the host show is that the formulas and the arithmetic of positions are right and that threads of a block
//! meet at every barrier. `docs/gpu.md` says what has run on which GPU.

#[cfg(feature = "cuda")]
mod blas;
#[cfg(any(feature = "cuda", test))]
mod cache;
mod channels_last;
mod classes;
mod conv;
#[cfg(feature = "cudnn")]
mod descriptors;
#[cfg(feature = "cudnn")]
mod dnn;
#[cfg(feature = "cuda")]
mod driver;
mod end;
pub mod format;
pub mod gather;
mod geometry;
pub mod lanes;
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
mod reduce;
mod resample;
#[cfg(feature = "nccl")]
mod ring;
pub mod storage;
pub mod together;
#[cfg(feature = "cuda")]
mod transfer;
#[cfg(feature = "cuda")]
mod versions;
mod walk;

use std::sync::Arc;

use crate::diag::Fault;
use crate::graph::Node;
use crate::graph::op::Op;
use crate::kernels::cpu::peers::Peers;
use crate::kernels::cuda::format::{AXES, Format};
use crate::kernels::cuda::launch::Prepare::{self, Any, First};
use crate::kernels::cuda::launch::{Prepared, int};
use crate::kernels::cuda::machine::Machine;
use crate::kernels::cuda::precision::Precision;
use crate::ops::moments::RUNNING_MOMENT;
use crate::shape::Shape;
use crate::tensor::Device;

/// The kernels by the name of their op, for ops that are not element-wise; those have their kernels written.
pub static KERNELS: &[(&str, Prepare)] = &[
    ("pointwise", Any(pointwise::pointwise)),
    ("conv2d", Any(conv::conv2d)),
    ("conv2d_grad_input", Any(conv::grad_input)),
    ("conv2d_grad_weight", Any(conv::grad_weight)),
    ("matmul", First(product::matmul)),
    ("batch_matmul", First(product::batched)),
    ("max_pool2d", Any(pool::max)),
    ("max_pool2d_grad", Any(pool::max_grad)),
    ("avg_pool2d", Any(pool::avg)),
    ("avg_pool2d_grad", Any(pool::avg_grad)),
    ("reduce_sum", Any(reduce::sum)),
    ("reduce_mean", Any(reduce::mean)),
    ("expand", Any(moving::expand)),
    ("concat", Any(moving::concat)),
    ("slice", Any(moving::slice)),
    ("pad", Any(moving::pad)),
    ("transpose", First(moving::transpose)),
    ("resample", Any(resample::forward)),
    ("resample_adjoint", Any(resample::adjoint)),
    ("softmax", First(classes::softmax)),
    ("softmax_grad", First(classes::softmax_grad)),
    ("log_softmax", First(classes::log_softmax)),
    ("cross_entropy", First(classes::cross_entropy)),
    ("cross_entropy_grad", First(classes::cross_entropy_grad)),
    ("top1_correct", First(classes::top1_correct)),
    ("argmax", First(classes::argmax)),
    ("one_hot", First(classes::one_hot)),
    ("moments", Any(norm::moments)),
    ("running_moment", First(norm::running_moment)),
    ("batch_norm", Any(norm::forward)),
    ("batch_norm_grad_sums", Any(norm::grad_sums)),
    ("batch_norm_grad_input", Any(norm::grad_input)),
    ("standardize", First(norm::standardize)),
    ("standardize_grad", First(norm::standardize_grad)),
    ("dropout_mask", First(moving::dropout_mask)),
];

/// The machine of a CUDA device; with peers, one that adds up sums with theirs, and that all of them open at the same time.
#[cfg(feature = "cuda")]
pub fn open(
    device: &Device,
    precision: Precision,
    peers: Option<&Arc<dyn Peers>>,
) -> Result<Box<dyn Machine>, Fault> {
    Ok(Box::new(driver::Driver::new(device, precision, peers)?))
}

/// A build without CUDA opens no such device, so that there is none to be given here.
#[cfg(not(feature = "cuda"))]
pub fn open(
    _device: &Device,
    _precision: Precision,
    _peers: Option<&Arc<dyn Peers>>,
) -> Result<Box<dyn Machine>, Fault> {
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

/// Whether element `i` of an op's output is made of no other element of the inputs of its shape, so that it may be written
/// over one of them.
pub fn is_by_element(op: &'static dyn Op) -> bool {
    op.is_elementwise() || op.name() == RUNNING_MOMENT.name()
}

/// The work of a node on whole values of these shapes that lie in this format; `None` where there is none in it, which is
/// never so with channels first.
pub fn prepare(node: &Node, inputs: &[&Shape], format: Format) -> Result<Option<Prepared>, Fault> {
    let (attrs, output) = (&node.attrs, &node.shape);
    for shape in inputs.iter().copied().chain([output]) {
        int(shape.elements())?;
    }
    let is_first = format == Format::ChannelsFirst;
    let rank = inputs.iter().copied().chain([output]).map(Shape::rank).max();
    let fits = is_first || rank == Some(AXES);
    let prepared = match find(node.op) {
        Some(Any(prepare)) if fits => prepare(attrs, inputs, output, format)?,
        Some(First(prepare)) if is_first => prepare(attrs, inputs, output)?,
        Some(_) => return Ok(None),
        None if !node.op.is_elementwise() => {
            return Err(Fault::internal(format!("`{}` has no kernel for CUDA", node.op.name())));
        }
        None if fits => pointwise::single(node.op, attrs, inputs, output, format)?,
        None => return Ok(None),
    };
    Ok((!prepared.commands.is_empty() || prepared.library.is_some()).then_some(prepared))
}
