//! Disjoint slices of one arena. The plan gives every live value its own range; this lends the ranges of one
//! step as shared and exclusive slices, after a check.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use crate::diag::Fault;

/// The most inputs that one step may have.
pub const MAX_INPUTS: usize = crate::ops::concat::MAX_INPUTS;

pub(super) fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Ranges that are written, in the order of the memory: thousands, in a long network.
pub(super) struct Written {
    /// With the number that each was given by.
    sorted: Vec<(Range<usize>, usize)>,
}

impl Written {
    /// `None` where two of the ranges overlap.
    pub(super) fn apart(ranges: impl Iterator<Item = Range<usize>>) -> Option<Written> {
        let numbered = ranges.enumerate().map(|(number, range)| (range, number));
        let mut sorted: Vec<_> = numbered.filter(|(range, _)| !range.is_empty()).collect();
        sorted.sort_unstable_by_key(|(range, _)| range.start);
        let apart = sorted.windows(2).all(|pair| pair[0].0.end <= pair[1].0.start);
        apart.then_some(Written { sorted })
    }

    /// The numbers of the ranges that overlap this one.
    pub(super) fn met(&self, range: &Range<usize>) -> impl Iterator<Item = usize> {
        let first = self.sorted.partition_point(|(own, _)| own.end <= range.start);
        let end = range.end;
        self.sorted[first..].iter().take_while(move |(own, _)| own.start < end).map(|(_, number)| *number)
    }

    pub(super) fn is_clear(&self, range: &Range<usize>) -> bool {
        self.met(range).next().is_none()
    }
}

/// An arena that several threads use at once, each its own parts.
#[derive(Clone, Copy)]
pub(super) struct Arena<'a> {
    base: *mut f32,
    len: usize,
    memory: PhantomData<&'a mut [f32]>,
}

// SAFETY: an `Arena` only gives out slices through unsafe methods, whose callers see to it that what one
// thread writes no other one touches.
unsafe impl Send for Arena<'_> {}
// SAFETY: as above.
unsafe impl Sync for Arena<'_> {}

impl<'a> Arena<'a> {
    pub(super) fn new(memory: &'a mut [f32]) -> Arena<'a> {
        Arena { base: memory.as_mut_ptr(), len: memory.len(), memory: PhantomData }
    }

    /// # Safety
    /// Nobody writes to the range while the slice lives.
    pub(super) unsafe fn shared(&self, range: Range<usize>) -> &'a [f32] {
        assert!(range.start <= range.end && range.end <= self.len, "outside the arena");
        // SAFETY: inside the arena, which is borrowed for `'a`; the rest is the caller's contract.
        unsafe { std::slice::from_raw_parts(self.base.add(range.start), range.len()) }
    }

    /// # Safety
    /// Nobody else reads or writes the range while the slice lives.
    pub(super) unsafe fn exclusive(&self, range: Range<usize>) -> &'a mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len, "outside the arena");
        // SAFETY: as for `shared`.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(range.start), range.len()) }
    }
}

/// A slice cut into pieces of one size, of which the last may be shorter, for several threads.
pub(super) struct Pieces<'a> {
    whole: Arena<'a>,
    size: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(values: &'a mut [f32], size: usize) -> Pieces<'a> {
        Pieces { whole: Arena::new(values), size: size.max(1) }
    }

    pub(super) fn count(&self) -> usize {
        self.whole.len.div_ceil(self.size)
    }

    /// # Safety
    /// No piece is taken twice while one of its slices lives.
    pub(super) unsafe fn get(&self, number: usize) -> &'a mut [f32] {
        // SAFETY: the caller's contract.
        unsafe { self.range(number..number + 1) }
    }

    /// Several pieces in one.
    ///
    /// # Safety
    /// No piece is taken twice while one of its slices lives.
    pub(super) unsafe fn range(&self, numbers: Range<usize>) -> &'a mut [f32] {
        let [first, end] =
            [numbers.start, numbers.end].map(|number| (number * self.size).min(self.whole.len));
        // SAFETY: pieces do not overlap; the rest is the caller's contract.
        unsafe { self.whole.exclusive(first..end) }
    }
}

/// Runs `body` on the `inputs` ranges (shared; the packed operand may be one more) and the `output` and `scratch` ranges (exclusive) of `memory`.
/// Refuses ranges outside the memory and exclusive ranges that overlap another range.
pub fn borrow<R>(
    memory: &mut [f32],
    inputs: &[Range<usize>],
    output: Range<usize>,
    scratch: Range<usize>,
    body: impl FnOnce(&[&[f32]], &mut [f32], &mut [f32]) -> R,
) -> Result<R, Fault> {
    let inside = |range: &Range<usize>| range.start <= range.end && range.end <= memory.len();
    let apart = |range: &Range<usize>| !overlap(range, &output) && !overlap(range, &scratch);
    if inputs.len() > MAX_INPUTS + 1
        || !inputs.iter().all(|range| inside(range) && apart(range))
        || !inside(&output)
        || !inside(&scratch)
        || overlap(&output, &scratch)
    {
        return Err(Fault::internal("the plan gives two values of one step the same memory"));
    }
    let arena = Arena::new(memory);
    let mut slices: [&[f32]; MAX_INPUTS + 1] = [&[]; MAX_INPUTS + 1];
    for (slice, range) in slices.iter_mut().zip(inputs) {
        // SAFETY: the range overlaps neither exclusive range.
        *slice = unsafe { arena.shared(range.clone()) };
    }
    // SAFETY: both ranges are apart from each other and from every shared range.
    let (output, scratch) = unsafe { (arena.exclusive(output), arena.exclusive(scratch)) };
    Ok(body(&slices[..inputs.len()], output, scratch))
}

#[cfg(test)]
mod tests {
    use super::{Written, borrow, overlap};

    #[test]
    fn what_meets_written_ranges_is_found() {
        let ranges = [7..9, 0..3, 5..5, 3..6];
        let written = Written::apart(ranges.iter().cloned()).unwrap();
        for start in 0..11 {
            for end in start..11 {
                let mut met: Vec<usize> = written.met(&(start..end)).collect();
                met.sort_unstable();
                let expected = |i: &usize| !ranges[*i].is_empty() && overlap(&ranges[*i], &(start..end));
                assert_eq!(met, (0..4).filter(expected).collect::<Vec<_>>(), "{start}..{end}");
            }
        }
        assert!(Written::apart([0..3, 5..7, 2..4].into_iter()).is_none());
    }

    #[test]
    fn overlapping_ranges_are_refused_and_disjoint_ones_are_lent() {
        let mut memory = [1.0, 2.0, 3.0, 4.0];
        let sum =
            |inputs: &[&[f32]], output: &mut [f32], _: &mut [f32]| output[0] = inputs[0][0] + inputs[1][0];
        assert!(borrow(&mut memory, &[0..1, 0..1], 2..3, 3..4, sum).is_ok());
        assert_eq!(memory, [1.0, 2.0, 2.0, 4.0]);
        assert!(borrow(&mut memory, &[0..1, 1..2], 2..3, 3..5, sum).is_err());
        assert!(borrow(&mut memory, &[0..1, 2..3], 2..3, 3..4, sum).is_err());
        assert!(borrow(&mut memory, &[0..1, 1..2], 2..4, 3..4, sum).is_err());
    }
}
