//! Natural logarithm.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static LOG: Unary = Unary(&Log);
pub static LOG_GRAD: UnaryGrad = UnaryGrad(&Log);

pub struct Log;

impl Function for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn grad_name(&self) -> &'static str {
        "log_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &LOG_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x.ln()
    }

    fn derivative(&self, x: f32, _alpha: f32) -> f32 {
        1.0 / x
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.log()?)
    }

    fn eval_derivative(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.recip()?)
    }

    fn flops(&self) -> u64 {
        6
    }
}
