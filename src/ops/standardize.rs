//! Equal, contiguous parts of every image brought to mean 0 and variance 1:
//! `y = (x - mean) / sqrt(variance + epsilon)` with the part's own moments, through which the gradient goes.
//! Attributes `parts` (of an image) and `epsilon`. Group, layer and instance normalisation are made of it.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::moments::batching_of;
use crate::ops::{arity, same};
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static STANDARDIZE: Standardize = Standardize;
/// Input, gradient → input gradient.
pub static STANDARDIZE_GRAD: StandardizeGrad = StandardizeGrad;

pub struct Standardize;
pub struct StandardizeGrad;

/// How many parts there are in the whole batch, and the numbers in each.
pub fn parts(attrs: &Attrs, input: &Shape) -> Result<[usize; 2], Fault> {
    let parts = attrs.get_int("parts").max(0) as usize;
    let image = input.dims().iter().skip(1).product::<usize>();
    match input.dims().first() {
        Some(&images) if parts > 0 && image % parts == 0 => Ok([images * parts, image / parts]),
        _ => Err(Fault::internal(format!("`standardize` cannot split the images of {input} in {parts}"))),
    }
}

/// The parts as rows, brought to mean 0 and variance 1, and what their distances were divided by, inverted.
fn standardized(attrs: &Attrs, input: &Tensor) -> Result<(Tensor, Tensor), Fault> {
    let [rows, len] = parts(attrs, &Shape::new(input.dims()))?;
    let x = input.reshape((rows, len))?;
    let centred = x.broadcast_sub(&x.mean_keepdim(1)?)?;
    let variance = centred.sqr()?.mean_keepdim(1)?;
    let inverse = (variance + f64::from(attrs.get_float("epsilon")))?.sqrt()?.recip()?;
    Ok((centred.broadcast_mul(&inverse)?, inverse))
}

impl Op for Standardize {
    fn name(&self) -> &'static str {
        "standardize"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity(self.name(), inputs)?;
        parts(attrs, input).map(|_| input.clone())
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let inputs = [node.inputs[0], node.grad];
        Ok(vec![Some(builder.apply(&STANDARDIZE_GRAD, node.attrs.clone(), &inputs)?)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(6, inputs, output)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        Ok(standardized(attrs, &inputs[0])?.0.reshape(output.dims())?)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        batching_of(inputs, &[0], Batching::Rows)
    }
}

impl Op for StandardizeGrad {
    fn name(&self) -> &'static str {
        "standardize_grad"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input, grad] = arity(self.name(), inputs)?;
        same(self.name(), input, grad)?;
        parts(attrs, input).map(|_| input.clone())
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`standardize_grad` is not differentiated again"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(12, inputs, output)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let (y, inverse) = standardized(attrs, &inputs[0])?;
        let grad = inputs[1].reshape(y.dims())?;
        let through_variance = y.broadcast_mul(&(&y * &grad)?.mean_keepdim(1)?)?;
        let through_mean = grad.mean_keepdim(1)?;
        let centred = (grad.broadcast_sub(&through_mean)? - through_variance)?;
        Ok(centred.broadcast_mul(&inverse)?.reshape(output.dims())?)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        batching_of(inputs, &[0, 1], Batching::Rows)
    }
}
