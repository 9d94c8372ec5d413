//! `x` above 0, `alpha (e^x - 1)` below (Clevert et al., 2016).

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static ELU: Unary = Unary(&Elu);
pub static ELU_GRAD: UnaryGrad = UnaryGrad(&Elu);

pub struct Elu;

impl Function for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn grad_name(&self) -> &'static str {
        "elu_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &ELU_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, alpha: f32) -> f32 {
        if x > 0.0 { x } else { alpha * x.exp_m1() }
    }

    fn derivative(&self, x: f32, alpha: f32) -> f32 {
        if x > 0.0 { 1.0 } else { alpha * x.exp() }
    }

    fn eval(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        let below = (x.minimum(0f32)?.exp()? - 1.0)?;
        Ok((x.relu()? + (below * alpha)?)?)
    }

    fn eval_derivative(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault> {
        let above = x.gt(0f32)?.to_dtype(x.dtype())?;
        let below = (x.minimum(0f32)?.exp()? * alpha)?;
        Ok((&above + (below * (1.0 - &above)?)?)?)
    }

    fn flops(&self) -> u64 {
        5
    }
}
