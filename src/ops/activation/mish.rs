//! `x tanh(ln(1 + e^x))` (Misra, 2019).

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::softplus::{eval_softplus, softplus};
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::{Tensor, nn};

pub static MISH: Unary = Unary(&Mish);
pub static MISH_GRAD: UnaryGrad = UnaryGrad(&Mish);

pub struct Mish;

impl Function for Mish {
    fn name(&self) -> &'static str {
        "mish"
    }

    fn grad_name(&self) -> &'static str {
        "mish_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &MISH_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x * softplus(x).tanh()
    }

    fn derivative(&self, x: f32, _alpha: f32) -> f32 {
        let t = softplus(x).tanh();
        t + x * (1.0 - t * t) / (1.0 + (-x).exp())
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok((x * eval_softplus(x)?.tanh()?)?)
    }

    fn eval_derivative(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        let t = eval_softplus(x)?.tanh()?;
        let slope = ((x * nn::sigmoid(x)?)? * (1.0 - t.sqr()?)?)?;
        Ok((t + slope)?)
    }

    fn flops(&self) -> u64 {
        14
    }
}
