//! `min(x, alpha)`; its slope is 1 at `alpha` itself, as in PyTorch.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static AT_MOST: Unary = Unary(&AtMost);
pub static AT_MOST_GRAD: UnaryGrad = UnaryGrad(&AtMost);

pub struct AtMost;

impl Function for AtMost {
    fn name(&self) -> &'static str {
        "at_most"
    }

    fn grad_name(&self) -> &'static str {
        "at_most_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &AT_MOST_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, alpha: f32) -> f32 {
        if x > alpha { alpha } else { x }
    }

    fn derivative(&self, x: f32, alpha: f32) -> f32 {
        if x > alpha { 0.0 } else { 1.0 }
    }

    fn eval(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.minimum(alpha)?)
    }

    fn eval_derivative(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.le(alpha)?.to_dtype(x.dtype())?)
    }

    fn flops(&self) -> u64 {
        1
    }
}
