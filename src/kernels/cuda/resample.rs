//! Resampling by tables of taps: what `moving.cu` is asked to do.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{Argument, Kernel, Place, Prepared, each, input, output, size, too_large};
use crate::ops::resample;
use crate::shape::Shape;

pub fn forward(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> Result<Prepared, Fault> {
    let [rows, columns] = resample::axes("resample", attrs)?;
    resampled([rows.taps, columns.taps], inputs[0], output, format)
}

pub fn adjoint(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> Result<Prepared, Fault> {
    let [rows, columns] = resample::axes("resample_adjoint", attrs)?;
    resampled([turned(&rows), turned(&columns)], inputs[0], output, format)
}

/// For each input of an axis the outputs that read it, and their weights.
fn turned(axis: &resample::Axis) -> Vec<Vec<(usize, f32)>> {
    let mut taps = vec![Vec::new(); axis.from];
    for (to, own) in axis.taps.iter().enumerate() {
        own.iter().for_each(|&(from, weight)| taps[from].push((to, weight)));
    }
    taps
}

fn resampled(
    taps: [Vec<Vec<(usize, f32)>>; 2],
    from: &Shape,
    to: &Shape,
    format: Format,
) -> Result<Prepared, Fault> {
    let n = to.elements();
    let mut arguments = vec![output(), input(0)];
    arguments.extend([0, 1].map(|table| Argument::Memory(Place::Table(table))));
    let depth = format.depth(to.dims()[1]);
    for extent in [n, to.dims()[2], to.dims()[3], from.dims()[2], from.dims()[3], depth] {
        arguments.push(size(extent)?);
    }
    let command = each(Kernel::Named("resample"), n, arguments)?;
    let tables = taps.iter().map(|taps| table(taps)).collect::<Result<_, _>>()?;
    Ok(Prepared { commands: vec![command], tables, ..Prepared::default() })
}

/// Where each output's taps begin, and each tap's input and weight, as floats that hold whole numbers exactly.
fn table(taps: &[Vec<(usize, f32)>]) -> Result<Vec<f32>, Fault> {
    const EXACT: usize = 1 << 24;
    let n_taps: usize = taps.iter().map(Vec::len).sum();
    if n_taps.max(taps.len()) >= EXACT {
        return Err(too_large());
    }
    let mut table = Vec::with_capacity(taps.len() + 1 + 2 * n_taps);
    let mut begin = 0;
    for own in taps {
        table.push(begin as f32);
        begin += own.len();
    }
    table.push(begin as f32);
    for &(at, weight) in taps.iter().flatten() {
        table.extend([at as f32, weight]);
    }
    Ok(table)
}
