//! Hyperbolic tangent; its derivative is `1 - y²`.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static TANH: Unary = Unary(&Tanh);
pub static TANH_GRAD: UnaryGrad = UnaryGrad(&Tanh);

pub struct Tanh;

impl Function for Tanh {
    fn name(&self) -> &'static str {
        "tanh"
    }

    fn grad_name(&self) -> &'static str {
        "tanh_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &TANH_GRAD
    }

    fn of_result(&self) -> bool {
        true
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x.tanh()
    }

    fn derivative(&self, y: f32, _alpha: f32) -> f32 {
        1.0 - y * y
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.tanh()?)
    }

    fn eval_derivative(&self, y: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(y.sqr()?.affine(-1.0, 1.0)?)
    }

    fn flops(&self) -> u64 {
        8
    }
}
