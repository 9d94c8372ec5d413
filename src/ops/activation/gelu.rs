//! Gaussian error linear unit, `x Φ(x)` with the exact normal distribution function (Hendrycks and Gimpel, 2016).

use std::f32::consts::FRAC_1_SQRT_2;

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::ops::activation::{Function, Unary, UnaryGrad};
use crate::tensor::Tensor;

pub static GELU: Unary = Unary(&Gelu);
pub static GELU_GRAD: UnaryGrad = UnaryGrad(&Gelu);

pub struct Gelu;

impl Function for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn grad_name(&self) -> &'static str {
        "gelu_grad"
    }

    fn grad_op(&self) -> &'static dyn Op {
        &GELU_GRAD
    }

    fn of_result(&self) -> bool {
        false
    }

    fn value(&self, x: f32, _alpha: f32) -> f32 {
        x * normal_distribution(x)
    }

    fn derivative(&self, x: f32, _alpha: f32) -> f32 {
        normal_distribution(x) + x * (-0.5 * x * x).exp() * FRAC_1_SQRT_2PI
    }

    fn eval(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        Ok(x.gelu_erf()?)
    }

    fn eval_derivative(&self, x: &Tensor, _alpha: f64) -> Result<Tensor, Fault> {
        let distribution = ((x * f64::from(FRAC_1_SQRT_2))?.erf()? + 1.0)? * 0.5;
        let density = ((x.sqr()? * -0.5)?.exp()? * f64::from(FRAC_1_SQRT_2PI))?;
        Ok((distribution? + (x * density)?)?)
    }

    fn flops(&self) -> u64 {
        16
    }
}

/// `1 / sqrt(2π)`
const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;

fn normal_distribution(x: f32) -> f32 {
    0.5 * (1.0 + erf(x * FRAC_1_SQRT_2))
}

/// The error function, to 1.2e-7 (Numerical Recipes, third edition, section 6.2.2: `erfc` by a Chebyshev fit).
fn erf(x: f32) -> f32 {
    let z = f64::from(x.abs());
    let t = 2.0 / (2.0 + z);
    let coefficients = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let fit = coefficients.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let erfc = t * (-z * z + fit).exp();
    let erf = 1.0 - erfc;
    (if x < 0.0 { -erf } else { erf }) as f32
}
