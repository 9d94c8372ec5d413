//! Walking over broadcast values: a shape's axes, merged where all operands run on, as one flat inner row and a
//! counter over the rest.

use crate::shape::Shape;

/// The most axes that are left after merging.
const MAX_AXES: usize = 6;

/// The steps of `N` operands through a common shape; a repeated axis has step 0.
#[derive(Clone, Copy, Debug)]
pub struct Strides<const N: usize> {
    n_axes: usize,
    extents: [usize; MAX_AXES],
    steps: [[usize; MAX_AXES]; N],
}

impl<const N: usize> Strides<N> {
    /// `operands` align with `common` at their last axes; an extent of 1 is repeated. `None` where more axes
    /// are left than are supported.
    pub fn new(common: &Shape, operands: [&Shape; N]) -> Option<Strides<N>> {
        let rank = common.rank();
        let steps = operands.map(|shape| {
            let mut steps = vec![0; rank];
            let mut size = 1;
            for (own, &extent) in shape.dims().iter().enumerate().rev() {
                let axis = own + rank - shape.rank();
                steps[axis] = if extent == 1 { 0 } else { size };
                size *= extent;
            }
            steps
        });
        let mut out = Strides { n_axes: 0, extents: [1; MAX_AXES], steps: [[0; MAX_AXES]; N] };
        for (axis, &extent) in common.dims().iter().enumerate() {
            if extent == 1 {
                continue;
            }
            let last = out.n_axes.wrapping_sub(1);
            let runs_on = out.n_axes > 0 && (0..N).all(|k| out.steps[k][last] == steps[k][axis] * extent);
            if runs_on {
                out.extents[last] *= extent;
                (0..N).for_each(|k| out.steps[k][last] = steps[k][axis]);
                continue;
            }
            if out.n_axes == MAX_AXES {
                return None;
            }
            out.extents[out.n_axes] = extent;
            (0..N).for_each(|k| out.steps[k][out.n_axes] = steps[k][axis]);
            out.n_axes += 1;
        }
        Some(out)
    }

    /// The length of the inner row.
    pub fn row(&self) -> usize {
        if self.n_axes == 0 { 1 } else { self.extents[self.n_axes - 1] }
    }

    /// Operand `k`'s step along the inner row: 0 or more.
    pub fn row_step(&self, k: usize) -> usize {
        if self.n_axes == 0 { 0 } else { self.steps[k][self.n_axes - 1] }
    }

    /// Visits each inner row: its number and where it begins in each operand.
    pub fn each_row(&self, mut visit: impl FnMut(usize, [usize; N])) {
        let outer = self.n_axes.saturating_sub(1);
        let n_rows: usize = self.extents[..outer].iter().product();
        let mut counter = [0usize; MAX_AXES];
        let mut at = [0usize; N];
        for row in 0..n_rows {
            visit(row, at);
            for axis in (0..outer).rev() {
                counter[axis] += 1;
                (0..N).for_each(|k| at[k] += self.steps[k][axis]);
                if counter[axis] < self.extents[axis] {
                    break;
                }
                (0..N).for_each(|k| at[k] -= self.steps[k][axis] * counter[axis]);
                counter[axis] = 0;
            }
        }
    }
}
