//! Pools: what `pool.cu` is asked to do.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::geometry;
use crate::kernels::cuda::launch::{Argument, Kernel, Place, Prepared, each, input, output, size};
use crate::ops::window::Windows;
use crate::shape::Shape;

pub fn max(attrs: &Attrs, inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let windows = windows("max_pool2d", attrs, inputs[0])?;
    let arguments = vec![output(), input(0), size(to.elements())?, windows];
    Prepared::of(each(Kernel::Named("max_pool2d"), to.elements(), arguments)?)
}

pub fn max_grad(attrs: &Attrs, inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let windows = windows("max_pool2d_grad", attrs, inputs[0])?;
    let relu = Argument::Int(i32::from(attrs.get_int("relu") != 0));
    let arguments = vec![output(), input(0), input(1), size(to.elements())?, relu, windows];
    Prepared::of(each(Kernel::Named("max_pool2d_grad"), to.elements(), arguments)?)
}

pub fn avg(attrs: &Attrs, inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    averaged("avg_pool2d", attrs, inputs[0], to)
}

pub fn avg_grad(attrs: &Attrs, _inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    averaged("avg_pool2d_grad", attrs, to, to)
}

fn averaged(kernel: &'static str, attrs: &Attrs, images: &Shape, to: &Shape) -> Result<Prepared, Fault> {
    let padded = Argument::Int(i32::from(attrs.get_int("count_padding") == 1));
    let arguments = vec![output(), input(0), size(to.elements())?, padded, windows(kernel, attrs, images)?];
    Prepared::of(each(Kernel::Named(kernel), to.elements(), arguments)?)
}

fn windows(op: &str, attrs: &Attrs, images: &Shape) -> Result<Argument<Place>, Fault> {
    Ok(Argument::Ints(geometry::windows(&Windows::of_pool(op, attrs, images)?)?))
}
