//! `x σ(x)` with the logistic function σ (Elfwing et al., 2017), also called swish.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::{Tensor, nn};

pub static SILU: Unary = Unary(&Silu);
pub static SILU_GRAD: UnaryGrad = UnaryGrad(&Silu);

pub struct Silu;

impl Function for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn grad_name(&self) -> &'static str {
        "silu_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &SILU_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x * logistic(x)
    }

    fn derivative(&self, x: f32, _alpha: f32) -> f32 {
        let s = logistic(x);
        s * (1.0 + x * (1.0 - s))
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok((x * nn::sigmoid(x)?)?)
    }

    fn eval_derivative(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        let s = nn::sigmoid(x)?;
        let inner = (x * (1.0 - &s)?)?;
        Ok((s * (inner + 1.0)?)?)
    }

    fn flops(&self) -> u64 {
        8
    }
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
