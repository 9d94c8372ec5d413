//! `ln(1 + e^x)`, a smooth `max(x, 0)`; computed so that no argument overflows.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::{Tensor, nn};

pub static SOFTPLUS: Unary = Unary(&Softplus);
pub static SOFTPLUS_GRAD: UnaryGrad = UnaryGrad(&Softplus);

pub struct Softplus;

impl Function for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    fn grad_name(&self) -> &'static str {
        "softplus_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &SOFTPLUS_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        softplus(x)
    }

    fn derivative(&self, x: f32, _alpha: f32) -> f32 {
        1.0 / (1.0 + (-x).exp())
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        eval_softplus(x)
    }

    fn eval_derivative(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(nn::sigmoid(x)?)
    }

    fn flops(&self) -> u64 {
        8
    }
}

/// `ln(1 + e^x)` as `max(x, 0) + ln(1 + e^-|x|)`.
pub fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The same of a tensor.
pub fn eval_softplus(x: &Tensor) -> Result<Tensor, Fault> {
    Ok((x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
}
