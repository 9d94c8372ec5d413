//! Walking over broadcast values: a shape's axes, merged where all operands run on, as one flat inner row and
//! the axes around it.

use crate::shape::Shape;

/// One axis of the common shape, with the steps of `N` operands along it; a repeated axis has step 0.
#[derive(Clone, Copy, Debug)]
struct Axis<const N: usize> {
    extent: usize,
    steps: [usize; N],
}

/// The steps of `N` operands through a common shape.
#[derive(Clone, Debug)]
pub struct Strides<const N: usize> {
    /// From the outside in; the last one is the inner row.
    axes: Vec<Axis<N>>,
}

impl<const N: usize> Strides<N> {
    /// `operands` align with `common` at their last axes; an extent of 1 is repeated.
    pub fn new(common: &Shape, operands: [&Shape; N]) -> Strides<N> {
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
        let mut axes: Vec<Axis<N>> = Vec::new();
        for (axis, &extent) in common.dims().iter().enumerate().filter(|&(_, &extent)| extent != 1) {
            let inner = Axis { extent, steps: std::array::from_fn(|k| steps[k][axis]) };
            match axes.last_mut() {
                Some(outer) if (0..N).all(|k| outer.steps[k] == inner.steps[k] * extent) => {
                    *outer = Axis { extent: outer.extent * extent, ..inner };
                }
                _ => axes.push(inner),
            }
        }
        if axes.is_empty() {
            axes.push(Axis { extent: 1, steps: [0; N] });
        }
        Strides { axes }
    }

    fn split(&self) -> (&[Axis<N>], Axis<N>) {
        match self.axes.split_last() {
            Some((inner, outer)) => (outer, *inner),
            None => (&[], Axis { extent: 1, steps: [0; N] }),
        }
    }

    /// The length of the inner row.
    pub fn row(&self) -> usize {
        self.split().1.extent
    }

    /// Operand `k`'s step along the inner row: 0 or more.
    pub fn row_step(&self, k: usize) -> usize {
        self.split().1.steps[k]
    }

    /// Visits each inner row: its number and where it begins in each operand.
    pub fn each_row(&self, mut visit: impl FnMut(usize, [usize; N])) {
        let mut row = 0;
        walk(self.split().0, [0; N], &mut |at| {
            visit(row, at);
            row += 1;
        });
    }
}

fn walk<const N: usize>(axes: &[Axis<N>], mut at: [usize; N], visit: &mut impl FnMut([usize; N])) {
    let Some((axis, inner)) = axes.split_first() else { return visit(at) };
    for _ in 0..axis.extent {
        walk(inner, at, visit);
        (0..N).for_each(|k| at[k] += axis.steps[k]);
    }
}
