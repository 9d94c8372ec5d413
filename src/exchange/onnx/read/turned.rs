//! Axes that change their places: `Transpose` → another layout of the same value where only the channels move, a reshape where only
//! axes of extent 1 move, otherwise an exchange of axes, which [`exchanges`] makes layers of.

use crate::diag::Fault;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::read::numbers::axis_of;
use crate::exchange::onnx::read::{Act, Flow, Layout, Reader, cannot};
use crate::shape::Shape;

impl<'a> Reader<'a, '_> {
    /// Input number `i` with the axes that the graph gives it.
    pub(super) fn first(&mut self, node: &'a Node<'a>, i: usize) -> Result<Flow, Fault> {
        let flow = self.image(node, i)?;
        Ok(self.as_first(node, flow))
    }

    /// A value with the axes that the graph gives it, in the same order here.
    pub(super) fn as_first(&mut self, node: &'a Node<'a>, x: Flow) -> Flow {
        let turned = |channels: usize, rank: usize| (1..rank).chain([channels]).collect::<Vec<_>>();
        match x.layout {
            Layout::First => x,
            Layout::Last => self.exchanged(node, &x, turned(0, x.dims.len()), x.dims.clone()),
            Layout::FlatLast(extents) => {
                let mut ours = extents.clone();
                ours.rotate_right(1);
                let apart = self.extents(node, x.at, ours);
                let turned = self.exchanged(node, &apart, turned(0, extents.len()), extents);
                self.push(node, Act::Layer("flatten"), vec![turned.at], x.dims, Layout::First)
            }
        }
    }

    /// A value whose last axis is the channels'.
    pub(super) fn as_last(&mut self, node: &'a Node<'a>, x: Flow) -> Flow {
        if x.layout == Layout::Last {
            return x;
        }
        let x = self.as_first(node, x);
        let rank = x.dims.len();
        let mut ours = x.dims.clone();
        ours.rotate_right(1);
        let turned = self.exchanged(node, &x, [rank - 1].into_iter().chain(0..rank - 1).collect(), ours);
        Flow { dims: x.dims, layout: Layout::Last, ..turned }
    }

    /// The output with the axes that the graph gives it.
    pub(super) fn given_first(&mut self, nodes: &'a [Node<'a>], name: &str, output: Flow) -> Flow {
        let is_turned = output.layout == Layout::Last && !output.is_point();
        match nodes.iter().find(|node| node.outputs.contains(&name)).filter(|_| is_turned) {
            Some(node) => self.as_first(node, output),
            None => output,
        }
    }

    /// The same numbers in the same order, under other extents.
    pub(super) fn extents(&mut self, node: &'a Node<'a>, at: usize, dims: Vec<usize>) -> Flow {
        let shown = Shape::new(&dims).to_string();
        let flow = self.push(node, Act::Layer("reshape"), vec![at], dims, Layout::First);
        if let Some(step) = self.last() {
            step.args = vec![("shape", shown)];
        }
        flow
    }

    /// Axes of ours exchanged: axis `i` of the result is `axes[i]`.
    pub(super) fn exchanged(
        &mut self,
        node: &'a Node<'a>,
        x: &Flow,
        axes: Vec<usize>,
        dims: Vec<usize>,
    ) -> Flow {
        let before = self.step(x).map(|step| (step.act.clone(), step.inputs[0]));
        let (axes, at) = match before {
            // Twice exchanged is exchanged once.
            Some((Act::Transpose(own), at)) if own.len() == axes.len() => {
                (axes.iter().map(|&axis| own[axis]).collect(), at)
            }
            _ => (axes, x.at),
        };
        match axes.is_sorted() {
            true => Flow { at, dims, layout: Layout::First },
            false => self.push(node, Act::Transpose(axes), vec![at], dims, Layout::First),
        }
    }

    pub(super) fn transpose(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let rank = x.dims.len() + 1;
        let perm: Vec<usize> = match node.ints("perm") {
            Some(perm) => perm.iter().filter_map(|&axis| axis_of(axis, rank)).collect(),
            None => (0..rank).rev().collect(),
        };
        let mut sorted = perm.clone();
        sorted.sort_unstable();
        if sorted != (0..rank).collect::<Vec<_>>() || perm[0] != 0 {
            return Err(cannot(node, format!("it moves the batch: {perm:?}")));
        }
        let own: Vec<usize> = perm[1..].iter().map(|axis| axis - 1).collect();
        let dims: Vec<usize> = own.iter().map(|&axis| x.dims[axis]).collect();
        let n = own.len();
        let to_last = (1..n).chain([0]);
        let to_first = [n - 1].into_iter().chain(0..n - 1);
        match &x.layout {
            _ if own.is_sorted() => return Ok(x),
            Layout::First if n > 1 && own.iter().copied().eq(to_last) => {
                return Ok(Flow { at: x.at, dims, layout: Layout::Last });
            }
            Layout::Last if own.iter().copied().eq(to_first) => {
                return Ok(Flow { at: x.at, dims, layout: Layout::First });
            }
            Layout::First | Layout::Last | Layout::FlatLast(_) => {}
        }
        let wide = |axis: &&usize| x.dims[**axis] != 1;
        if x.layout == Layout::First && own.iter().filter(wide).is_sorted() {
            return Ok(self.extents(node, x.at, dims));
        }
        let axes = match x.layout {
            Layout::Last => own.iter().map(|&axis| (axis + 1) % n).collect(),
            Layout::First | Layout::FlatLast(_) => own,
        };
        Ok(self.exchanged(node, &x, axes, dims))
    }
}

/// Exchanges of the last two of three axes, with the extents of each, that together make axis `i` of the result `axes[i]`.
pub(super) fn exchanges(axes: &[usize], shape: &[usize]) -> Vec<[usize; 3]> {
    let mut order: Vec<usize> = (0..axes.len()).collect();
    let extent = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product::<usize>();
    let mut made = Vec::new();
    for (done, wanted) in axes.iter().enumerate() {
        // `…, a, wanted, b` becomes `…, wanted, b, a`.
        let at = order.iter().position(|axis| axis == wanted).unwrap_or(done);
        if at > done {
            made.push([extent(&order[..done]), extent(&order[done..at]), extent(&order[at..])]);
            order[done..].rotate_left(at - done);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::exchanges;

    #[test]
    fn any_order_of_axes_is_made_of_exchanges() {
        let shape = [2, 3, 4, 5];
        assert_eq!(exchanges(&[0, 1, 3, 2], &shape), [[6, 4, 5]]);
        assert_eq!(exchanges(&[1, 2, 3, 0], &shape), [[1, 2, 60]]);
        assert_eq!(exchanges(&[0, 2, 1, 3], &shape), [[2, 3, 20], [8, 5, 3]]);
        assert_eq!(exchanges(&[0, 1, 2, 3], &shape), [[0; 3]; 0]);
    }
}
