//! `e^x`.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static EXP: Unary = Unary(&Exp);
pub static EXP_GRAD: UnaryGrad = UnaryGrad(&Exp);

pub struct Exp;

impl Function for Exp {
    fn name(&self) -> &'static str {
        "exp"
    }

    fn grad_name(&self) -> &'static str {
        "exp_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &EXP_GRAD
    }

    fn of_result(&self) -> bool {
        true
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x.exp()
    }

    fn derivative(&self, y: f32, _alpha: f32) -> f32 {
        y
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.exp()?)
    }

    fn eval_derivative(&self, y: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(y.clone())
    }

    fn flops(&self) -> u64 {
        8
    }
}
