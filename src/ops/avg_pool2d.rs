//! Mean of each window of `N x C x H x W`, and its gradient. Attributes `kernel`, `stride`, `padding`, `ceil`,
//! and `count_padding`: whether zeros of the padding count as summands. What `ceil` adds behind the padding
//! never counts (as in PyTorch).

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::max_pool2d::pooled;
use crate::ops::window::Windows;
use crate::ops::{arity, same};
use crate::shape::{Shape, Window};
use crate::tensor::{self, Tensor};

pub static AVG_POOL2D: AvgPool2d = AvgPool2d;
/// Output gradient → input gradient; attribute `input`: the input's shape.
pub static AVG_POOL2D_GRAD: AvgPool2dGrad = AvgPool2dGrad;

pub struct AvgPool2d;
pub struct AvgPool2dGrad;

/// For each window of one plane, one over the number of its summands.
pub fn shares(windows: &Windows, attrs: &Attrs) -> Vec<f32> {
    let padded = attrs.get_int("count_padding") == 1;
    let summands = |window: &Window, input: usize, output: usize| {
        let (first, end) = match padded {
            true => (0, window.before + input + window.after),
            false => (window.before, window.before + input),
        };
        let start = output * window.stride;
        (start + window.kernel).min(end).saturating_sub(start.max(first))
    };
    let mut shares = Vec::with_capacity(windows.n_outputs());
    for oy in 0..windows.out_height {
        for ox in 0..windows.out_width {
            let n =
                summands(&windows.rows, windows.height, oy) * summands(&windows.columns, windows.width, ox);
            shares.push(1.0 / n.max(1) as f32);
        }
    }
    shares
}

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity("avg_pool2d", inputs)?;
        pooled("avg_pool2d", attrs, input)
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let attrs = node.attrs.clone().ints("input", builder.shape(node.inputs[0]).dims());
        builder.apply(&AVG_POOL2D_GRAD, attrs, &[node.grad]).map(|grad| vec![Some(grad)])
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(attrs.get_ints("kernel").iter().product::<usize>() as u64, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let windows = Windows::of_pool("avg_pool2d", attrs, &Shape::new(inputs[0].dims()))?;
        let sums = windows.gather(&inputs[0], 0.0)?.sum(2)?;
        let shares = share_tensor(&windows, attrs, &inputs[0])?;
        Ok(sums.broadcast_mul(&shares)?.reshape(output.dims())?)
    }
}

fn share_tensor(windows: &Windows, attrs: &Attrs, beside: &Tensor) -> Result<Tensor, Fault> {
    tensor::from_slice(&shares(windows, attrs), &Shape::from([1, 1, windows.n_outputs()]), beside.device())
}

impl Op for AvgPool2dGrad {
    fn name(&self) -> &'static str {
        "avg_pool2d_grad"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [grad] = arity(self.name(), inputs)?;
        let input = Shape::new(attrs.get_ints("input"));
        same(self.name(), &pooled("avg_pool2d_grad", attrs, &input)?, grad)?;
        Ok(input)
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`avg_pool2d_grad` is not differentiated again"))
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Cost {
        elementwise_cost(attrs.get_ints("kernel").iter().product::<usize>() as u64, inputs, inputs[0])
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let windows = Windows::of_pool("avg_pool2d_grad", attrs, output)?;
        let (n, c, ..) = inputs[0].dims4()?;
        let grad = inputs[0].reshape((n, c, windows.n_outputs()))?;
        let shared = grad.broadcast_mul(&share_tensor(&windows, attrs, &inputs[0])?)?.unsqueeze(2)?;
        windows.scatter(&shared.broadcast_as((n, c, windows.n_taps(), windows.n_outputs()))?.contiguous()?)
    }
}
