//! A box out of a value, and its adjoint: a value laid into a box of zeros. `start` is where the box begins on
//! each axis; `shape` is the result's.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::arity;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The box `start .. start + shape` of the input.
pub static SLICE: Slice = Slice { name: "slice" };
/// Zeros of `shape` with the input at `start`.
pub static PAD: Slice = Slice { name: "pad" };

pub struct Slice {
    name: &'static str,
}

impl Slice {
    fn cuts(&self) -> bool {
        self.name == SLICE.name
    }
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity(self.name, inputs)?;
        let (start, shape) = (attrs.get_ints("start"), Shape::new(attrs.get_ints("shape")));
        let (large, small) = if self.cuts() { (input, &shape) } else { (&shape, input) };
        let fits = start.len() == large.rank()
            && small.rank() == large.rank()
            && (0..large.rank()).all(|i| start[i] + small.dims()[i] <= large.dims()[i]);
        match fits {
            true => Ok(shape),
            false => {
                Err(Fault::internal(format!("`{}` at {start:?}: {small} is not inside {large}", self.name)))
            }
        }
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let shape = builder.shape(node.inputs[0]).clone();
        let attrs = Attrs::new().ints("start", node.attrs.get_ints("start")).ints("shape", shape.dims());
        let adjoint: &'static dyn Op = if self.cuts() { &PAD } else { &SLICE };
        builder.apply(adjoint, attrs, &[node.grad]).map(|grad| vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(0, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], output: &Shape) -> Batching {
        match output.dims().first() == inputs[0].shape.dims().first() {
            true => Batching::rows_of_all(inputs),
            false => Batching::Whole,
        }
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let mut tensor = inputs[0].clone();
        for (axis, &start) in attrs.get_ints("start").iter().enumerate() {
            let (own, wanted) = (tensor.dim(axis)?, output.dims()[axis]);
            tensor = match self.cuts() {
                true => tensor.narrow(axis, start, wanted)?,
                false => tensor.pad_with_zeros(axis, start, wanted - start - own)?,
            };
        }
        Ok(tensor.contiguous()?)
    }
}
