//! A tensor as PyTorch has it (a storage, an offset, an extent and a stride for each axis) → its numbers in order.

use crate::weights::elements::{Element, Order};

/// Axes of a tensor at most.
pub const MAX_AXES: usize = 32;

/// A view of a storage. Offset, extents and strides are in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// How the file calls the storage.
    pub key: String,
    pub element: Element,
    /// Bytes of the storage.
    pub bytes: u64,
    pub offset: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<u64>,
}

impl View {
    /// Refuses a view that leaves its storage; says so in words that go behind the tensor's name.
    pub fn check(&self) -> Result<(), String> {
        if self.shape.len() != self.strides.len() || self.shape.len() > MAX_AXES {
            let (axes, strides) = (self.shape.len(), self.strides.len());
            return Err(format!("has {axes} axes and {strides} strides"));
        }
        if self.shape.contains(&0) {
            return Ok(());
        }
        match self.end().is_some_and(|end| end <= self.bytes) {
            true => Ok(()),
            false => Err(format!("lies outside its storage of {} bytes", self.bytes)),
        }
    }

    /// Whether the numbers lie one behind the other.
    fn is_dense(&self) -> bool {
        let axes = self.shape.iter().zip(&self.strides).rev();
        let mut next = 1;
        axes.into_iter().all(|(&extent, &stride)| {
            let fits = extent <= 1 || stride == next;
            next *= extent.max(1) as u64;
            fits
        })
    }

    /// Bytes of the storage up to the last number.
    fn end(&self) -> Option<u64> {
        let axes = self.shape.iter().zip(&self.strides);
        let mut last = axes.map(|(&extent, &stride)| (extent as u64 - 1).checked_mul(stride));
        let last = last.try_fold(self.offset, |sum, reach| sum.checked_add(reach?))?;
        last.checked_add(1)?.checked_mul(self.element.size() as u64)
    }

    /// The numbers, the last axis fastest, of a storage's bytes. The view has been checked.
    pub fn numbers(&self, storage: &[u8], order: Order) -> Vec<f32> {
        let n: usize = self.shape.iter().product();
        let size = self.element.size();
        if self.is_dense() {
            let start = self.offset as usize * size;
            let own = storage.get(start..start + n * size).unwrap_or_default();
            return own.chunks_exact(size).map(|bytes| self.element.number(bytes, order)).collect();
        }
        let mut place = vec![0; self.shape.len()];
        let mut at = self.offset;
        let mut numbers = Vec::with_capacity(n);
        for _ in 0..n {
            let bytes = storage.get(at as usize * size..).unwrap_or_default();
            numbers.push(self.element.number(bytes, order));
            for axis in (0..place.len()).rev() {
                if place[axis] + 1 < self.shape[axis] {
                    place[axis] += 1;
                    at += self.strides[axis];
                    break;
                }
                at -= self.strides[axis] * place[axis] as u64;
                place[axis] = 0;
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(offset: u64, shape: &[usize], strides: &[u64]) -> View {
        View {
            key: "0".to_owned(),
            element: Element::U8,
            bytes: 6,
            offset,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        }
    }

    #[test]
    fn strides_turn_and_repeat() {
        let storage = [0, 1, 2, 3, 4, 5];
        let numbers = |view: View| {
            view.check().unwrap();
            view.numbers(&storage, Order::Little).iter().map(|&x| x as u8).collect::<Vec<_>>()
        };
        assert_eq!(numbers(view(0, &[2, 3], &[3, 1])), [0, 1, 2, 3, 4, 5]);
        assert_eq!(numbers(view(0, &[3, 2], &[1, 3])), [0, 3, 1, 4, 2, 5]);
        assert_eq!(numbers(view(4, &[2, 2], &[0, 1])), [4, 5, 4, 5]);
        assert_eq!(numbers(view(3, &[], &[])), [3]);
        // The stride of an axis with one place is of no matter.
        assert_eq!(numbers(view(0, &[1, 2], &[u64::MAX, 2])), [0, 2]);
        assert_eq!(numbers(view(6, &[0], &[1])), Vec::<u8>::new());
    }

    #[test]
    fn views_that_leave_their_storage_are_refused() {
        for wrong in [
            view(1, &[2, 3], &[3, 1]),
            view(0, &[2], &[6]),
            view(u64::MAX, &[2], &[1]),
            view(0, &[usize::MAX, usize::MAX], &[u64::MAX, u64::MAX]),
            view(0, &[2, 3], &[1]),
            view(6, &[], &[]),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
