//! Gradients that are too large → smaller ones, as nodes of the training graph.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::Op;
use crate::ops::activation::relu::RELU;
use crate::ops::activation::sqrt::SQRT;
use crate::ops::activation::square::SQUARE;
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY, SUBTRACT};
use crate::ops::reduce::REDUCE_SUM;
use crate::ops::reshape::RESHAPE;
use crate::train::section::Clip;

/// Added to the norm before it divides, as PyTorch does.
const EPSILON: f32 = 1e-6;

/// The gradients as the limits leave them; those that are not there stay so.
pub fn clipped(
    builder: &mut Builder,
    grads: Vec<Option<Value>>,
    limits: Clip,
) -> Result<Vec<Option<Value>>, Fault> {
    let mut grads = grads;
    if let Some(most) = limits.value {
        for grad in grads.iter_mut().flatten() {
            *grad = cut(builder, *grad, most)?;
        }
    }
    if let Some(most) = limits.norm
        && let Some(factor) = shortening(builder, &grads, most)?
    {
        for grad in grads.iter_mut().flatten() {
            *grad = apply(builder, &MULTIPLY, &[*grad, factor])?;
        }
    }
    Ok(grads)
}

fn apply(builder: &mut Builder, op: &'static dyn Op, inputs: &[Value]) -> Result<Value, Fault> {
    builder.apply(op, Attrs::new(), inputs)
}

/// `g - relu(g - most) + relu(-g - most)`, which leaves numbers within the limit as they are, to the bit.
fn cut(builder: &mut Builder, grad: Value, most: f64) -> Result<Value, Fault> {
    let [most, least, minus] = [most, -most, -1.0].map(|number| builder.scalar(number as f32));
    let above = apply(builder, &SUBTRACT, &[grad, most])?;
    let above = apply(builder, &RELU, &[above])?;
    let below = apply(builder, &MULTIPLY, &[grad, minus])?;
    let below = apply(builder, &ADD, &[below, least])?;
    let below = apply(builder, &RELU, &[below])?;
    let grad = apply(builder, &SUBTRACT, &[grad, above])?;
    apply(builder, &ADD, &[grad, below])
}

/// `min(1, most / (norm + 1e-6))` of all gradients together; `None` without gradients.
fn shortening(builder: &mut Builder, grads: &[Option<Value>], most: f64) -> Result<Option<Value>, Fault> {
    let mut sum: Option<Value> = None;
    for &grad in grads.iter().flatten() {
        let axes: Vec<usize> = (0..builder.shape(grad).rank()).collect();
        let squares = apply(builder, &SQUARE, &[grad])?;
        let own = builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", axes), &[squares])?;
        let own = builder.apply(&RESHAPE, Attrs::new().ints("shape", []), &[own])?;
        sum = Some(match sum {
            Some(sum) => apply(builder, &ADD, &[sum, own])?,
            None => own,
        });
    }
    let Some(sum) = sum else { return Ok(None) };
    let [one, most, epsilon] = [1.0, most as f32, EPSILON].map(|number| builder.scalar(number));
    let norm = apply(builder, &SQRT, &[sum])?;
    let divisor = apply(builder, &ADD, &[norm, epsilon])?;
    let factor = apply(builder, &DIVIDE, &[most, divisor])?;
    // 1 - relu(1 - factor) is the smaller of both.
    let short_of = apply(builder, &SUBTRACT, &[one, factor])?;
    let short_of = apply(builder, &RELU, &[short_of])?;
    apply(builder, &SUBTRACT, &[one, short_of]).map(Some)
}
