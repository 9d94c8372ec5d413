//! Mean and variance of each channel (axis 1) over a batch, and the running averages that are kept of them.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::{arity, same};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// `N x C x …` → `2 x C`: the mean of each channel, and its mean squared distance from it (the variance that is
/// not corrected for the lost degree of freedom).
pub static MOMENTS: Moments = Moments;
/// A running average and the moments → its next value, `keep · old + take · moments[row]`; attributes `row`
/// (0: mean, 1: variance), `keep`, `take`.
pub static RUNNING_MOMENT: RunningMoment = RunningMoment;

pub struct Moments;
pub struct RunningMoment;

/// The number of channels of an input, which lie on axis 1.
pub fn channels(op: &str, input: &Shape) -> Result<usize, Fault> {
    match input.dims().get(1) {
        Some(&channels) => Ok(channels),
        None => Err(Fault::internal(format!("`{op}` needs channels on axis 1, not {input}"))),
    }
}

/// `2 x C`
pub fn moments_shape(channels: usize) -> Shape {
    Shape::from([2, channels])
}

/// The axes that statistics are taken over: all but axis 1.
pub fn statistics_axes(rank: usize) -> Vec<usize> {
    (0..rank).filter(|&axis| axis != 1).collect()
}

/// One number a channel, shaped to align with axis 1 of a value of `rank` axes.
pub fn aligned(numbers: &Tensor, rank: usize) -> Result<Tensor, Fault> {
    let dims: Vec<usize> = (0..rank).map(|axis| if axis == 1 { numbers.elem_count() } else { 1 }).collect();
    Ok(numbers.reshape(dims)?)
}

/// What an op does with a batch that has one in the inputs `rows`, and in no other.
pub(crate) fn batching_of(inputs: &[Operand<'_>], rows: &[usize], then: Batching) -> Batching {
    match inputs.iter().enumerate().all(|(i, input)| input.batched == rows.contains(&i)) {
        true => then,
        false => Batching::Whole,
    }
}

impl Op for Moments {
    fn name(&self) -> &'static str {
        "moments"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity(self.name(), inputs)?;
        channels(self.name(), input).map(moments_shape)
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`moments` are differentiated within `batch_norm`"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        Cost { flops: 4 * inputs[0].elements() as u64, ..elementwise_cost(0, inputs, output) }
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let axes = statistics_axes(inputs[0].rank());
        let mean = inputs[0].mean_keepdim(axes.clone())?;
        let variance = inputs[0].broadcast_sub(&mean)?.sqr()?.mean_keepdim(axes)?;
        Ok(Tensor::cat(&[mean.flatten_all()?, variance.flatten_all()?], 0)?.reshape(output.dims())?)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        batching_of(inputs, &[0], Batching::Sum)
    }
}

impl Op for RunningMoment {
    fn name(&self) -> &'static str {
        "running_moment"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [old, moments] = arity(self.name(), inputs)?;
        same(self.name(), &moments_shape(old.elements()), moments)?;
        match (old.rank(), attrs.get_int("row")) {
            (1, 0 | 1) => Ok(old.clone()),
            (_, row) => Err(Fault::internal(format!("`running_moment` of {old} from row {row}"))),
        }
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`running_moment` is not differentiated"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(3, inputs, output)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let new = inputs[1].get(attrs.get_int("row") as usize)?;
        let kept = (&inputs[0] * f64::from(attrs.get_float("keep")))?;
        Ok((kept + (new * f64::from(attrs.get_float("take")))?)?)
    }
}
