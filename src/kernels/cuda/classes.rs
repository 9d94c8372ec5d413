//! Softmax, cross-entropy and what is said of classes: what `classes.cu` is asked to do.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::launch::{Argument, Kernel, Prepared, blocks, each, input, output, size};
use crate::ops::softmax::axis;
use crate::shape::Shape;

pub fn softmax(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    rows("softmax", inputs, axis(attrs))
}

pub fn softmax_grad(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    rows("softmax_grad", inputs, axis(attrs))
}

pub fn log_softmax(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    rows("log_softmax", inputs, 1)
}

/// A block for each row along an axis.
fn rows(kernel: &'static str, inputs: &[&Shape], axis: usize) -> Result<Prepared, Fault> {
    let classes = inputs[0].dims().get(axis).copied().unwrap_or(1);
    let inner: usize = inputs[0].dims().iter().skip(axis + 1).product();
    let mut arguments = vec![output()];
    arguments.extend((0..inputs.len()).map(input));
    arguments.extend([size(classes)?, size(inner)?]);
    Prepared::of(blocks(Kernel::Named(kernel), inputs[0].elements() / classes.max(1), arguments)?)
}

pub fn cross_entropy(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    losses("cross_entropy", attrs, inputs)
}

pub fn cross_entropy_grad(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    losses("cross_entropy_grad", attrs, inputs)
}

fn losses(kernel: &'static str, attrs: &Attrs, inputs: &[&Shape]) -> Result<Prepared, Fault> {
    let [images, classes] = matrix(inputs[0]);
    let mut arguments = vec![output()];
    arguments.extend((0..inputs.len()).map(input));
    arguments.extend([size(classes)?, Argument::Float(attrs.get_float("smoothing"))]);
    Prepared::of(blocks(Kernel::Named(kernel), images, arguments)?)
}

pub fn top1_correct(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [images, classes] = matrix(inputs[0]);
    let arguments = vec![output(), input(0), input(1), size(images)?, size(classes)?];
    Prepared::of(each(Kernel::Named("top1_correct"), images, arguments)?)
}

pub fn argmax(_attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let [images, classes] = matrix(inputs[0]);
    let arguments = vec![output(), input(0), size(images)?, size(classes)?];
    Prepared::of(each(Kernel::Named("argmax"), images, arguments)?)
}

pub fn one_hot(_attrs: &Attrs, _inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let classes = to.dims().get(1).copied().unwrap_or(1);
    let plane = to.dims().iter().skip(2).product::<usize>();
    let arguments = vec![output(), input(0), size(to.elements())?, size(classes)?, size(plane)?];
    Prepared::of(each(Kernel::Named("one_hot"), to.elements(), arguments)?)
}

fn matrix(shape: &Shape) -> [usize; 2] {
    let rows = shape.dims().first().copied().unwrap_or(1);
    [rows, shape.elements() / rows.max(1)]
}
