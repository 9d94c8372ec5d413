//! `e^x / Σ e^x` over axis 1 of `N x K` or `N x K x …`, and its gradient.

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

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity("softmax", inputs)?;
        match input.rank() {
            0 | 1 => Err(Fault::internal(format!("`softmax` needs classes on axis 1, not {input}"))),
            _ => Ok(input.clone()),
        }
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        builder.apply(&SOFTMAX_GRAD, Attrs::new(), &[node.output, node.grad]).map(|grad| vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(8, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        Ok(nn::softmax(&inputs[0], 1)?)
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

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let (y, grad) = (&inputs[0], &inputs[1]);
        let sum = (y * grad)?.sum_keepdim(1)?;
        Ok((y * grad.broadcast_sub(&sum)?)?)
    }
}
