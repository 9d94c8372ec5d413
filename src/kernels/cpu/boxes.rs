//! Moving boxes of numbers: concat, slice, pad, transpose. Rows of the innermost axis are copied whole.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::Prepared;
use crate::shape::Shape;

pub fn concat(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let axis = attrs.get_int("axis") as usize;
    let after = |shape: &Shape| shape.dims()[axis..].iter().product::<usize>();
    let parts: Vec<usize> = inputs.iter().map(|shape| after(shape)).collect();
    let whole = after(output);
    Prepared::new(move |inputs, output| {
        let mut at = 0;
        for (input, &part) in inputs.iter().zip(&parts) {
            for (from, to) in input.chunks(part).zip(output.chunks_mut(whole)) {
                to[at..at + part].copy_from_slice(from);
            }
            at += part;
        }
    })
}

pub fn slice(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let rows = Rows::new(inputs[0], output, attrs.get_ints("start"));
    Prepared::new(move |inputs, output| {
        let (from, row) = (inputs[0], rows.row);
        rows.each(|small, large| output[small..small + row].copy_from_slice(&from[large..large + row]));
    })
}

pub fn pad(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let rows = Rows::new(output, inputs[0], attrs.get_ints("start"));
    Prepared::new(move |inputs, output| {
        let (from, row) = (inputs[0], rows.row);
        output.fill(0.0);
        rows.each(|small, large| output[large..large + row].copy_from_slice(&from[small..small + row]));
    })
}

pub fn transpose(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let (axes, input) = (attrs.get_ints("axes"), inputs[0]);
    let step = |axis: usize| input.dims()[axis + 1..].iter().product::<usize>();
    // Trailing axes that stay in place are one run.
    let whole = (0..axes.len()).rev().take_while(|&axis| axes[axis] == axis).count();
    let moved = axes.len() - whole;
    let run: usize = output.dims()[moved..].iter().product();
    let (extents, steps): (Vec<usize>, Vec<usize>) =
        (0..moved).map(|axis| (output.dims()[axis], step(axes[axis]))).unzip();
    Prepared::new(move |inputs, output| {
        for (at, out) in output.chunks_mut(run).enumerate() {
            let (mut rest, mut from) = (at, 0);
            for (extent, step) in extents.iter().zip(&steps).rev() {
                from += rest % extent * step;
                rest /= extent;
            }
            out.copy_from_slice(&inputs[0][from..from + run]);
        }
    })
}

/// The rows of a box inside a larger one: where each begins in both.
struct Rows {
    row: usize,
    /// Begin of every row in the larger value, in order.
    places: Vec<usize>,
}

impl Rows {
    fn new(large: &Shape, small: &Shape, start: &[usize]) -> Rows {
        // Trailing axes that the box takes whole are one run.
        let rank = large.rank();
        let whole = (0..rank).rev().take_while(|&axis| large.dims()[axis] == small.dims()[axis]).count();
        let inner = (rank - whole).saturating_sub(1);
        let row = small.dims()[inner..].iter().product();
        let stride = |axis: usize| large.dims()[axis + 1..].iter().product::<usize>();
        let mut places = vec![start.iter().enumerate().map(|(axis, &s)| s * stride(axis)).sum::<usize>()];
        for axis in 0..inner {
            let n = small.dims()[axis];
            let step = stride(axis);
            places = places.iter().flat_map(|&at| (0..n).map(move |i| at + i * step)).collect();
        }
        Rows { row, places }
    }

    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        self.places.iter().enumerate().for_each(|(i, &place)| visit(i * self.row, place));
    }
}
