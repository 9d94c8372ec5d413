//! Products of matrices that both depend on the image → `matmul`; two of them with a softmax between, and projections around, →
//! `attention`.

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::read::pointwise::near;
use crate::exchange::onnx::read::{Act, Flow, Layout, Reader, Step, cannot, pair};
use crate::layers::attention::Groups;

/// What attention is made of, found from its end.
struct Parts<'a> {
    /// What arrives: `channels x places`, or the image whose patches attend.
    source: usize,
    heads: usize,
    groups: Groups,
    weights: Vec<(&'static str, Weight<'a>)>,
}

/// The queries, keys or values of all heads.
struct Part {
    /// What they are a slice of, and from which channel on.
    whole: usize,
    from: usize,
    heads: usize,
    size: usize,
    groups: Groups,
}

/// Extents, and in which order their axes are put.
struct Order<'s> {
    extents: &'s [usize],
    axes: &'s [usize],
}

impl Order<'_> {
    fn is(&self, (extents, axes): ([usize; 5], [usize; 5])) -> bool {
        extents == *self.extents && axes == *self.axes
    }
}

impl<'a> Reader<'a, '_> {
    /// The product of two values' matrices.
    pub(super) fn matrices(&mut self, node: &'a Node<'a>, a: Flow, b: Flow) -> Result<Flow, Fault> {
        let (a, b) = (self.as_first(node, a), self.as_first(node, b));
        let dims = match (a.dims.as_slice(), b.dims.as_slice()) {
            (&[m, k], &[rows, n]) if k == rows => vec![m, n],
            (&[each, m, k], &[other, rows, n]) if k == rows && each == other => vec![each, m, n],
            _ => return Err(cannot(node, format!("it multiplies {:?} by {:?}", a.dims, b.dims))),
        };
        Ok(self.push(node, Act::Layer("matmul"), vec![a.at, b.at], dims, Layout::First))
    }

    /// The last two axes exchanged.
    pub(super) fn swapped(&mut self, node: &'a Node<'a>, x: &Flow) -> Flow {
        let mut dims = x.dims.clone();
        let mut axes: Vec<usize> = (0..dims.len()).collect();
        if let [.., a, b] = axes.as_mut_slice() {
            std::mem::swap(a, b);
        }
        if let [.., a, b] = dims.as_mut_slice() {
            std::mem::swap(a, b);
        }
        self.push(node, Act::Transpose(axes), vec![x.at], dims, x.layout.clone())
    }

    /// A convolution of one place that ends what we write `attention` as: the layer in its stead.
    pub(super) fn attended(&mut self, node: &'a Node<'a>, flow: &Flow) -> Option<Flow> {
        let Parts { source, heads, groups, mut weights } = self.attention(flow)?;
        let end = self.step(flow)?.weights.clone();
        let has_bias = weights.len() > 1;
        let names = if has_bias { ["out_weight", "out_bias"].as_slice() } else { ["out_weight"].as_slice() };
        if end.len() != names.len() {
            return None;
        }
        weights.extend(names.iter().copied().zip(end.into_iter().map(|(_, weight)| weight)));
        let shape = self.shape_of(source)?.to_vec();
        let attention = self.push(node, Act::Layer("attention"), vec![source], shape, Layout::First);
        let step = self.last()?;
        step.args = vec![("heads", heads.to_string()), ("bias", has_bias.to_string())];
        if groups.count() > 1 {
            step.args.push(("patch", pair(&groups.patch)));
        }
        step.weights = weights;
        // As the nodes have it: the places in a row.
        self.arranged(node, &attention, flow.dims.clone()).ok()
    }

    /// What has its rows and columns exchanged here, which for a single row or column is the same numbers under other extents.
    fn behind_swap(&self, at: usize) -> Option<usize> {
        let step = self.at(at)?;
        let input = *step.inputs.first()?;
        let is_swap = match (&step.act, step.shape.as_slice(), self.shape_of(input)?) {
            (Act::Transpose(axes), _, _) => *axes == [0, 2, 1],
            (Act::Layer("reshape"), &[n, a, b], own) => own == [n, b, a] && (a == 1 || b == 1),
            _ => false,
        };
        is_swap.then_some(input)
    }

    fn attention(&self, flow: &Flow) -> Option<Parts<'a>> {
        let &[channels, places] = flow.dims.as_slice() else { return None };
        let conv = self.step(flow).filter(|step| is_linear(step))?;
        let found = self.layer(conv.inputs[0], "reshape").filter(|step| step.shape == [channels, places])?;
        let (found, back) = self.behind_axes(found.inputs[0]);
        let &[values, weights] = self.layer(found, "matmul")?.inputs.as_slice() else {
            return None;
        };
        let softmax = self.at(self.behind_swap(weights)?)?;
        let Act::Softmax(2) = softmax.act else { return None };
        let &[queries, keys] = self.layer(softmax.inputs[0], "matmul")?.inputs.as_slice() else {
            return None;
        };
        // A factor of 1 is no step.
        let scaled = self.behind_swap(queries)?;
        let (queries, root) = match self.at(scaled)? {
            Step { act: Act::Factor(root), inputs, .. } => (inputs[0], *root),
            _ => (scaled, 1.0),
        };
        let first = self.of_heads(queries)?;
        let Part { whole, heads, size, groups, .. } = first;
        for (place, part) in [queries, keys, values].into_iter().enumerate() {
            let part = self.of_heads(part)?;
            let alike = (part.whole, part.heads, part.size, part.groups) == (whole, heads, size, groups);
            if !alike || part.from != place * channels {
                return None;
            }
        }
        let is_back = match back {
            None => groups.count() == 1,
            Some(order) => order.is(groups.together(heads, size)),
        };
        let is_whole = heads * size == channels && groups.count() * groups.places() == places;
        if !is_back || !is_whole || !near(root * (size as f32).sqrt(), 1.0) {
            return None;
        }
        let projection = self.layer(whole, "conv1d")?;
        if !is_linear(projection) || projection.shape != [3 * channels, places] {
            return None;
        }
        let source = match groups.count() {
            1 => Some(projection.inputs[0]).filter(|&at| self.has_shape(at, &[channels, places])),
            _ => {
                let [height, width] = [0, 1].map(|axis| groups.patch[axis] * groups.patches[axis]);
                let image = self.layer(projection.inputs[0], "reshape")?.inputs[0];
                Some(image).filter(|&at| self.has_shape(at, &[channels, height, width]))
            }
        };
        Some(Parts { source: source?, heads, groups, weights: projection.weights.clone() })
    }

    fn has_shape(&self, at: usize, shape: &[usize]) -> bool {
        self.shape_of(at).is_some_and(|own| own == shape)
    }

    /// What a value is with its axes in another order, and that order; the value itself where they have not moved.
    fn behind_axes(&self, at: usize) -> (usize, Option<Order<'_>>) {
        let apart = self.at(at).and_then(|step| match &step.act {
            Act::Transpose(axes) => Some((self.layer(step.inputs[0], "reshape")?, axes)),
            _ => None,
        });
        match apart {
            Some((apart, axes)) => (apart.inputs[0], Some(Order { extents: &apart.shape, axes })),
            None => (at, None),
        }
    }

    /// Queries, keys or values: a slice of their channels by heads, and by the groups of places that attend to each other.
    fn of_heads(&self, at: usize) -> Option<Part> {
        let by_head = self.layer(at, "reshape")?;
        let &[n, size, places] = by_head.shape.as_slice() else { return None };
        let (slice, order) = self.behind_axes(by_head.inputs[0]);
        let slice = self.layer(slice, "slice")?;
        let (heads, groups) = match order {
            None => (n, Groups { patch: [1, 1], patches: [1, places] }),
            Some(order) => {
                let &[heads, _, rows, across, columns] = order.extents else { return None };
                let groups = Groups { patch: [rows, columns], patches: [places / across.max(1), across] };
                let fits = n == heads * groups.count() && order.is(groups.apart(heads, size));
                (heads, fits.then_some(groups)?)
            }
        };
        if slice.shape != [heads * size, groups.count() * groups.places()] {
            return None;
        }
        let from = slice.args.first()?.1.parse().ok()?;
        Some(Part { whole: slice.inputs[0], from, heads, size, groups })
    }
}

/// Whether a convolution is one linear layer for each place.
fn is_linear(step: &Step<'_>) -> bool {
    let plain = |name: &str, value: &str| step.args.iter().all(|(own, given)| *own != name || given == value);
    matches!(step.act, Act::Layer("conv1d"))
        && plain("kernel", "1")
        && plain("groups", "1")
        && plain("stride", "1")
        && plain("padding", "0")
}
