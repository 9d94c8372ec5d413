//! Largest element of each window of `N x C x H x W`, and its gradient: all of it goes to the window's first
//! largest element in reading order, as in PyTorch. Attributes `kernel`, `stride`, `padding`, `ceil`; the
//! padding never wins.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::window::Windows;
use crate::ops::{arity, extents, same};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor};

pub static MAX_POOL2D: MaxPool2d = MaxPool2d;
/// Input and output gradient → input gradient. With the attribute `relu` = 1 the input is a relu's result and the
/// output is the gradient of that relu's own input: zero where the input is not positive.
pub static MAX_POOL2D_GRAD: MaxPool2dGrad = MaxPool2dGrad;

pub struct MaxPool2d;
pub struct MaxPool2dGrad;

/// The output shape of a pooling op.
pub fn pooled(op: &str, attrs: &Attrs, input: &Shape) -> Result<Shape, Fault> {
    let [n, c, ..] = extents::<4>(op, input)?;
    let windows = Windows::of_pool(op, attrs, input)?;
    Ok(Shape::from([n, c, windows.out_height, windows.out_width]))
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity("max_pool2d", inputs)?;
        pooled("max_pool2d", attrs, input)
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let grad = builder.apply(&MAX_POOL2D_GRAD, node.attrs.clone(), &[node.inputs[0], node.grad])?;
        Ok(vec![Some(grad)])
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(attrs.get_ints("kernel").iter().product::<usize>() as u64, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let windows = Windows::of_pool("max_pool2d", attrs, &Shape::new(inputs[0].dims()))?;
        Ok(windows.gather(&inputs[0], f32::NEG_INFINITY)?.max(2)?.reshape(output.dims())?)
    }
}

impl Op for MaxPool2dGrad {
    fn name(&self) -> &'static str {
        "max_pool2d_grad"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input, grad] = arity(self.name(), inputs)?;
        same(self.name(), &pooled("max_pool2d_grad", attrs, input)?, grad)?;
        Ok(input.clone())
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`max_pool2d_grad` is not differentiated again"))
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Cost {
        elementwise_cost(attrs.get_ints("kernel").iter().product::<usize>() as u64, inputs, inputs[1])
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let windows = Windows::of_pool("max_pool2d_grad", attrs, &Shape::new(inputs[0].dims()))?;
        let taps = windows.gather(&inputs[0], f32::NEG_INFINITY)?;
        let (n, c, k, l) = taps.dims4()?;
        let first = taps.argmax_keepdim(2)?;
        let places = Tensor::arange(0u32, k as u32, taps.device())?.reshape((1, 1, k, 1))?;
        let chosen = places.broadcast_eq(&first)?.to_dtype(DType::F32)?;
        let grad = windows.scatter(&chosen.broadcast_mul(&inputs[1].reshape((n, c, 1, l))?)?)?;
        match attrs.get_int("relu") {
            0 => Ok(grad),
            _ => Ok((grad * inputs[0].gt(0f32)?.to_dtype(DType::F32)?)?),
        }
    }
}
