//! Disjoint slices of one arena. The plan gives every live value its own range; this hands out the ranges of
//! one step as shared inputs and one exclusive output.
#![allow(unsafe_code)]

use std::ops::Range;

use crate::diag::Fault;

/// The most inputs that one step may have.
pub const MAX_INPUTS: usize = crate::ops::concat::MAX_INPUTS;

/// Runs `body` on the `inputs` ranges (shared) and the `output` and `scratch` ranges (exclusive) of `memory`.
/// Refuses ranges outside the memory and exclusive ranges that overlap another range.
pub fn borrow<R>(
    memory: &mut [f32],
    inputs: &[Range<usize>],
    output: Range<usize>,
    scratch: Range<usize>,
    body: impl FnOnce(&[&[f32]], &mut [f32], &mut [f32]) -> R,
) -> Result<R, Fault> {
    let overlap = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
    let inside = |range: &Range<usize>| range.start <= range.end && range.end <= memory.len();
    let apart = |range: &Range<usize>| !overlap(range, &output) && !overlap(range, &scratch);
    if inputs.len() > MAX_INPUTS
        || !inputs.iter().all(|range| inside(range) && apart(range))
        || !inside(&output)
        || !inside(&scratch)
        || overlap(&output, &scratch)
    {
        return Err(Fault::internal("the plan gives two values of one step the same memory"));
    }
    let base = memory.as_mut_ptr();
    let mut slices: [&[f32]; MAX_INPUTS] = [&[]; MAX_INPUTS];
    for (slice, range) in slices.iter_mut().zip(inputs) {
        // SAFETY: the range is inside `memory` and overlaps neither exclusive range; `memory` is borrowed
        // exclusively for the whole call.
        *slice = unsafe { std::slice::from_raw_parts(base.add(range.start), range.len()) };
    }
    // SAFETY: both ranges are inside `memory`, apart from each other and from every shared range.
    let (output, scratch) = unsafe {
        (
            std::slice::from_raw_parts_mut(base.add(output.start), output.len()),
            std::slice::from_raw_parts_mut(base.add(scratch.start), scratch.len()),
        )
    };
    Ok(body(&slices[..inputs.len()], output, scratch))
}

#[cfg(test)]
mod tests {
    use super::borrow;

    #[test]
    fn overlapping_ranges_are_refused_and_disjoint_ones_are_lent() {
        let mut memory = [1.0, 2.0, 3.0, 4.0];
        let sum =
            |inputs: &[&[f32]], output: &mut [f32], _: &mut [f32]| output[0] = inputs[0][0] + inputs[1][0];
        assert!(borrow(&mut memory, &[0..1, 0..1], 2..3, 3..4, sum).is_ok());
        assert_eq!(memory, [1.0, 2.0, 2.0, 4.0]);
        assert!(borrow(&mut memory, &[0..1, 2..3], 2..3, 3..4, sum).is_err());
        assert!(borrow(&mut memory, &[0..1, 1..2], 2..4, 3..4, sum).is_err());
        assert!(borrow(&mut memory, &[0..1, 1..2], 2..3, 3..5, sum).is_err());
    }
}
