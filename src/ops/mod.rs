//! The primitive ops, one idea a file: shape rule, gradient as further nodes, cost and reference evaluation.
//! A gradient op stands beside the op it belongs to. Adding one is a file and its lines in [`OPS`].

pub mod activation;
pub mod argmax;
pub mod avg_pool2d;
pub mod batch_matmul;
pub mod batch_norm;
pub mod binary;
pub mod concat;
pub mod conv2d;
pub mod cross_entropy;
pub mod dropout_mask;
pub mod epilogue;
pub mod expand;
pub mod log_softmax;
pub mod matmul;
pub mod max_pool2d;
pub mod moments;
pub mod one_hot;
pub mod pointwise;
pub mod reduce;
pub mod resample;
pub mod reshape;
pub mod slice;
pub mod softmax;
pub mod standardize;
pub mod transpose;
pub mod window;

use crate::diag::Fault;
use crate::graph::leaf;
use crate::graph::op::Op;
use crate::shape::Shape;

macro_rules! ops {
    ($($module:ident $Function:ident $OP:ident $GRAD:ident,)*) => {
        /// Every op that a graph may hold.
        pub static OPS: &[&dyn Op] = &[
            &leaf::INPUT,
            &leaf::STATE,
            &leaf::CONSTANT,
            &binary::ADD,
            &binary::SUBTRACT,
            &binary::MULTIPLY,
            &binary::DIVIDE,
            $(&activation::$module::$OP, &activation::$module::$GRAD,)*
            &pointwise::POINTWISE,
            &conv2d::CONV2D,
            &conv2d::CONV2D_GRAD_INPUT,
            &conv2d::CONV2D_GRAD_WEIGHT,
            &matmul::MATMUL,
            &batch_matmul::BATCH_MATMUL,
            &max_pool2d::MAX_POOL2D,
            &max_pool2d::MAX_POOL2D_GRAD,
            &avg_pool2d::AVG_POOL2D,
            &avg_pool2d::AVG_POOL2D_GRAD,
            &reduce::REDUCE_SUM,
            &reduce::REDUCE_MEAN,
            &expand::EXPAND,
            &reshape::RESHAPE,
            &concat::CONCAT,
            &slice::SLICE,
            &slice::PAD,
            &transpose::TRANSPOSE,
            &resample::RESAMPLE,
            &resample::RESAMPLE_ADJOINT,
            &softmax::SOFTMAX,
            &softmax::SOFTMAX_GRAD,
            &log_softmax::LOG_SOFTMAX,
            &cross_entropy::CROSS_ENTROPY,
            &cross_entropy::CROSS_ENTROPY_GRAD,
            &cross_entropy::TOP1_CORRECT,
            &argmax::ARGMAX,
            &one_hot::ONE_HOT,
            &moments::MOMENTS,
            &moments::RUNNING_MOMENT,
            &batch_norm::BATCH_NORM,
            &batch_norm::BATCH_NORM_GRAD_SUMS,
            &batch_norm::BATCH_NORM_GRAD_INPUT,
            &standardize::STANDARDIZE,
            &standardize::STANDARDIZE_GRAD,
            &dropout_mask::DROPOUT_MASK,
        ];
    };
}

activation::every_function!(ops);

/// The shapes of exactly `N` inputs.
pub(crate) fn arity<'a, const N: usize>(op: &str, inputs: &[&'a Shape]) -> Result<[&'a Shape; N], Fault> {
    <[&Shape; N]>::try_from(inputs.to_vec())
        .map_err(|_| Fault::internal(format!("`{op}` takes {N} inputs, not {}", inputs.len())))
}

/// The extents of a shape that must have rank `N`.
pub(crate) fn extents<const N: usize>(op: &str, shape: &Shape) -> Result<[usize; N], Fault> {
    <[usize; N]>::try_from(shape.dims())
        .map_err(|_| Fault::internal(format!("`{op}` takes a value of rank {N}, not {shape}")))
}

/// Refuses shapes that must be the same and are not.
pub(crate) fn same(op: &str, a: &Shape, b: &Shape) -> Result<(), Fault> {
    if a == b {
        return Ok(());
    }
    Err(Fault::internal(format!("`{op}` takes values of one shape, not {a} and {b}")))
}
