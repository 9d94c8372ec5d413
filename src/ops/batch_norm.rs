//! Batch normalisation over all axes but the channels, axis 1 (Ioffe and Szegedy, 2015):
//! `y = scale (x - mean) / sqrt(variance + epsilon) + shift`, with mean and variance as `moments` of `2 x C`,
//! scale and shift of `C`. With attribute `statistics=batch` the moments are those of `x` itself, and the
//! gradient of `x` goes through them; with `running` they are constants.
//!
//! Fusions, which run behind differentiation, add to the ops: `batch_norm` takes a residual, added behind the
//! shift, and an attribute `activation` (`relu`, `relu6`), applied last; the gradient ops count only the gradient that
//! it lets through, by its result `y`, or by scale and shift, from which they compute `y` again.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::activation::Function;
use crate::ops::activation::relu::Relu;
use crate::ops::activation::relu6::Relu6;
use crate::ops::moments::{aligned, batching_of, channels, moments_shape, statistics_axes};
use crate::ops::reshape::RESHAPE;
use crate::ops::same;
use crate::ops::slice::SLICE;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Input, moments, scale, shift, and perhaps a residual → output.
pub static BATCH_NORM: BatchNorm = BatchNorm;
/// Input, gradient, moments, and what tells of an activation → `2 x C`: the gradients of scale and of shift.
pub static BATCH_NORM_GRAD_SUMS: BatchNormGradSums = BatchNormGradSums;
/// Input, gradient, moments, scale, the sums, and what tells of an activation → input gradient. Attribute `count`: the
/// values of a channel in the whole batch.
pub static BATCH_NORM_GRAD_INPUT: BatchNormGradInput = BatchNormGradInput;

pub struct BatchNorm;
pub struct BatchNormGradSums;
pub struct BatchNormGradInput;

/// The activations that can be part of a batch norm: their derivative follows from their result.
pub static ACTIVATIONS: &[&dyn Function] = &[&Relu, &Relu6];

/// The activation that attributes name, if any.
pub fn activation(attrs: &Attrs) -> Result<Option<&'static dyn Function>, Fault> {
    let name = attrs.get_text("activation");
    let found = ACTIVATIONS.iter().copied().find(|function| function.name() == name);
    match (name, found) {
        ("", _) => Ok(None),
        (_, Some(function)) => Ok(Some(function)),
        (_, None) => Err(Fault::internal(format!("`batch_norm` knows no activation `{name}`"))),
    }
}

/// The inputs as `2 x C`, `C` and so on must have them.
fn check(op: &str, input: &Shape, moments: &Shape, per_channel: &[&Shape]) -> Result<(), Fault> {
    let channels = channels(op, input)?;
    same(op, &moments_shape(channels), moments)?;
    per_channel.iter().try_for_each(|shape| same(op, &Shape::from([channels]), shape))
}

/// The inputs that are always there and those that may follow them.
fn first<'i, 'a, const N: usize>(
    op: &str,
    inputs: &'i [&'a Shape],
) -> Result<([&'a Shape; N], &'i [&'a Shape]), Fault> {
    let (first, rest) = inputs.split_at(inputs.len().min(N));
    match <[&Shape; N]>::try_from(first) {
        Ok(first) => Ok((first, rest)),
        Err(_) => Err(Fault::internal(format!("`{op}` takes {N} inputs at the least, not {}", inputs.len()))),
    }
}

/// What tells the gradient ops of an activation: nothing where there is none; its result, or scale and shift.
fn check_told(op: &str, attrs: &Attrs, input: &Shape, told: &[&Shape]) -> Result<(), Fault> {
    match (activation(attrs)?, told) {
        (None, []) => Ok(()),
        (Some(_), [result]) => same(op, input, result),
        (Some(_), [scale, shift]) => {
            let expected = Shape::from([channels(op, input)?]);
            same(op, &expected, scale)?;
            same(op, &expected, shift)
        }
        _ => Err(Fault::internal(format!("`{op}` takes an activation and what tells of it, or neither"))),
    }
}

/// Which inputs of a gradient op have a row an image, where `n` come before what tells of an activation.
fn rows(n: usize, inputs: &[Operand<'_>]) -> Vec<usize> {
    let result = (inputs.len() == n + 1).then_some(n);
    [0, 1].into_iter().chain(result).collect()
}

/// `(x - mean) / sqrt(variance + epsilon)`, and what it was divided by, inverted.
fn normalized(x: &Tensor, moments: &Tensor, attrs: &Attrs) -> Result<(Tensor, Tensor), Fault> {
    let (mean, variance) = (aligned(&moments.get(0)?, x.rank())?, aligned(&moments.get(1)?, x.rank())?);
    let inverse = (variance + f64::from(attrs.get_float("epsilon")))?.sqrt()?.recip()?;
    Ok((x.broadcast_sub(&mean)?.broadcast_mul(&inverse)?, inverse))
}

/// Row `row` of a matrix of two, as a vector.
pub(crate) fn matrix_row(builder: &mut Builder, matrix: Value, row: usize) -> Result<Value, Fault> {
    let columns = builder.shape(matrix).elements() / 2;
    let attrs = Attrs::new().ints("start", [row, 0]).ints("shape", [1, columns]);
    let row = builder.apply(&SLICE, attrs, &[matrix])?;
    builder.apply(&RESHAPE, Attrs::new().ints("shape", [columns]), &[row])
}

/// The gradient that the activation lets through.
fn masked(grad: &Tensor, normalized: &Tensor, told: &[Tensor], attrs: &Attrs) -> Result<Tensor, Fault> {
    let Some(function) = activation(attrs)? else { return Ok(grad.clone()) };
    let result = match told {
        [scale, shift] => {
            let rank = grad.rank();
            let scaled = normalized.broadcast_mul(&aligned(scale, rank)?)?;
            function.eval(&scaled.broadcast_add(&aligned(shift, rank)?)?, 0.0)?
        }
        [result] => result.clone(),
        _ => return Err(Fault::internal("nothing tells of an activation")),
    };
    Ok((function.eval_derivative(&result, 0.0)? * grad)?)
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let ([input, moments, scale, shift], residual) = first(self.name(), inputs)?;
        check(self.name(), input, moments, &[scale, shift])?;
        activation(attrs)?;
        match residual {
            [] => Ok(input.clone()),
            [residual] => same(self.name(), input, residual).map(|()| input.clone()),
            _ => Err(Fault::internal("`batch_norm` takes one residual")),
        }
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let &[x, moments, scale, _] = node.inputs else {
            return Err(Fault::internal("`batch_norm` is differentiated before a residual is fused to it"));
        };
        if activation(node.attrs)?.is_some() {
            return Err(Fault::internal(
                "`batch_norm` is differentiated before an activation is fused to it",
            ));
        }
        let channels = builder.shape(scale).elements();
        let count = builder.shape(x).elements() / channels.max(1);
        let epsilon = Attrs::new().float("epsilon", node.attrs.get_float("epsilon"));
        let sums = builder.apply(&BATCH_NORM_GRAD_SUMS, epsilon, &[x, node.grad, moments])?;
        let [to_scale, to_shift] = [0, 1].map(|row| matrix_row(builder, sums, row));
        let attrs = node.attrs.clone().int("count", count as i64);
        let to_x = builder.apply(&BATCH_NORM_GRAD_INPUT, attrs, &[x, node.grad, moments, scale, sums])?;
        Ok(vec![Some(to_x), None, Some(to_scale?), Some(to_shift?)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(inputs.len() as u64 - 2, inputs, output)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let (normalized, _) = normalized(&inputs[0], &inputs[1], attrs)?;
        let scaled = normalized.broadcast_mul(&aligned(&inputs[2], output.rank())?)?;
        let mut sum = scaled.broadcast_add(&aligned(&inputs[3], output.rank())?)?;
        if let Some(residual) = inputs.get(4) {
            sum = (sum + residual)?;
        }
        activation(attrs)?.map_or(Ok(sum.clone()), |function| function.eval(&sum, 0.0))
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        let rows: &[usize] = if inputs.len() > 4 { &[0, 4] } else { &[0] };
        batching_of(inputs, rows, Batching::Rows)
    }
}

impl Op for BatchNormGradSums {
    fn name(&self) -> &'static str {
        "batch_norm_grad_sums"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let ([input, grad, moments], told) = first(self.name(), inputs)?;
        same(self.name(), input, grad)?;
        check(self.name(), input, moments, &[])?;
        check_told(self.name(), attrs, input, told)?;
        Ok(moments.clone())
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`batch_norm_grad_sums` is not differentiated again"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        Cost { flops: 4 * inputs[0].elements() as u64, ..elementwise_cost(0, inputs, output) }
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let (normalized, _) = normalized(&inputs[0], &inputs[2], attrs)?;
        let grad = masked(&inputs[1], &normalized, &inputs[3..], attrs)?;
        let axes = statistics_axes(grad.rank());
        let to_scale = (normalized * &grad)?.sum_keepdim(axes.clone())?.flatten_all()?;
        let to_shift = grad.sum_keepdim(axes)?.flatten_all()?;
        Ok(Tensor::cat(&[to_scale, to_shift], 0)?.reshape(output.dims())?)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        batching_of(inputs, &rows(3, inputs), Batching::Sum)
    }
}

impl Op for BatchNormGradInput {
    fn name(&self) -> &'static str {
        "batch_norm_grad_input"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let ([input, grad, moments, scale, sums], told) = first(self.name(), inputs)?;
        same(self.name(), input, grad)?;
        same(self.name(), moments, sums)?;
        check(self.name(), input, moments, &[scale])?;
        check_told(self.name(), attrs, input, told)?;
        match attrs.get_int("count") > 0 {
            true => Ok(input.clone()),
            false => Err(Fault::internal("`batch_norm_grad_input` needs the count of values of a channel")),
        }
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`batch_norm_grad_input` is not differentiated again"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(4, inputs, output)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let rank = output.rank();
        let (normalized, inverse) = normalized(&inputs[0], &inputs[2], attrs)?;
        let grad = masked(&inputs[1], &normalized, &inputs[5..], attrs)?;
        let slope = (aligned(&inputs[3], rank)? * inverse)?;
        if attrs.get_text("statistics") == "running" {
            return Ok(grad.broadcast_mul(&slope)?);
        }
        let shares = (&inputs[4] / attrs.get_int("count") as f64)?;
        let through_variance = normalized.broadcast_mul(&aligned(&shares.get(0)?, rank)?)?;
        let through_mean = aligned(&shares.get(1)?, rank)?;
        Ok((grad.broadcast_sub(&through_mean)? - through_variance)?.broadcast_mul(&slope)?)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        batching_of(inputs, &rows(5, inputs), Batching::Rows)
    }
}
