//! `min(max(x, 0), 6)`; the derivative at 0 and 6 is 0, as in PyTorch.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static RELU6: Unary = Unary(&Relu6);
pub static RELU6_GRAD: UnaryGrad = UnaryGrad(&Relu6);

pub struct Relu6;

impl Function for Relu6 {
    fn name(&self) -> &'static str {
        "relu6"
    }

    fn grad_name(&self) -> &'static str {
        "relu6_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &RELU6_GRAD
    }

    fn of_result(&self) -> bool {
        true
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x.clamp(0.0, 6.0)
    }

    fn derivative(&self, y: f32, _alpha: f32) -> f32 {
        if y > 0.0 && y < 6.0 { 1.0 } else { 0.0 }
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.clamp(0f32, 6f32)?)
    }

    fn eval_derivative(&self, y: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok((y.gt(0f32)?.to_dtype(y.dtype())? * y.lt(6f32)?.to_dtype(y.dtype())?)?)
    }

    fn flops(&self) -> u64 {
        2
    }
}
