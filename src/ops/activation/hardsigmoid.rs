//! `min(max(x / 6 + 1/2, 0), 1)`, the logistic function in three straight pieces, as in PyTorch.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static HARDSIGMOID: Unary = Unary(&Hardsigmoid);
pub static HARDSIGMOID_GRAD: UnaryGrad = UnaryGrad(&Hardsigmoid);

pub struct Hardsigmoid;

impl Function for Hardsigmoid {
    fn name(&self) -> &'static str {
        "hardsigmoid"
    }

    fn grad_name(&self) -> &'static str {
        "hardsigmoid_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &HARDSIGMOID_GRAD
    }

    fn of_result(&self) -> bool {
        true
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        (x / 6.0 + 0.5).clamp(0.0, 1.0)
    }

    fn derivative(&self, y: f32, _alpha: f32) -> f32 {
        if y > 0.0 && y < 1.0 { 1.0 / 6.0 } else { 0.0 }
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.affine(1.0 / 6.0, 0.5)?.clamp(0f32, 1f32)?)
    }

    fn eval_derivative(&self, y: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        let inside = (y.gt(0f32)?.to_dtype(y.dtype())? * y.lt(1f32)?.to_dtype(y.dtype())?)?;
        Ok((inside / 6.0)?)
    }

    fn flops(&self) -> u64 {
        3
    }
}
