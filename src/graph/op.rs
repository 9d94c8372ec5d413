//! What an op is: a unit of computation with its shape rule, its gradient as further nodes, its cost and a
//! reference evaluation. Ops are stateless statics; what varies between two nodes is in their attributes.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::AddAssign;

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What one evaluation of a node takes. A fused multiply-add counts as two operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub flops: u64,
    /// Bytes read and written, each operand once.
    pub bytes: u64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.flops = self.flops.saturating_add(other.flops);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// A node seen from its gradient rule.
pub struct Backward<'a> {
    pub attrs: &'a Attrs,
    pub inputs: &'a [Value],
    pub output: Value,
    /// The gradient of the loss with respect to `output`; has its shape.
    pub grad: Value,
}

/// What an op does with a batch: with values whose first axis counts images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// Row `i` of the output needs row `i` of the inputs with a batch, and all of the others.
    Rows,
    /// The output is a sum over the images, of what row `i` of the inputs with a batch contributes.
    Sum,
    /// Neither: the op needs whole values.
    Whole,
}

impl Batching {
    /// `self` where the inputs that have a batch are exactly the `expected` (those beyond have none), else
    /// [`Batching::Whole`].
    pub fn given(self, inputs: &[Operand<'_>], expected: &[bool]) -> Batching {
        let expected = |i: usize| expected.get(i).copied().unwrap_or(false);
        let fits = inputs.iter().enumerate().all(|(i, input)| input.batched == expected(i));
        if fits { self } else { Batching::Whole }
    }

    /// [`Batching::Rows`] where every input has a batch.
    pub fn rows_of_all(inputs: &[Operand<'_>]) -> Batching {
        let all = !inputs.is_empty() && inputs.iter().all(|input| input.batched);
        if all { Batching::Rows } else { Batching::Whole }
    }

    /// [`Batching::Rows`] for operands that are repeated to the shape of `output` (NumPy's broadcasting).
    pub fn rows_of_broadcast(inputs: &[Operand<'_>], output: &Shape) -> Batching {
        let rank = output.rank();
        let fits = |input: &Operand<'_>| match input.batched {
            true => input.shape.rank() == rank && input.shape.dims().first() == output.dims().first(),
            false => input.is_shared(rank),
        };
        let any = inputs.iter().any(|input| input.batched);
        if any && inputs.iter().all(fits) { Batching::Rows } else { Batching::Whole }
    }
}

/// An input as [`Op::batching`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    pub shape: &'a Shape,
    /// Whether its first axis counts images.
    pub batched: bool,
}

impl Operand<'_> {
    /// Whether every image sees the same of it when it is repeated to `rank` axes.
    pub fn is_shared(&self, rank: usize) -> bool {
        !self.batched && (self.shape.rank() < rank || self.shape.dims().first() == Some(&1))
    }
}

pub trait Op: Sync {
    /// The name in printed graphs; unique.
    fn name(&self) -> &'static str;

    /// The output's shape, or why these inputs are refused.
    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault>;

    /// The gradient with respect to each input, as nodes; `None` where none flows.
    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault>;

    /// What one evaluation takes; by default one operation an output element.
    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        let _ = attrs;
        elementwise_cost(1, inputs, output)
    }

    /// The reference: composed of candle's operations, on any device, slow and plain.
    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault>;

    /// What it does with a batch. Asked where an input has one, or where the output's first extent is the batch's
    /// (for what makes numbers out of nothing).
    fn batching(&self, attrs: &Attrs, inputs: &[Operand<'_>], output: &Shape) -> Batching {
        let _ = (attrs, inputs, output);
        Batching::Whole
    }

    /// Whether the output is the first input's memory under another shape.
    fn is_view(&self) -> bool {
        false
    }

    /// Whether element `i` of the output reads only element `i` of the inputs of the output's shape, so that
    /// it may be written over one of them.
    fn is_elementwise(&self) -> bool {
        false
    }
}

/// The cost of an op with `flops` operations an output element.
pub fn elementwise_cost(flops: u64, inputs: &[&Shape], output: &Shape) -> Cost {
    let elements = |shape: &Shape| shape.elements() as u64;
    let moved: u64 = inputs.iter().map(|shape| elements(shape)).sum::<u64>() + elements(output);
    Cost { flops: flops.saturating_mul(elements(output)), bytes: moved.saturating_mul(4) }
}

impl fmt::Debug for dyn Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Ops are statics with unique names, so the name is the identity.
impl PartialEq for dyn Op {
    fn eq(&self, other: &dyn Op) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn Op {}

impl Hash for dyn Op {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl PartialOrd for dyn Op {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Op {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}
