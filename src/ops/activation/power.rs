//! `x^alpha` of positive numbers.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static POWER: Unary = Unary(&Power);
pub static POWER_GRAD: UnaryGrad = UnaryGrad(&Power);

pub struct Power;

impl Function for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn grad_name(&self) -> &'static str {
        "power_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &POWER_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, alpha: f32) -> f32 {
        x.powf(alpha)
    }

    fn derivative(&self, x: f32, alpha: f32) -> f32 {
        alpha * x.powf(alpha - 1.0)
    }

    fn eval(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.powf(alpha)?)
    }

    fn eval_derivative(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        Ok((x.powf(alpha - 1.0)? * alpha)?)
    }

    fn flops(&self) -> u64 {
        10
    }
}
