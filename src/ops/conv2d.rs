//! Two-dimensional convolution (cross-correlation, as everywhere in deep learning) and its two gradients.
//! `N x C x H x W` with weights `O x C/groups x kH x kW`; attributes `stride`, `padding` (top, bottom, left,
//! right), `dilation`, `groups`; and `unkept`, of how many rows of the output are cut away behind it, which count as no cost.
//! [`epilogue`] says what a bias and an `activation` add.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::window::Windows;
use crate::ops::{arity, epilogue, extents, same};
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static CONV2D: Conv2d = Conv2d;
/// Weights and output gradient → input gradient; attribute `input`: its height and width.
pub static CONV2D_GRAD_INPUT: Conv2dGradInput = Conv2dGradInput;
/// Input and output gradient → weight gradient; attribute `kernel`.
pub static CONV2D_GRAD_WEIGHT: Conv2dGradWeight = Conv2dGradWeight;

pub struct Conv2d;
pub struct Conv2dGradInput;
pub struct Conv2dGradWeight;

/// All extents of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub batch: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub groups: usize,
    pub windows: Windows,
    /// Rows of the output that nothing keeps.
    pub unkept: usize,
}

impl Geometry {
    pub fn new(attrs: &Attrs, input: &Shape, weight: &Shape) -> Result<Geometry, Fault> {
        let [batch, in_channels, height, width] = extents("conv2d", input)?;
        let [out_channels, per_group, kernel_h, kernel_w] = extents("conv2d", weight)?;
        let groups = attrs.get_int("groups").max(1) as usize;
        if per_group * groups != in_channels || out_channels % groups != 0 {
            return Err(Fault::internal(format!("`conv2d` of {input} and {weight} in {groups} groups")));
        }
        let windows = Windows::new("conv2d", attrs, [kernel_h, kernel_w], [height, width])?;
        let unkept = attrs.get_int("unkept").max(0) as usize;
        Ok(Geometry { batch, in_channels, out_channels, groups, windows, unkept })
    }

    pub fn output(&self) -> Shape {
        Shape::from([self.batch, self.out_channels, self.windows.out_height, self.windows.out_width])
    }

    /// Multiply-adds for one pass over the batch, those of rows that nothing keeps left out.
    pub fn macs(&self) -> u64 {
        let per_output = (self.in_channels / self.groups * self.windows.n_taps()) as u64;
        let rows = self.windows.out_height.saturating_sub(self.unkept);
        let outputs = self.batch * self.out_channels * rows * self.windows.out_width;
        per_output.saturating_mul(outputs as u64)
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        Cost { flops: self.macs().saturating_mul(2), ..elementwise_cost(0, inputs, output) }
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        epilogue::shape("conv2d", attrs, inputs, |input, weight| {
            Geometry::new(attrs, input, weight).map(|geometry| geometry.output())
        })
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        epilogue::refuse_gradient("conv2d", node.attrs, node.inputs)?;
        let (input, weight) = (node.inputs[0], node.inputs[1]);
        let size = builder.shape(input).dims()[2..].to_vec();
        let kernel = builder.shape(weight).dims()[2..].to_vec();
        let to_input = builder.apply(
            &CONV2D_GRAD_INPUT,
            node.attrs.clone().ints("input", size),
            &[weight, node.grad],
        )?;
        let to_weight = builder.apply(
            &CONV2D_GRAD_WEIGHT,
            node.attrs.clone().ints("kernel", kernel),
            &[input, node.grad],
        )?;
        Ok(vec![Some(to_input), Some(to_weight)])
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        let mut cost =
            Geometry::new(attrs, inputs[0], inputs[1]).map_or(Cost::default(), |g| g.cost(inputs, output));
        cost.flops = cost.flops.saturating_add(epilogue::flops(attrs, inputs, output));
        cost
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::Rows.given(inputs, &[true, false])
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let (input, weight) = (&inputs[0], &inputs[1]);
        let g = Geometry::new(attrs, &Shape::new(input.dims()), &Shape::new(weight.dims()))?;
        let taps = g.windows.gather(input, 0.0)?;
        let groups = (0..g.groups).map(|group| {
            let weight = group_of_weight(&g, weight, group)?;
            Ok(weight.broadcast_matmul(&group_of_taps(&g, &taps, group)?)?)
        });
        let groups = groups.collect::<Result<Vec<Tensor>, Fault>>()?;
        epilogue::eval(attrs, Tensor::cat(&groups, 1)?.reshape(output.dims())?, inputs.get(2))
    }
}

/// The weights of one group as `1 x outputs x taps`.
fn group_of_weight(g: &Geometry, weight: &Tensor, group: usize) -> Result<Tensor, Fault> {
    let n = g.out_channels / g.groups;
    Ok(weight.narrow(0, group * n, n)?.contiguous()?.reshape((
        1,
        n,
        g.in_channels / g.groups * g.windows.n_taps(),
    ))?)
}

/// The gathered input of one group as `N x taps x positions`.
fn group_of_taps(g: &Geometry, taps: &Tensor, group: usize) -> Result<Tensor, Fault> {
    let n = g.in_channels / g.groups;
    let part = taps.narrow(1, group * n, n)?.contiguous()?;
    Ok(part.reshape((g.batch, n * g.windows.n_taps(), g.windows.n_outputs()))?)
}

/// The output gradient of one group as `N x outputs x positions`.
fn group_of_grad(g: &Geometry, grad: &Tensor, group: usize) -> Result<Tensor, Fault> {
    let n = g.out_channels / g.groups;
    let part = grad.narrow(1, group * n, n)?.contiguous()?;
    Ok(part.reshape((g.batch, n, g.windows.n_outputs()))?)
}

impl Conv2dGradInput {
    /// The geometry of the convolution whose input gradient this is.
    pub fn geometry(attrs: &Attrs, weight: &Shape, grad: &Shape) -> Result<Geometry, Fault> {
        let [batch, ..] = extents::<4>("conv2d_grad_input", grad)?;
        let [_, per_group, ..] = extents::<4>("conv2d_grad_input", weight)?;
        let &[height, width] = attrs.get_ints("input") else {
            return Err(Fault::internal("`conv2d_grad_input` needs the input's height and width"));
        };
        let channels = per_group * attrs.get_int("groups").max(1) as usize;
        let g = Geometry::new(attrs, &Shape::from([batch, channels, height, width]), weight)?;
        same("conv2d_grad_input", &g.output(), grad)?;
        Ok(g)
    }
}

impl Op for Conv2dGradInput {
    fn name(&self) -> &'static str {
        "conv2d_grad_input"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [weight, grad] = arity(self.name(), inputs)?;
        let g = Conv2dGradInput::geometry(attrs, weight, grad)?;
        Ok(Shape::from([g.batch, g.in_channels, g.windows.height, g.windows.width]))
    }

    /// It is linear in both inputs, and the adjoint of the convolution: `<w * x, g> = <x, this(w, g)>`.
    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let (weight, grad) = (node.inputs[0], node.inputs[1]);
        let kernel = builder.shape(weight).dims()[2..].to_vec();
        let convolution = ["stride", "padding", "dilation"]
            .into_iter()
            .fold(Attrs::new(), |attrs, name| attrs.ints(name, node.attrs.get_ints(name)))
            .int("groups", node.attrs.get_int("groups"));
        let to_weight = builder.apply(
            &CONV2D_GRAD_WEIGHT,
            convolution.clone().ints("kernel", kernel),
            &[node.grad, grad],
        )?;
        let to_grad = builder.apply(&CONV2D, convolution, &[node.grad, weight])?;
        Ok(vec![Some(to_weight), Some(to_grad)])
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        Conv2dGradInput::geometry(attrs, inputs[0], inputs[1])
            .map_or(Cost::default(), |g| g.cost(inputs, output))
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::Rows.given(inputs, &[false, true])
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let (weight, grad) = (&inputs[0], &inputs[1]);
        let g = Conv2dGradInput::geometry(attrs, &Shape::new(weight.dims()), &Shape::new(grad.dims()))?;
        let groups = (0..g.groups).map(|group| {
            let weight = group_of_weight(&g, weight, group)?.transpose(1, 2)?.contiguous()?;
            let taps = weight.broadcast_matmul(&group_of_grad(&g, grad, group)?)?;
            Ok(taps.reshape((
                g.batch,
                g.in_channels / g.groups,
                g.windows.n_taps(),
                g.windows.n_outputs(),
            ))?)
        });
        let taps = Tensor::cat(&groups.collect::<Result<Vec<Tensor>, Fault>>()?, 1)?;
        g.windows.scatter(&taps)
    }
}

impl Conv2dGradWeight {
    /// The geometry of the convolution whose weight gradient this is.
    pub fn geometry(attrs: &Attrs, input: &Shape, grad: &Shape) -> Result<Geometry, Fault> {
        let [_, channels, ..] = extents::<4>("conv2d_grad_weight", input)?;
        let [_, out_channels, ..] = extents::<4>("conv2d_grad_weight", grad)?;
        let &[kernel_h, kernel_w] = attrs.get_ints("kernel") else {
            return Err(Fault::internal("`conv2d_grad_weight` needs the kernel's height and width"));
        };
        let per_group = channels / attrs.get_int("groups").max(1) as usize;
        let g = Geometry::new(attrs, input, &Shape::from([out_channels, per_group, kernel_h, kernel_w]))?;
        same("conv2d_grad_weight", &g.output(), grad)?;
        Ok(g)
    }
}

impl Op for Conv2dGradWeight {
    fn name(&self) -> &'static str {
        "conv2d_grad_weight"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input, grad] = arity(self.name(), inputs)?;
        let g = Conv2dGradWeight::geometry(attrs, input, grad)?;
        let kernel = [g.windows.rows.kernel, g.windows.columns.kernel];
        Ok(Shape::from([g.out_channels, g.in_channels / g.groups, kernel[0], kernel[1]]))
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`conv2d_grad_weight` is not differentiated again"))
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        Conv2dGradWeight::geometry(attrs, inputs[0], inputs[1])
            .map_or(Cost::default(), |g| g.cost(inputs, output))
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::Sum.given(inputs, &[true, true])
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let (input, grad) = (&inputs[0], &inputs[1]);
        let g = Conv2dGradWeight::geometry(attrs, &Shape::new(input.dims()), &Shape::new(grad.dims()))?;
        let taps = g.windows.gather(input, 0.0)?;
        let groups = (0..g.groups).map(|group| {
            let taps = group_of_taps(&g, &taps, group)?.transpose(1, 2)?.contiguous()?;
            Ok(group_of_grad(&g, grad, group)?.matmul(&taps)?.sum(0)?)
        });
        Ok(Tensor::cat(&groups.collect::<Result<Vec<Tensor>, Fault>>()?, 0)?.reshape(output.dims())?)
    }
}
