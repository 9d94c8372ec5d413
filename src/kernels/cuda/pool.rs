//! Pools: what the functions of `pool.cu` are asked to do.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::geometry::of_windows;
use crate::kernels::cuda::launch::{Argument, Prepared, each, input, output, size};
use crate::ops::window::Windows;
use crate::shape::Shape;

pub fn max(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let windows = Windows::of_pool("max_pool2d", attrs, inputs[0])?;
    let kernel =
        of_windows(&function("max_pool2d", to, format), "float *out, const float *x, int n", &windows)?;
    Prepared::of(each(kernel, to.elements(), vec![output(), input(0), size(to.elements())?])?)
}

pub fn max_grad(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    let windows = Windows::of_pool("max_pool2d_grad", attrs, inputs[0])?;
    let parameters = "float *out, const float *x, const float *grad, int n, int relu";
    let depth = format.depth(to.dims()[1]);
    let (function, n) = match are_apart(&windows) && depth.is_multiple_of(WIDTH) {
        true => (format!("max_pool2d_grad_apart<{depth}, {WIDTH}>"), cells(&windows, to) / WIDTH),
        false => (function("max_pool2d_grad", to, format), to.elements()),
    };
    let kernel = of_windows(&function, parameters, &windows)?;
    let relu = Argument::Int(i32::from(attrs.get_int("relu") != 0));
    Prepared::of(each(kernel, n, vec![output(), input(0), input(1), size(n)?, relu])?)
}

/// Neighbouring channels that a thread of it has.
const WIDTH: usize = 4;

/// Whether windows cover an image side by side from its first pixel on.
fn are_apart(windows: &Windows) -> bool {
    [windows.rows, windows.columns]
        .iter()
        .all(|axis| axis.stride == axis.kernel && axis.before == 0 && axis.after == 0 && axis.dilation == 1)
}

/// Numbers of all windows that are apart, and of what is left beside them, of images like these.
fn cells(windows: &Windows, images: &Shape) -> usize {
    let [rows, columns] = [(windows.rows, windows.height), (windows.columns, windows.width)]
        .map(|(axis, extent)| extent.div_ceil(axis.kernel));
    images.dims()[0] * images.dims()[1] * rows * columns
}

pub fn avg(attrs: &Attrs, inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    averaged("avg_pool2d", attrs, inputs[0], to, format)
}

pub fn avg_grad(attrs: &Attrs, _inputs: &[&Shape], to: &Shape, format: Format) -> Result<Prepared, Fault> {
    averaged("avg_pool2d_grad", attrs, to, to, format)
}

fn averaged(
    name: &'static str,
    attrs: &Attrs,
    images: &Shape,
    to: &Shape,
    format: Format,
) -> Result<Prepared, Fault> {
    let windows = Windows::of_pool(name, attrs, images)?;
    let parameters = "float *out, const float *from, int n, int padded";
    let kernel = of_windows(&function(name, to, format), parameters, &windows)?;
    let padded = Argument::Int(i32::from(attrs.get_int("count_padding") == 1));
    let arguments = vec![output(), input(0), size(to.elements())?, padded];
    Prepared::of(each(kernel, to.elements(), arguments)?)
}

/// The function for images of these channels.
fn function(name: &str, images: &Shape, format: Format) -> String {
    format!("{name}<{}>", format.depth(images.dims()[1]))
}
