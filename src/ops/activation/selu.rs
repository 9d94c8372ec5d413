//! `λ x` above 0, `λ α (e^x - 1)` below, with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017).

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static SELU: Unary = Unary(&Selu);
pub static SELU_GRAD: UnaryGrad = UnaryGrad(&Selu);

/// λ of the paper.
pub const SCALE: f32 = 1.050_701;
/// α of the paper.
pub const ALPHA: f32 = 1.673_263_2;

pub struct Selu;

impl Function for Selu {
    fn name(&self) -> &'static str {
        "selu"
    }

    fn grad_name(&self) -> &'static str {
        "selu_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &SELU_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        if x > 0.0 { SCALE * x } else { SCALE * ALPHA * x.exp_m1() }
    }

    fn derivative(&self, x: f32, _alpha: f32) -> f32 {
        if x > 0.0 { SCALE } else { SCALE * ALPHA * x.exp() }
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        let below = ((x.minimum(0f32)?.exp()? - 1.0)? * f64::from(ALPHA))?;
        Ok(((x.relu()? + below)? * f64::from(SCALE))?)
    }

    fn eval_derivative(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        let above = x.gt(0f32)?.to_dtype(x.dtype())?;
        let below = (x.minimum(0f32)?.exp()? * f64::from(ALPHA))?;
        Ok(((&above + (below * (1.0 - &above)?)?)? * f64::from(SCALE))?)
    }

    fn flops(&self) -> u64 {
        5
    }
}
