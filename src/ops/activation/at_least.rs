//! `max(x, alpha)`; its slope is 1 at `alpha` itself, as in PyTorch.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static AT_LEAST: Unary = Unary(&AtLeast);
pub static AT_LEAST_GRAD: UnaryGrad = UnaryGrad(&AtLeast);

pub struct AtLeast;

impl Function for AtLeast {
    fn name(&self) -> &'static str {
        "at_least"
    }

    fn grad_name(&self) -> &'static str {
        "at_least_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &AT_LEAST_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, alpha: f32) -> f32 {
        if x < alpha { alpha } else { x }
    }

    fn derivative(&self, x: f32, alpha: f32) -> f32 {
        if x < alpha { 0.0 } else { 1.0 }
    }

    fn eval(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.maximum(alpha)?)
    }

    fn eval_derivative(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.ge(alpha)?.to_dtype(x.dtype())?)
    }

    fn flops(&self) -> u64 {
        1
    }
}
