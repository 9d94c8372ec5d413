//! Square root.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static SQRT: Unary = Unary(&Sqrt);
pub static SQRT_GRAD: UnaryGrad = UnaryGrad(&Sqrt);

pub struct Sqrt;

impl Function for Sqrt {
    fn name(&self) -> &'static str {
        "sqrt"
    }

    fn grad_name(&self) -> &'static str {
        "sqrt_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &SQRT_GRAD
    }

    fn of_result(&self) -> bool {
        true
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x.sqrt()
    }

    fn derivative(&self, y: f32, _alpha: f32) -> f32 {
        0.5 / y
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.sqrt()?)
    }

    fn eval_derivative(&self, y: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok((y.recip()? * 0.5)?)
    }

    fn flops(&self) -> u64 {
        2
    }
}
