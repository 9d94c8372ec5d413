//! `max(x, 0)`; the derivative at 0 is 0, as in PyTorch.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static RELU: Unary = Unary(&Relu);
pub static RELU_GRAD: UnaryGrad = UnaryGrad(&Relu);

pub struct Relu;

impl Function for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn grad_name(&self) -> &'static str {
        "relu_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &RELU_GRAD
    }

    fn of_result(&self) -> bool {
        true
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        if x > 0.0 { x } else { 0.0 }
    }

    fn derivative(&self, y: f32, _alpha: f32) -> f32 {
        if y > 0.0 { 1.0 } else { 0.0 }
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.relu()?)
    }

    fn eval_derivative(&self, y: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(y.gt(0f32)?.to_dtype(y.dtype())?)
    }

    fn flops(&self) -> u64 {
        1
    }
}
