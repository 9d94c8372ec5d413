//! Sums and means over axes, and their adjoint, repetition.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::strides::Strides;
use crate::kernels::cpu::{Prepared, add_up};
use crate::shape::Shape;

pub fn sum(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    reduce(inputs[0], output, 1.0, attrs.get_ints("axes").contains(&0))
}

pub fn mean(_attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    reduce(inputs[0], output, output.elements() as f32 / inputs[0].elements() as f32, false)
}

fn reduce(input: &Shape, output: &Shape, factor: f32, over_images: bool) -> Result<Prepared, Fault> {
    let strides = Strides::new(input, [output]);
    let (row, step) = (strides.row(), strides.row_step(0));
    let add = move |inputs: &[&[f32]], output: &mut [f32]| {
        strides.each_row(|i, [at]| {
            let numbers = &inputs[0][i * row..][..row];
            match step {
                0 => output[at] += row_sum(numbers),
                _ => output[at..][..row].iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number),
            }
        });
    };
    if over_images {
        return Ok(Prepared::new(add)?.summing(output.elements(), add_up));
    }
    Prepared::new(move |inputs, output| {
        output.fill(0.0);
        add(inputs, output);
        if factor != 1.0 {
            output.iter_mut().for_each(|sum| *sum *= factor);
        }
    })
}

pub fn expand(_attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let strides = Strides::new(output, [inputs[0]]);
    let (row, step) = (strides.row(), strides.row_step(0));
    Prepared::new(move |inputs, output| {
        strides.each_row(|i, [at]| {
            let out = &mut output[i * row..][..row];
            match step {
                0 => out.fill(inputs[0][at]),
                _ => out.copy_from_slice(&inputs[0][at..][..row]),
            }
        });
    })
}

/// The sum of a row in eight interleaved lanes, which the compiler can vectorise; the order is fixed.
pub fn row_sum(numbers: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let chunks = numbers.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, number)| *lane += number);
    }
    lanes.iter().sum::<f32>() + rest
}
