//! Sums and means over axes, and their adjoint, repetition.
#![allow(unsafe_code)]

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::simd::{Simd, ZERO_LANE, dispatch};
use crate::kernels::cpu::strides::Strides;
use crate::kernels::cpu::{Prepared, Rewrite, add_up};
use crate::shape::Shape;

/// A sum that includes axis 0 adds up what it gets of it slice by slice.
pub fn sum(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let adding = adding(inputs[0], output)?;
    if attrs.get_ints("axes").contains(&0) {
        return Ok(
            Prepared::new(move |inputs, sum| adding(inputs[0], sum))?.summing(output.elements(), add_up)
        );
    }
    Prepared::new(move |inputs, output| {
        output.fill(0.0);
        adding(inputs[0], output);
    })
}

pub fn mean(_attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let adding = adding(inputs[0], output)?;
    let share = output.elements() as f32 / inputs[0].elements() as f32;
    Prepared::new(move |inputs, output| {
        output.fill(0.0);
        adding(inputs[0], output);
        output.iter_mut().for_each(|sum| *sum *= share);
    })
}

/// What adds the numbers of an input to the sums that they belong to.
fn adding(input: &Shape, output: &Shape) -> Result<Rewrite, Fault> {
    if let Some(planes) = planes(input, output) {
        return Ok(Box::new(move |numbers, sums| add_planes(planes, numbers, sums)));
    }
    let strides = Strides::new(input, [output]);
    let (row, step) = (strides.row(), strides.row_step(0));
    Ok(Box::new(move |numbers, sums| {
        strides.each_row(|i, [at]| {
            let numbers = &numbers[i * row..][..row];
            match step {
                0 => sums[at] += row_sum(numbers),
                _ => sums[at..][..row].iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number),
            }
        });
    }))
}

/// The length of the inner run that is summed, where what is kept is one run of axes: before it and behind it all is
/// summed, as for the gradient of a bias.
fn planes(input: &Shape, output: &Shape) -> Option<usize> {
    let pairs = || input.dims().iter().zip(output.dims());
    let kept = |(extent, left): &(&usize, &usize)| **extent != 1 && extent == left;
    let Some(first) = pairs().position(|pair| kept(&pair)) else { return Some(input.elements()) };
    let end = pairs().rposition(|pair| kept(&pair))? + 1;
    let is_one_run = pairs().take(end).skip(first).all(|(extent, left)| extent == left);
    is_one_run.then(|| input.dims()[end..].iter().product())
}

/// Adds each run of `plane` numbers to its sum, runs taking the sums in turn.
fn add_planes(plane: usize, numbers: &[f32], sums: &mut [f32]) {
    // SAFETY: the body stays inside the slices.
    unsafe { add_planes_dispatched(plane, numbers, sums) }
}

dispatch!(unsafe fn add_planes_dispatched(plane: usize, numbers: &[f32], sums: &mut [f32]) = add_planes_body);

#[inline(always)]
unsafe fn add_planes_body<S: Simd>(plane: usize, numbers: &[f32], sums: &mut [f32]) {
    // What is left behind whole vectors is taken out of a vector that ends with the plane.
    let left = plane % S::LANES;
    let mut lanes = [ZERO_LANE; 16];
    (0..left).for_each(|i| lanes[i] = (S::LANES - left + i) as u32);
    for numbers in numbers.chunks_exact((plane * sums.len()).max(1)) {
        if plane < S::LANES {
            match plane {
                1 => sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number),
                _ => sums
                    .iter_mut()
                    .zip(numbers.chunks_exact(plane))
                    .for_each(|(sum, plane)| *sum += plane.iter().sum::<f32>()),
            }
            continue;
        }
        for (sum, plane) in sums.iter_mut().zip(numbers.chunks_exact(plane)) {
            let (from, mut at) = (plane.as_ptr(), 0);
            // SAFETY: vectors end inside the plane, which is one vector long at least.
            unsafe {
                let mut parts = [S::zero(); 4];
                while at + 4 * S::LANES <= plane.len() {
                    for (i, part) in parts.iter_mut().enumerate() {
                        *part = S::add(*part, S::load(from.add(at + i * S::LANES)));
                    }
                    at += 4 * S::LANES;
                }
                while at + S::LANES <= plane.len() {
                    parts[0] = S::add(parts[0], S::load(from.add(at)));
                    at += S::LANES;
                }
                if left > 0 {
                    let end = S::load(from.add(plane.len() - S::LANES));
                    parts[1] = S::add(parts[1], S::expand(end, lanes.as_ptr()));
                }
                *sum += S::sum(S::add(S::add(parts[0], parts[1]), S::add(parts[2], parts[3])));
            }
        }
    }
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
