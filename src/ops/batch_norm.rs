//! Batch normalisation over all axes but the channels, axis 1 (Ioffe and Szegedy, 2015):
//! `y = scale (x - mean) / sqrt(variance + epsilon) + shift`. Mean, variance, scale and shift have the shape
//! `1 x C x 1 …`. With attribute `statistics=batch` mean and variance are those of `x` itself, and the gradient
//! of `x` goes through them; with `running` they are constants.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Cost, Op, elementwise_cost};
use crate::ops::reduce::REDUCE_SUM;
use crate::ops::{arity, same};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Input and its mean → mean squared distance (not corrected for the lost degree of freedom).
pub static VARIANCE: Variance = Variance;
/// Input, mean, variance, scale, shift → output.
pub static BATCH_NORM: BatchNorm = BatchNorm;
/// Input, gradient, mean, variance, scale, gradient of scale, gradient of shift → input gradient.
pub static BATCH_NORM_GRAD_INPUT: BatchNormGradInput = BatchNormGradInput;
/// Input, gradient, mean, variance → gradient of scale.
pub static BATCH_NORM_GRAD_SCALE: BatchNormGradScale = BatchNormGradScale;

pub struct Variance;
pub struct BatchNorm;
pub struct BatchNormGradInput;
pub struct BatchNormGradScale;

/// `1 x C x 1 …` for an input with channels on axis 1.
pub fn statistics_shape(op: &str, input: &Shape) -> Result<Shape, Fault> {
    if input.rank() < 2 {
        return Err(Fault::internal(format!("`{op}` needs channels on axis 1, not {input}")));
    }
    let dims = input.dims().iter().enumerate().map(|(axis, &extent)| if axis == 1 { extent } else { 1 });
    Ok(Shape(dims.collect()))
}

/// The axes that statistics are taken over: all but axis 1.
pub fn statistics_axes(input: &Shape) -> Vec<usize> {
    (0..input.rank()).filter(|&axis| axis != 1).collect()
}

fn checked(op: &str, input: &Shape, statistics: &[&Shape]) -> Result<Shape, Fault> {
    let expected = statistics_shape(op, input)?;
    statistics.iter().try_for_each(|shape| same(op, &expected, shape))?;
    Ok(expected)
}

fn normalized(
    x: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    attrs: &Attrs,
) -> Result<(Tensor, Tensor), Fault> {
    let inverse = (variance + f64::from(attrs.get_float("epsilon")))?.sqrt()?.recip()?;
    Ok((x.broadcast_sub(mean)?.broadcast_mul(&inverse)?, inverse))
}

impl Op for Variance {
    fn name(&self) -> &'static str {
        "variance"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input, mean] = arity("variance", inputs)?;
        checked("variance", input, &[mean])
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`variance` is differentiated within `batch_norm`"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        Cost { flops: 3 * inputs[0].elements() as u64, ..elementwise_cost(0, inputs, output) }
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let axes = statistics_axes(&Shape::new(inputs[0].dims()));
        Ok(inputs[0].broadcast_sub(&inputs[1])?.sqr()?.mean_keepdim(axes)?)
    }
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input, mean, variance, scale, shift] = arity("batch_norm", inputs)?;
        checked("batch_norm", input, &[mean, variance, scale, shift])?;
        Ok(input.clone())
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let &[x, mean, variance, scale, _] = node.inputs else {
            return Err(Fault::internal("`batch_norm` takes 5 inputs"));
        };
        let axes = statistics_axes(builder.shape(x));
        let to_shift = builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", axes), &[node.grad])?;
        let inputs = [x, node.grad, mean, variance];
        let to_scale = builder.apply(&BATCH_NORM_GRAD_SCALE, node.attrs.clone(), &inputs)?;
        let inputs = [x, node.grad, mean, variance, scale, to_scale, to_shift];
        let to_x = builder.apply(&BATCH_NORM_GRAD_INPUT, node.attrs.clone(), &inputs)?;
        Ok(vec![Some(to_x), None, None, Some(to_scale), Some(to_shift)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(2, inputs, output)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let (normalized, _) = normalized(&inputs[0], &inputs[1], &inputs[2], attrs)?;
        Ok(normalized.broadcast_mul(&inputs[3])?.broadcast_add(&inputs[4])?)
    }
}

impl Op for BatchNormGradScale {
    fn name(&self) -> &'static str {
        "batch_norm_grad_scale"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input, grad, mean, variance] = arity(self.name(), inputs)?;
        same(self.name(), input, grad)?;
        checked(self.name(), input, &[mean, variance])
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`batch_norm_grad_scale` is not differentiated again"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        Cost { flops: 4 * inputs[0].elements() as u64, ..elementwise_cost(0, inputs, output) }
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let (normalized, _) = normalized(&inputs[0], &inputs[2], &inputs[3], attrs)?;
        let axes = statistics_axes(&Shape::new(inputs[0].dims()));
        Ok((normalized * &inputs[1])?.sum_keepdim(axes)?)
    }
}

impl Op for BatchNormGradInput {
    fn name(&self) -> &'static str {
        "batch_norm_grad_input"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input, grad, mean, variance, scale, to_scale, to_shift] = arity(self.name(), inputs)?;
        same(self.name(), input, grad)?;
        checked(self.name(), input, &[mean, variance, scale, to_scale, to_shift])?;
        Ok(input.clone())
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`batch_norm_grad_input` is not differentiated again"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(6, inputs, output)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let [x, grad, mean, variance, scale, to_scale, to_shift] = inputs else {
            return Err(Fault::internal("`batch_norm_grad_input` takes 7 inputs"));
        };
        let (normalized, inverse) = normalized(x, mean, variance, attrs)?;
        let slope = (scale * inverse)?;
        if attrs.get_text("statistics") == "running" {
            return Ok(grad.broadcast_mul(&slope)?);
        }
        let share = scale.elem_count() as f64 / output.elements() as f64;
        let through_mean = (to_shift * share)?;
        let through_variance = normalized.broadcast_mul(&(to_scale * share)?)?;
        Ok((grad.broadcast_sub(&through_mean)? - through_variance)?.broadcast_mul(&slope)?)
    }
}
