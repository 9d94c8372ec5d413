//! Resampling, plane by plane, from the op's own tables of taps.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::Prepared;
use crate::ops::resample::{Axis, axes};
use crate::shape::Shape;

/// Visits every pair of an output and one of its inputs, with their weight.
fn visit([rows, columns]: &[Axis; 2], mut tell: impl FnMut(usize, usize, f32)) {
    for (oy, row_taps) in rows.taps.iter().enumerate() {
        for (y, row_weight) in row_taps {
            for (ox, column_taps) in columns.taps.iter().enumerate() {
                for (x, column_weight) in column_taps {
                    tell(oy * columns.to + ox, y * columns.from + x, row_weight * column_weight);
                }
            }
        }
    }
}

pub fn forward(attrs: &Attrs, _inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let axes = axes("resample", attrs)?;
    let (from, to) = (axes[0].from * axes[1].from, axes[0].to * axes[1].to);
    Prepared::new(move |inputs, output| {
        for (plane, out) in output.chunks_exact_mut(to.max(1)).enumerate() {
            let plane = &inputs[0][plane * from..][..from];
            out.fill(0.0);
            visit(&axes, |output, input, weight| out[output] += weight * plane[input]);
        }
    })
}

pub fn adjoint(attrs: &Attrs, _inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let axes = axes("resample_adjoint", attrs)?;
    let (from, to) = (axes[0].from * axes[1].from, axes[0].to * axes[1].to);
    Prepared::new(move |inputs, output| {
        for (plane, out) in output.chunks_exact_mut(from.max(1)).enumerate() {
            let plane = &inputs[0][plane * to..][..to];
            out.fill(0.0);
            visit(&axes, |output, input, weight| out[input] += weight * plane[output]);
        }
    })
}
