//! `x` above 0, `alpha · x` below; `alpha` is at least 0, so the result tells the sign of the argument.

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::{Tensor, nn};

pub static LEAKY_RELU: Unary = Unary(&LeakyRelu);
pub static LEAKY_RELU_GRAD: UnaryGrad = UnaryGrad(&LeakyRelu);

pub struct LeakyRelu;

impl Function for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn grad_name(&self) -> &'static str {
        "leaky_relu_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &LEAKY_RELU_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, alpha: f32) -> f32 {
        if x > 0.0 { x } else { alpha * x }
    }

    fn derivative(&self, x: f32, alpha: f32) -> f32 {
        if x > 0.0 { 1.0 } else { alpha }
    }

    fn eval(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        Ok(nn::leaky_relu(x, alpha)?)
    }

    fn eval_derivative(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        let above = x.gt(0f32)?.to_dtype(x.dtype())?;
        Ok(above.affine(1.0 - alpha, alpha)?)
    }

    fn flops(&self) -> u64 {
        2
    }
}
