//! Products of matrices that both depend on the image → `matmul`; two of them with a softmax between, and projections around, →
//! `attention`.

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::read::pointwise::near;
use crate::exchange::onnx::read::{Act, Flow, Layout, Reader, Step, cannot};

/// What attention is made of, found from its end.
struct Parts<'a> {
    /// What arrives, `channels x places`.
    source: usize,
    heads: usize,
    weights: Vec<(&'static str, Weight<'a>)>,
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
        let Parts { source, heads, mut weights } = self.attention(flow)?;
        let end = self.step(flow)?.weights.clone();
        let has_bias = weights.len() > 1;
        let names = if has_bias { ["out_weight", "out_bias"].as_slice() } else { ["out_weight"].as_slice() };
        if end.len() != names.len() {
            return None;
        }
        weights.extend(names.iter().copied().zip(end.into_iter().map(|(_, weight)| weight)));
        let attention = self.keep(node, Act::Layer("attention"), flow);
        let step = self.last()?;
        step.inputs = vec![source];
        step.args = vec![("heads", heads.to_string()), ("bias", has_bias.to_string())];
        step.weights = weights;
        Some(attention)
    }

    /// What is exchanged here.
    fn behind_swap(&self, at: usize) -> Option<usize> {
        let step = self.at(at)?;
        matches!(&step.act, Act::Transpose(axes) if *axes == [0, 2, 1]).then(|| step.inputs[0])
    }

    fn attention(&self, flow: &Flow) -> Option<Parts<'a>> {
        let &[channels, places] = flow.dims.as_slice() else { return None };
        let conv = self.step(flow).filter(|step| is_linear(step))?;
        let found = self.layer(conv.inputs[0], "reshape").filter(|step| step.shape == [channels, places])?;
        let &[values, weights] = self.layer(found.inputs[0], "matmul")?.inputs.as_slice() else {
            return None;
        };
        let softmax = self.at(self.behind_swap(weights)?)?;
        let Act::Softmax(2) = softmax.act else { return None };
        let &[queries, keys] = self.layer(softmax.inputs[0], "matmul")?.inputs.as_slice() else {
            return None;
        };
        let scaled = self.at(self.behind_swap(queries)?)?;
        let Act::Factor(root) = scaled.act else { return None };
        let mut source = None;
        let mut heads = 0;
        for (place, part) in [scaled.inputs[0], keys, values].into_iter().enumerate() {
            let apart = self.layer(part, "reshape")?;
            let slice = self.layer(apart.inputs[0], "slice")?;
            let from = slice.args.first()?.1.parse::<usize>().ok()?;
            let &[n, size, own] = apart.shape.as_slice() else { return None };
            if from != place * channels || slice.shape != [channels, places] || own != places {
                return None;
            }
            if !near(root * (size as f32).sqrt(), 1.0)
                || source.is_some_and(|source| source != slice.inputs[0])
            {
                return None;
            }
            (source, heads) = (Some(slice.inputs[0]), n);
        }
        let projection = self.layer(source?, "conv1d")?;
        let fits = is_linear(projection) && projection.shape == [3 * channels, places];
        let source = projection.inputs[0];
        (fits && self.shape_of(source).is_none_or(|shape| shape == [channels, places])).then(|| Parts {
            source,
            heads,
            weights: projection.weights.clone(),
        })
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
