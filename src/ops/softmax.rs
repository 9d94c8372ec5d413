//! `e^x / Σ e^x` over one axis, and its gradient; attribute `axis`, 1 where it is left out.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::{arity, same};
use crate::shape::Shape;
use crate::tensor::{Tensor, nn};

pub static SOFTMAX: Softmax = Softmax;
/// The softmax's result and the output gradient → input gradient: `y (g - Σ g y)`.
pub static SOFTMAX_GRAD: SoftmaxGrad = SoftmaxGrad;

pub struct Softmax;
pub struct SoftmaxGrad;

/// The axis that it is taken over.
pub fn axis(attrs: &Attrs) -> usize {
    usize::try_from(attrs.get_int("axis")).unwrap_or(1).max(1)
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity("softmax", inputs)?;
        match axis(attrs) < input.rank() {
            true => Ok(input.clone()),
            false => {
                Err(Fault::internal(format!("`softmax` needs classes on axis {}, not {input}", axis(attrs))))
            }
        }
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        builder
            .apply(&SOFTMAX_GRAD, node.attrs.clone(), &[node.output, node.grad])
            .map(|grad| vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(8, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        Ok(nn::softmax(&inputs[0], axis(attrs))?)
    }
}

impl Op for SoftmaxGrad {
    fn name(&self) -> &'static str {
        "softmax_grad"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [result, grad] = arity(self.name(), inputs)?;
        same(self.name(), result, grad)?;
        Ok(result.clone())
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`softmax_grad` is not differentiated again"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(4, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let (y, grad) = (&inputs[0], &inputs[1]);
        let sum = (y * grad)?.sum_keepdim(axis(attrs))?;
        Ok((y * grad.broadcast_sub(&sum)?)?)
    }
}
