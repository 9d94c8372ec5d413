//! Values side by side along one axis (attribute `axis`); all other extents must be alike.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::slice::SLICE;
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static CONCAT: Concat = Concat;

/// The most values that one `concat` takes.
pub const MAX_INPUTS: usize = 64;

pub struct Concat;

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let axis = attrs.get_int("axis") as usize;
        let refuse = |what: &str| Err(Fault::internal(format!("`concat` along axis {axis}: {what}")));
        let Some((first, rest)) = inputs.split_first() else { return refuse("nothing to join") };
        if axis >= first.rank() || inputs.len() > MAX_INPUTS {
            return refuse("no such axis, or too many values");
        }
        let mut shape = (*first).clone();
        for other in rest {
            let alike = other.rank() == first.rank()
                && (0..first.rank()).all(|i| i == axis || other.dims()[i] == first.dims()[i]);
            if !alike {
                return refuse(&format!("{first} and {other}"));
            }
            shape.0[axis] += other.dims()[axis];
        }
        Ok(shape)
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let axis = node.attrs.get_int("axis") as usize;
        let mut start = vec![0; builder.shape(node.output).rank()];
        let mut grads = Vec::with_capacity(node.inputs.len());
        for &input in node.inputs {
            let shape = builder.shape(input).clone();
            let attrs = Attrs::new().ints("start", start.clone()).ints("shape", shape.dims());
            grads.push(Some(builder.apply(&SLICE, attrs, &[node.grad])?));
            start[axis] += shape.dims()[axis];
        }
        Ok(grads)
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(0, inputs, output)
    }

    fn batching(&self, attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        match attrs.get_int("axis") {
            0 => Batching::Whole,
            _ => Batching::rows_of_all(inputs),
        }
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        Ok(Tensor::cat(inputs, attrs.get_int("axis") as usize)?.contiguous()?)
    }
}
