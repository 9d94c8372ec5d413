//! Pooling, plane by plane: the 2×2 window at step 2 in [`two`], every other window in [`any`].

mod any;
mod two;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::Prepared;
use crate::ops::avg_pool2d::shares;
use crate::ops::window::Windows;
use crate::shape::Shape;

/// Whether the windows are 2×2 at step 2, each wholly inside the plane.
fn is_two_by_two(w: &Windows) -> bool {
    let fits = |window: crate::shape::Window, extent: usize, output: usize| {
        window.kernel == 2
            && window.stride == 2
            && window.dilation == 1
            && window.before == 0
            && output == extent / 2
    };
    fits(w.rows, w.height, w.out_height) && fits(w.columns, w.width, w.out_width)
}

pub fn max(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let w = Windows::of_pool("max_pool2d", attrs, inputs[0])?;
    if is_two_by_two(&w) {
        return Prepared::new(move |inputs, y| two::max([w.height, w.width], inputs[0], y));
    }
    let pool = any::Pool::new(&w);
    Prepared::with_scratch(pool.copy_len(), move |inputs, y, scratch| any::max(&pool, inputs[0], y, scratch))
}

pub fn max_grad(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let w = Windows::of_pool("max_pool2d_grad", attrs, inputs[0])?;
    // What a window's largest number has to exceed for the gradient to pass.
    let floor = if attrs.get_int("relu") == 1 { 0.0 } else { f32::NEG_INFINITY };
    if is_two_by_two(&w) {
        return Prepared::new(move |inputs, dx| {
            two::max_grad([w.height, w.width], floor, inputs[0], inputs[1], dx)
        });
    }
    let pool = any::Pool::new(&w);
    Prepared::with_scratch(pool.gradient_scratch_len(), move |inputs, dx, scratch| {
        any::max_grad(&pool, floor, inputs[0], inputs[1], dx, scratch);
    })
}

pub fn avg(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let w = Windows::of_pool("avg_pool2d", attrs, inputs[0])?;
    if is_two_by_two(&w) {
        return Prepared::new(move |inputs, y| two::avg([w.height, w.width], inputs[0], y));
    }
    let (pool, shares) = (any::Pool::new(&w), shares(&w, attrs));
    Prepared::with_scratch(pool.copy_len(), move |inputs, y, scratch| {
        any::avg(&pool, &shares, inputs[0], y, scratch);
    })
}

pub fn avg_grad(attrs: &Attrs, _inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let w = Windows::of_pool("avg_pool2d_grad", attrs, output)?;
    if is_two_by_two(&w) {
        return Prepared::new(move |inputs, dx| two::avg_grad([w.height, w.width], inputs[0], dx));
    }
    let (pool, shares) = (any::Pool::new(&w), shares(&w, attrs));
    Prepared::with_scratch(pool.gradient_scratch_len(), move |inputs, dx, scratch| {
        any::avg_grad(&pool, &shares, inputs[0], dx, scratch);
    })
}
