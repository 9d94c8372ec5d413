//! Kernels for the CPU. A kernel is prepared once a node (extents, tables, scratch size) and then run every
//! step on slices of the arena, without allocation. Sums run in a fixed order that does not depend on the
//! number of threads.
//!
//! A kernel of [`kernels`] runs on one thread: the plan splits a batch between threads and calls it for a few
//! images at a time. What cannot be split so, or has weights too large for that, runs whole; [`PARALLEL`] has
//! the kernels that then use all threads themselves.

pub mod arena;
mod batch_norm;
mod boxes;
pub mod clock;
pub mod conv;
mod conv2d;
mod dropout;
mod functions;
mod gemm;
#[cfg(unix)]
pub mod local;
mod loss;
mod matmul;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod packs;
pub mod pages;
pub mod peers;
mod norm;
mod one_image;
mod pointwise;
mod pool;
pub mod program;
mod reduce;
mod resample;
pub mod simd;
mod standardize;
mod strides;
mod sweep;
#[cfg(test)]
mod tests;
pub mod team;
pub mod threads;
mod tile;
pub mod tiled;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::team::Team;
use crate::shape::Shape;

/// One call of a kernel. Its operands are whole values, or, of values that hold a row an image, the rows of a
/// few images.
pub struct Call<'a> {
    pub inputs: &'a [&'a [f32]],
    /// What the kernel writes; for a kernel with [`Sum`], the partial sum that it adds to.
    pub output: &'a mut [f32],
    /// Of arbitrary content.
    pub scratch: &'a mut [f32],
    /// What [`Pack`] made; empty where the kernel has none.
    pub packed: &'a [f32],
    /// The number of the first image in the operands.
    pub first: usize,
    /// Who shares the work of the call; for a call of a few images, nobody.
    pub team: &'a Team<'a>,
}

pub type Run = Box<dyn Fn(Call<'_>) + Send + Sync>;

/// Work that reads its first operand and writes its second.
pub type Rewrite = Box<dyn Fn(&[f32], &mut [f32]) + Send + Sync>;

/// An operand brought into the kernel's own order, once before the calls that read it.
pub struct Pack {
    /// Which input is packed; it is the same for all images.
    pub operand: usize,
    /// Numbers that `run` writes.
    pub len: usize,
    pub run: Rewrite,
}

/// For a kernel that sums over images: each call adds to a partial sum (all zeros before the first call), and
/// at the end the partial sums, in a fixed order, become the result.
pub struct Sum {
    /// Numbers in a partial sum.
    pub len: usize,
    /// Whether two partial sums become one by adding their numbers.
    pub adds: bool,
    /// All partial sums one after another, the output.
    pub finish: Rewrite,
}

/// A kernel made ready for one node.
pub struct Prepared {
    pub run: Run,
    /// Numbers of scratch memory it wants.
    pub scratch: usize,
    pub pack: Option<Pack>,
    pub sum: Option<Sum>,
}

impl Prepared {
    /// Numbers of memory that [`Prepared::call`] wants.
    pub fn memory(&self) -> usize {
        self.scratch + self.sum.as_ref().map_or(0, |sum| sum.len)
    }

    /// On whole values: runs, and finishes the sum.
    pub fn call(
        &self,
        inputs: &[&[f32]],
        packed: &[f32],
        output: &mut [f32],
        memory: &mut [f32],
        team: &Team<'_>,
    ) {
        let (scratch, partial) = memory.split_at_mut(self.scratch);
        match &self.sum {
            None => (self.run)(Call { inputs, output, scratch, packed, first: 0, team }),
            Some(sum) => {
                partial.fill(0.0);
                (self.run)(Call { inputs, output: partial, scratch, packed, first: 0, team });
                (sum.finish)(partial, output);
            }
        }
    }

    fn new(run: impl Fn(&[&[f32]], &mut [f32]) + Send + Sync + 'static) -> Result<Prepared, Fault> {
        Prepared::with_scratch(0, move |inputs, output, _| run(inputs, output))
    }

    fn with_scratch(
        scratch: usize,
        run: impl Fn(&[&[f32]], &mut [f32], &mut [f32]) + Send + Sync + 'static,
    ) -> Result<Prepared, Fault> {
        Prepared::with_call(scratch, move |call| run(call.inputs, call.output, call.scratch))
    }

    fn with_call(scratch: usize, run: impl Fn(Call<'_>) + Send + Sync + 'static) -> Result<Prepared, Fault> {
        Ok(Prepared { run: Box::new(run), scratch, pack: None, sum: None })
    }

    /// A kernel that adds to partial sums of `len` numbers, which `finish` makes the output.
    fn summing(self, len: usize, finish: impl Fn(&[f32], &mut [f32]) + Send + Sync + 'static) -> Prepared {
        Prepared { sum: Some(Sum { len, adds: true, finish: Box::new(finish) }), ..self }
    }

    /// As [`Prepared::summing`] for partial results that only `finish` can bring together.
    fn merging(self, len: usize, finish: impl Fn(&[f32], &mut [f32]) + Send + Sync + 'static) -> Prepared {
        Prepared { sum: Some(Sum { len, adds: false, finish: Box::new(finish) }), ..self }
    }

    /// A kernel that wants input `operand` packed into `len` numbers by `run`.
    fn packing(
        self,
        operand: usize,
        len: usize,
        run: impl Fn(&[f32], &mut [f32]) + Send + Sync + 'static,
    ) -> Prepared {
        Prepared { pack: Some(Pack { operand, len, run: Box::new(run) }), ..self }
    }
}

/// The usual end of a [`Sum`]: the output is the sum of the partial sums, in their order.
fn add_up(partials: &[f32], output: &mut [f32]) {
    let mut parts = partials.chunks_exact(output.len().max(1));
    if let Some(first) = parts.next() {
        output.copy_from_slice(first);
    }
    for part in parts {
        output.iter_mut().zip(part).for_each(|(sum, number)| *sum += number);
    }
}

/// Attributes, input shapes, output shape → a kernel.
pub type Prepare = fn(&Attrs, &[&Shape], &Shape) -> Result<Prepared, Fault>;

/// The kernels by the name of their op, but for those of functions of one number.
static KERNELS: &[(&str, Prepare)] = &[
    ("add", pointwise::add),
    ("subtract", pointwise::subtract),
    ("multiply", pointwise::multiply),
    ("divide", pointwise::divide),
    ("pointwise", program::pointwise),
    ("conv2d", conv2d::forward),
    ("conv2d_grad_input", conv2d::grad_input),
    ("conv2d_grad_weight", conv2d::grad_weight),
    ("matmul", matmul::matmul),
    ("batch_matmul", matmul::batched),
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
    ("argmax", loss::positions),
    ("one_hot", loss::one_hot),
    ("moments", batch_norm::moments),
    ("running_moment", batch_norm::running_moment),
    ("batch_norm", batch_norm::batch_norm),
    ("batch_norm_grad_sums", batch_norm::grad_sums),
    ("batch_norm_grad_input", batch_norm::grad_input),
    ("standardize", standardize::standardize),
    ("standardize_grad", standardize::standardize_grad),
    ("dropout_mask", dropout::mask),
];

/// Kernels for whole values that split their work between all threads.
pub static PARALLEL: &[(&str, Prepare)] = &[
    ("conv2d", conv2d::forward_parallel),
    ("conv2d_grad_input", conv2d::grad_input_parallel),
    ("conv2d_grad_weight", conv2d::grad_weight_parallel),
    ("matmul", matmul::parallel),
    ("pointwise", program::parallel),
];

/// Every kernel by the name of its op.
pub fn kernels() -> impl Iterator<Item = (&'static str, Prepare)> {
    KERNELS.iter().chain(pointwise::FUNCTIONS).copied()
}

/// The kernel of an op on one thread, if it has one.
pub fn find(op: &str) -> Option<Prepare> {
    kernels().find(|(name, _)| *name == op).map(|(_, prepare)| prepare)
}

/// The kernel of an op for whole values.
pub fn find_parallel(op: &str) -> Option<Prepare> {
    let own = PARALLEL.iter().find(|(name, _)| *name == op).map(|(_, prepare)| *prepare);
    own.or_else(|| find(op))
}

/// Whether the kernel for whole values of an op shares even one image between threads.
pub fn splits_one_image(op: &str) -> bool {
    op == "conv2d"
}

/// Attributes, input shapes, output shape, and the input over which the output is written.
pub type PrepareInPlace = fn(&Attrs, &[&Shape], &Shape, usize) -> Result<Prepared, Fault>;

/// The kernel of an op that writes its output over an input of the same shape, which is then given as empty.
pub fn find_in_place(op: &str) -> Option<PrepareInPlace> {
    (op == "pointwise").then_some(program::parallel_in_place as PrepareInPlace)
}

/// How many parts a batch is split into for threads: fixed, so that sums over parts do not depend on the
/// machine.
pub const N_TILES: usize = 8;

/// The attribute by which the plan tells a kernel how many images its calls get at most.
pub const IMAGES_OF_A_CALL: &str = "call";

/// The first element and the length of part `tile` of `n`.
fn part(n: usize, tile: usize) -> (usize, usize) {
    let (share, rest) = (n / N_TILES, n % N_TILES);
    (tile * share + tile.min(rest), share + usize::from(tile < rest))
}
