//! `x min(max(x + 3, 0), 6) / 6` (Howard et al., 2019).

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static HARDSWISH: Unary = Unary(&Hardswish);
pub static HARDSWISH_GRAD: UnaryGrad = UnaryGrad(&Hardswish);

pub struct Hardswish;

impl Function for Hardswish {
    fn name(&self) -> &'static str {
        "hardswish"
    }

    fn grad_name(&self) -> &'static str {
        "hardswish_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &HARDSWISH_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x * (x + 3.0).clamp(0.0, 6.0) / 6.0
    }

    fn derivative(&self, x: f32, _alpha: f32) -> f32 {
        if x <= -3.0 {
            0.0
        } else if x < 3.0 {
            x / 3.0 + 0.5
        } else {
            1.0
        }
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(((x * (x + 3.0)?.clamp(0f32, 6f32)?)? / 6.0)?)
    }

    fn eval_derivative(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        let above = x.gt(-3f32)?.to_dtype(x.dtype())?;
        let beyond = x.ge(3f32)?.to_dtype(x.dtype())?;
        let slope = (x.affine(1.0 / 3.0, 0.5)? * (&above - &beyond)?)?;
        Ok((slope + beyond)?)
    }

    fn flops(&self) -> u64 {
        5
    }
}
