//! Shapes and their arithmetic: how many elements, and what a sliding window leaves of an axis.

use std::fmt;

use smallvec::SmallVec;

/// The most elements that any one value may have; beyond it a network is refused, not attempted.
pub const MAX_ELEMENTS: usize = 1 << 34;

/// Extents of a value, outermost first. In the language a shape has no batch axis (`1x28x28`);
/// in the graph axis 0 is the batch.
#[derive(Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape(pub SmallVec<[usize; 4]>);

/// All at once, which is several times as fast as number by number.
impl Clone for Shape {
    fn clone(&self) -> Shape {
        Shape(SmallVec::from_slice(&self.0))
    }
}

impl Shape {
    pub fn new(dims: impl AsRef<[usize]>) -> Shape {
        Shape(SmallVec::from_slice(dims.as_ref()))
    }

    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements, or `None` above [`MAX_ELEMENTS`].
    pub fn checked_elements(&self) -> Option<usize> {
        let mut n = 1usize;
        for &dim in &self.0 {
            n = n.checked_mul(dim).filter(|&n| n <= MAX_ELEMENTS)?;
        }
        Some(n)
    }

    /// The number of elements of a shape that was checked before.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// This shape with a batch axis in front.
    pub fn batched(&self, batch: usize) -> Shape {
        Shape(std::iter::once(batch).chain(self.0.iter().copied()).collect())
    }

    /// This shape without its first axis.
    pub fn unbatched(&self) -> Shape {
        Shape(self.0.iter().skip(1).copied().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("scalar");
        }
        for (i, dim) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("x")?;
            }
            write!(f, "{dim}")?;
        }
        Ok(())
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(dims: I) -> Shape {
        Shape(dims.into_iter().collect())
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Shape {
        Shape::new(dims)
    }
}

/// How a window slides along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub before: usize,
    pub after: usize,
    pub dilation: usize,
    /// Whether a last window that is only partly inside counts.
    pub ceil: bool,
}

impl Window {
    /// The extent the kernel covers with its holes: `dilation * (kernel - 1) + 1`.
    pub fn reach(&self) -> usize {
        self.dilation.saturating_mul(self.kernel.saturating_sub(1)).saturating_add(1)
    }

    /// The number of windows along an axis of extent `input`, or `None` when not even one fits.
    ///
    /// `floor((input + before + after - reach) / stride) + 1`; with `ceil` the quotient is rounded up, but a
    /// window that would start in the padding behind the axis does not count (as in PyTorch).
    pub fn output(&self, input: usize) -> Option<usize> {
        let room = input.checked_add(self.before)?.checked_add(self.after)?.checked_sub(self.reach())?;
        let mut n = if self.ceil { room.div_ceil(self.stride) } else { room / self.stride } + 1;
        if self.ceil && (n - 1) * self.stride >= input + self.before {
            n -= 1;
        }
        Some(n)
    }

    /// Whether some window lies in the padding alone.
    pub fn has_empty(&self, input: usize) -> bool {
        let last = |n: usize| (n - 1).saturating_mul(self.stride);
        let behind = |n: usize| last(n) >= input.saturating_add(self.before);
        self.output(input).is_some_and(|n| self.before >= self.reach() || behind(n))
    }

    /// Input positions behind the last window that no window reads.
    pub fn dropped(&self, input: usize) -> usize {
        match self.output(input) {
            Some(n) => (input + self.before).saturating_sub((n - 1) * self.stride + self.reach()).min(input),
            None => 0,
        }
    }

    /// The arithmetic of [`Window::output`] as text: `(28 + 2·1 - 3)/2 + 1 = 14`.
    pub fn arithmetic(&self, input: usize) -> String {
        let padding = match (self.before, self.after) {
            (0, 0) => String::new(),
            (a, b) if a == b => format!(" + 2·{a}"),
            (a, b) => format!(" + {a} + {b}"),
        };
        let reach = match self.dilation {
            1 => format!("{}", self.kernel),
            d => format!("({d}·({} - 1) + 1)", self.kernel),
        };
        let rounding = if self.ceil { ", rounded up" } else { "" };
        match self.output(input) {
            Some(n) => match self.stride {
                1 => format!("{input}{padding} - {reach} + 1 = {n}"),
                s => format!("({input}{padding} - {reach})/{s} + 1 = {n}{rounding}"),
            },
            None => format!("{input}{padding} - {reach} is below 0"),
        }
    }

    /// Padding `(before, after)` that makes the output `ceil(input / stride)`; an odd pixel goes behind.
    pub fn same(input: usize, kernel: usize, stride: usize, dilation: usize) -> (usize, usize) {
        let reach = dilation * (kernel - 1) + 1;
        let covered = (input.div_ceil(stride) - 1) * stride + reach;
        let total = covered.saturating_sub(input);
        (total / 2, total - total / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, stride: usize, padding: usize) -> Window {
        Window { kernel, stride, before: padding, after: padding, dilation: 1, ceil: false }
    }

    #[test]
    fn windows_count_like_the_published_networks() {
        assert_eq!(window(11, 4, 2).output(224), Some(55)); // AlexNet
        assert_eq!(window(3, 2, 0).output(55), Some(27));
        assert_eq!(window(3, 3, 1).output(224), Some(75)); // seed S0
        assert_eq!(window(2, 2, 0).output(1), None);
        assert_eq!(Window { ceil: true, ..window(3, 2, 0) }.output(112), Some(56)); // GoogLeNet
        assert_eq!(Window { ceil: true, ..window(2, 2, 1) }.output(3), Some(2));
    }

    #[test]
    fn a_window_in_the_padding_alone_is_seen_on_both_sides() {
        assert!(window(1, 1, 1).has_empty(26) && window(2, 2, 2).has_empty(28));
        assert!(!window(2, 1, 1).has_empty(28) && !window(3, 2, 2).has_empty(28));
        let behind = |after| Window { after, ..window(2, 2, 0) };
        assert!(behind(3).has_empty(28) && !behind(1).has_empty(28));
        // With `ceil` such a window does not count.
        assert!(!Window { ceil: true, ..behind(1) }.has_empty(28));
    }

    #[test]
    fn same_keeps_the_extent_and_dropped_counts_the_rest() {
        assert_eq!(Window::same(28, 5, 1, 1), (2, 2));
        assert_eq!(Window::same(28, 2, 1, 1), (0, 1));
        assert_eq!(Window::same(7, 3, 2, 1), (1, 1));
        assert_eq!(window(2, 2, 0).dropped(13), 1);
        assert_eq!(window(3, 1, 0).dropped(13), 0);
        assert_eq!(window(3, 2, 1).arithmetic(28), "(28 + 2·1 - 3)/2 + 1 = 14");
    }
}
