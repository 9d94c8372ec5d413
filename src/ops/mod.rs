//! The primitive ops, one idea a file: shape rule, gradient as further nodes, cost and reference evaluation.
//! A gradient op stands beside the op it belongs to. Adding one is a file and its lines in [`OPS`].

pub mod activation;
pub mod argmax;
pub mod avg_pool2d;
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

/// Every op that a graph may hold.
pub static OPS: &[&dyn Op] = &[
    &leaf::INPUT,
    &leaf::STATE,
    &leaf::CONSTANT,
    &binary::ADD,
    &binary::SUBTRACT,
    &binary::MULTIPLY,
    &binary::DIVIDE,
    &activation::relu::RELU,
    &activation::relu::RELU_GRAD,
    &activation::leaky_relu::LEAKY_RELU,
    &activation::leaky_relu::LEAKY_RELU_GRAD,
    &activation::tanh::TANH,
    &activation::tanh::TANH_GRAD,
    &activation::sigmoid::SIGMOID,
    &activation::sigmoid::SIGMOID_GRAD,
    &activation::gelu::GELU,
    &activation::gelu::GELU_GRAD,
    &activation::relu6::RELU6,
    &activation::relu6::RELU6_GRAD,
    &activation::silu::SILU,
    &activation::silu::SILU_GRAD,
    &activation::hardswish::HARDSWISH,
    &activation::hardswish::HARDSWISH_GRAD,
    &activation::hardsigmoid::HARDSIGMOID,
    &activation::hardsigmoid::HARDSIGMOID_GRAD,
    &activation::elu::ELU,
    &activation::elu::ELU_GRAD,
    &activation::selu::SELU,
    &activation::selu::SELU_GRAD,
    &activation::softplus::SOFTPLUS,
    &activation::softplus::SOFTPLUS_GRAD,
    &activation::mish::MISH,
    &activation::mish::MISH_GRAD,
    &activation::power::POWER,
    &activation::power::POWER_GRAD,
    &activation::log::LOG,
    &activation::log::LOG_GRAD,
    &activation::sqrt::SQRT,
    &activation::sqrt::SQRT_GRAD,
    &activation::square::SQUARE,
    &activation::square::SQUARE_GRAD,
    &pointwise::POINTWISE,
    &conv2d::CONV2D,
    &conv2d::CONV2D_GRAD_INPUT,
    &conv2d::CONV2D_GRAD_WEIGHT,
    &matmul::MATMUL,
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
