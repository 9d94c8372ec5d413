//! Some output rows of a convolution: a convolution of fewer rows, whose planes lie in those of the whole.

use std::ops::Range;

use super::{Activation, Shape};

/// Output rows of a convolution as a convolution of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    pub shape: Shape,
    /// The first row of the input that it reads, and of the output that it writes.
    pub first: [usize; 2],
}

impl Band {
    /// The output `rows` of `shape`; `None` if they read nothing but padding.
    pub fn new(shape: &Shape, rows: Range<usize>) -> Option<Band> {
        let ([top, left, _, right], [height, width]) = (shape.padding, shape.size);
        let begin = rows.start * shape.stride[0];
        let reach =
            rows.len().checked_sub(1)? * shape.stride[0] + shape.dilation[0] * (shape.kernel[0] - 1) + 1;
        let first = begin.saturating_sub(top);
        let end = (begin + reach).saturating_sub(top).min(height);
        if first >= end {
            return None;
        }
        let above = top.saturating_sub(begin);
        let below = reach - above - (end - first);
        let shape = Shape { size: [end - first, width], padding: [above, left, below, right], ..*shape };
        Some(Band { shape, first: [first, rows.start] })
    }
}

/// Where the planes of an input and an output lie.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub x: *const f32,
    /// Where what may be read of the input ends.
    pub end: *const f32,
    pub y: *mut f32,
    /// Distance between the planes of the input, and of the output.
    pub planes: [usize; 2],
}

impl Place {
    /// Dense images of `shape`.
    pub(super) fn dense(shape: &Shape, x: &[f32], y: &mut [f32]) -> Place {
        let planes = [shape.input_len() / shape.inputs, shape.output_len() / shape.outputs];
        Place { x: x.as_ptr(), end: x.as_ptr_range().end, y: y.as_mut_ptr(), planes }
    }

    /// With input and output changed for each other; the output is `shape`'s input.
    pub(super) fn turned(shape: &Shape, dy: &[f32], dx: &mut [f32]) -> Place {
        let planes = [shape.output_len() / shape.outputs, shape.input_len() / shape.inputs];
        Place { x: dy.as_ptr(), end: dy.as_ptr_range().end, y: dx.as_mut_ptr(), planes }
    }
}

/// A convolution that can read and write planes that lie anywhere.
pub trait Placed: Send + Sync {
    /// `y = activation(x ⋆ w + bias)` for `n` images; overwrites `y` and nothing beside it.
    ///
    /// # Safety
    /// `place` holds `n` images of input and output, and what lies between the input and its end may be read.
    unsafe fn forward_at(
        &self,
        n: usize,
        place: Place,
        packed: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        scratch: &mut [f32],
    );
}

#[cfg(test)]
mod tests {
    use super::{Band, Shape};

    #[test]
    fn bands_have_the_rows_asked_for_and_read_inside_the_input() {
        for (kernel, stride, padding, dilation) in
            [(1, 1, 0, 1), (3, 1, 1, 1), (3, 2, 1, 1), (5, 3, 4, 1), (3, 2, 2, 2)]
        {
            let shape = Shape::new(2, 3, [17, 5], kernel, padding).stride(stride);
            let shape = Shape { dilation: [dilation; 2], ..shape };
            let [rows, columns] = shape.output();
            for first in 0..rows {
                for end in first + 1..=rows {
                    let Some(band) = Band::new(&shape, first..end) else {
                        // Only padding: each of its rows ends above the input or begins below it.
                        let top = (end - 1) * stride + dilation * (kernel - 1) < padding;
                        assert!(top || first * stride >= 17 + padding);
                        continue;
                    };
                    assert_eq!(band.shape.output(), [end - first, columns]);
                    assert!(band.first[0] + band.shape.size[0] <= 17);
                    // The first tap of the first row lies where it does in the whole.
                    let tap = |first: usize, above: usize| first as isize - above as isize;
                    let whole = tap(first * stride, padding);
                    assert_eq!(
                        tap(band.first[0], band.shape.padding[0]),
                        whole.max(tap(0, band.shape.padding[0]))
                    );
                }
            }
        }
    }
}
