//! Kernels for the CPU. A kernel is prepared once a node (extents, tables, scratch size) and then run every
//! step on slices of the arena, without allocation. Sums run in a fixed order that does not depend on the
//! number of threads.

pub mod arena;
mod batch_norm;
mod boxes;
pub mod conv;
mod conv2d;
mod dropout;
mod gemm;
mod loss;
mod matmul;
mod pointwise;
mod pool;
mod reduce;
mod resample;
pub mod simd;
mod strides;
mod tile;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::shape::Shape;

/// Inputs, output, scratch.
pub type Run = Box<dyn Fn(&[&[f32]], &mut [f32], &mut [f32]) + Send + Sync>;

/// A kernel made ready for one node.
pub struct Prepared {
    pub run: Run,
    /// Numbers of scratch memory it wants; its content is arbitrary at the start.
    pub scratch: usize,
}

impl Prepared {
    fn new(run: impl Fn(&[&[f32]], &mut [f32]) + Send + Sync + 'static) -> Result<Prepared, Fault> {
        Ok(Prepared { run: Box::new(move |inputs, output, _| run(inputs, output)), scratch: 0 })
    }

    fn with_scratch(
        scratch: usize,
        run: impl Fn(&[&[f32]], &mut [f32], &mut [f32]) + Send + Sync + 'static,
    ) -> Result<Prepared, Fault> {
        Ok(Prepared { run: Box::new(run), scratch })
    }
}

/// Attributes, input shapes, output shape → a kernel.
pub type Prepare = fn(&Attrs, &[&Shape], &Shape) -> Result<Prepared, Fault>;

/// The kernels by the name of their op.
pub static KERNELS: &[(&str, Prepare)] = &[
    ("add", pointwise::add),
    ("subtract", pointwise::subtract),
    ("multiply", pointwise::multiply),
    ("divide", pointwise::divide),
    ("relu", pointwise::relu),
    ("relu_grad", pointwise::relu_grad),
    ("leaky_relu", pointwise::leaky_relu),
    ("leaky_relu_grad", pointwise::leaky_relu_grad),
    ("tanh", pointwise::tanh),
    ("tanh_grad", pointwise::tanh_grad),
    ("sigmoid", pointwise::sigmoid),
    ("sigmoid_grad", pointwise::sigmoid_grad),
    ("gelu", pointwise::gelu),
    ("gelu_grad", pointwise::gelu_grad),
    ("relu6", pointwise::relu6),
    ("relu6_grad", pointwise::relu6_grad),
    ("silu", pointwise::silu),
    ("silu_grad", pointwise::silu_grad),
    ("hardswish", pointwise::hardswish),
    ("hardswish_grad", pointwise::hardswish_grad),
    ("hardsigmoid", pointwise::hardsigmoid),
    ("hardsigmoid_grad", pointwise::hardsigmoid_grad),
    ("elu", pointwise::elu),
    ("elu_grad", pointwise::elu_grad),
    ("selu", pointwise::selu),
    ("selu_grad", pointwise::selu_grad),
    ("softplus", pointwise::softplus),
    ("softplus_grad", pointwise::softplus_grad),
    ("mish", pointwise::mish),
    ("mish_grad", pointwise::mish_grad),
    ("power", pointwise::power),
    ("power_grad", pointwise::power_grad),
    ("log", pointwise::log),
    ("log_grad", pointwise::log_grad),
    ("sqrt", pointwise::sqrt),
    ("sqrt_grad", pointwise::sqrt_grad),
    ("square", pointwise::square),
    ("square_grad", pointwise::square_grad),
    ("conv2d", conv2d::forward),
    ("conv2d_grad_input", conv2d::grad_input),
    ("conv2d_grad_weight", conv2d::grad_weight),
    ("matmul", matmul::matmul),
    ("max_pool2d", pool::max),
    ("max_pool2d_grad", pool::max_grad),
    ("avg_pool2d", pool::avg),
    ("avg_pool2d_grad", pool::avg_grad),
    ("reduce_sum", reduce::sum),
    ("reduce_mean", reduce::mean),
    ("expand", reduce::expand),
    ("concat", boxes::concat),
    ("slice", boxes::slice),
    ("pad", boxes::pad),
    ("transpose", boxes::transpose),
    ("resample", resample::forward),
    ("resample_adjoint", resample::adjoint),
    ("softmax", loss::softmax),
    ("softmax_grad", loss::softmax_grad),
    ("log_softmax", loss::log_softmax),
    ("cross_entropy", loss::cross_entropy),
    ("cross_entropy_grad", loss::cross_entropy_grad),
    ("top1_correct", loss::top1_correct),
    ("one_hot", loss::one_hot),
    ("variance", batch_norm::variance),
    ("batch_norm", batch_norm::batch_norm),
    ("batch_norm_grad_scale", batch_norm::grad_scale),
    ("batch_norm_grad_input", batch_norm::grad_input),
    ("dropout_mask", dropout::mask),
];

/// The kernel of an op, if it has one.
pub fn find(op: &str) -> Option<Prepare> {
    KERNELS.iter().find(|(name, _)| *name == op).map(|(_, prepare)| *prepare)
}

/// How many parts a batch is split into for threads: fixed, so that sums over parts do not depend on the
/// machine.
const N_TILES: usize = 8;

/// The first element and the length of part `tile` of `n`.
fn part(n: usize, tile: usize) -> (usize, usize) {
    let (share, rest) = (n / N_TILES, n % N_TILES);
    (tile * share + tile.min(rest), share + usize::from(tile < rest))
}
