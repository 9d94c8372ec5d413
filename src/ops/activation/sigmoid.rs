//! `1 / (1 + e^-x)`; its derivative is `y (1 - y)`.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::{Tensor, nn};

pub static SIGMOID: Unary = Unary(&Sigmoid);
pub static SIGMOID_GRAD: UnaryGrad = UnaryGrad(&Sigmoid);

pub struct Sigmoid;

impl Function for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn grad_name(&self) -> &'static str {
        "sigmoid_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &SIGMOID_GRAD
    }

    fn of_result(&self) -> bool {
        true
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        1.0 / (1.0 + (-x).exp())
    }

    fn derivative(&self, y: f32, _alpha: f32) -> f32 {
        y * (1.0 - y)
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(nn::sigmoid(x)?)
    }

    fn eval_derivative(&self, y: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok((y - y.sqr()?)?)
    }

    fn flops(&self) -> u64 {
        6
    }
}
