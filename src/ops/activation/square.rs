//! `x²`.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static SQUARE: Unary = Unary(&Square);
pub static SQUARE_GRAD: UnaryGrad = UnaryGrad(&Square);

pub struct Square;

impl Function for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn grad_name(&self) -> &'static str {
        "square_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &SQUARE_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x * x
    }

    fn derivative(&self, x: f32, _alpha: f32) -> f32 {
        2.0 * x
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.sqr()?)
    }

    fn eval_derivative(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok((x * 2.0)?)
    }

    fn flops(&self) -> u64 {
        1
    }
}
