//! Reductions of a graph, and what is written with them: standard deviations, lengths, and norms in single steps.

use crate::diag::Fault;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::read::pointwise::near;
use crate::exchange::onnx::read::{Act, Flow, Layout, Reader, cannot, shown};

impl<'a> Reader<'a, '_> {
    /// `ReduceMean`, `ReduceMax`, `ReduceSum` and `ReduceL2`.
    pub(super) fn reduced(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let rank = x.dims.len();
        let given = match self.numbers_if(node, 1)? {
            Some(numbers) => Some(numbers.ints()),
            None => node.ints("axes").map(<[i64]>::to_vec),
        };
        let given = given.filter(|given| !given.is_empty());
        let given = given.ok_or_else(|| cannot(node, "it reduces over the batch"))?;
        let ours: Option<Vec<usize>> = given.iter().map(|&axis| x.axis(axis)).collect();
        let mut ours = ours.ok_or_else(|| cannot(node, "it reduces over the batch"))?;
        ours.sort_unstable();
        ours.dedup();
        let keeps = node.int("keepdims", 1) == 1;
        let is_cut = self.step(&x).is_some_and(|step| matches!(step.act, Act::Cut(_)));
        if let ("ReduceMax", &[axis], Layout::First, true) =
            (node.op, ours.as_slice(), &x.layout, keeps && is_cut && ours[0] > 0)
        {
            let mut dims = x.dims.clone();
            dims[axis] = 1;
            return Ok(self.push(node, Act::Largest(axis), vec![x.at], dims, x.layout));
        }
        let is_space = rank > 1 && ours.iter().copied().eq(1..rank);
        let word = match node.op {
            "ReduceMean" => "mean",
            "ReduceMax" => "max",
            "ReduceSum" => "sum",
            _ => return self.length(node, &x, &ours, keeps),
        };
        if is_space && !keeps && word != "sum" {
            let word = if word == "mean" { "global_avg_pool" } else { "global_max_pool" };
            let channels = x.channels();
            return Ok(self.push(node, Act::Layer(word), vec![x.at], vec![channels], Layout::First));
        }
        let own = Flow { dims: x.ours(), layout: Layout::First, ..x.clone() };
        let found = self.along(node, word, own, &ours)?;
        self.laid(node, &x, found, &ours, keeps)
    }

    /// One number of several along axes of a value that has our order.
    fn along(
        &mut self,
        node: &'a Node<'a>,
        word: &'static str,
        x: Flow,
        axes: &[usize],
    ) -> Result<Flow, Fault> {
        let mut dims = x.dims.clone();
        axes.iter().for_each(|&axis| dims[axis] = 1);
        let over = |reader: &mut Self, at: usize, dims: Vec<usize>, over: &str| {
            let flow = reader.push(node, Act::Layer(word), vec![at], dims, Layout::First);
            if let Some(step) = reader.last() {
                step.args = vec![("over", over.to_owned())];
            }
            flow
        };
        match (axes, x.dims.as_slice()) {
            ([0], _) => Ok(over(self, x.at, dims, "channels")),
            (own, [_, rest @ ..]) if own.iter().copied().eq(1..=rest.len()) => {
                Ok(over(self, x.at, dims, "space"))
            }
            ([0, own @ ..], [channels, rest @ ..]) if own.iter().copied().eq(1..=rest.len()) => {
                let mut between = vec![1; x.dims.len()];
                between[0] = *channels;
                let flow = over(self, x.at, between, "space");
                Ok(over(self, flow.at, dims, "channels"))
            }
            (&[axis], &[channels, rows, columns]) => {
                // One axis of an image: the others are counted as channels.
                let x = if axis == 1 { self.swapped(node, &x) } else { x };
                let (others, own) = if axis == 1 { (columns, rows) } else { (rows, columns) };
                let apart = self.extents(node, x.at, vec![channels * others, own]);
                let flow = over(self, apart.at, vec![channels * others, 1], "space");
                Ok(self.extents(node, flow.at, dims))
            }
            _ => Err(cannot(node, format!("it reduces the axes {axes:?} of {:?}", x.dims))),
        }
    }

    /// What was reduced with our order, as the graph has it.
    fn laid(
        &mut self,
        node: &'a Node<'a>,
        x: &Flow,
        found: Flow,
        axes: &[usize],
        keeps: bool,
    ) -> Result<Flow, Fault> {
        let mut dims = found.dims.clone();
        let layout = match x.layout {
            Layout::Last => {
                dims.rotate_left(1);
                Layout::Last
            }
            Layout::First | Layout::FlatLast(_) => Layout::First,
        };
        let found = Flow { dims, layout, ..found };
        if keeps {
            return Ok(found);
        }
        let n = x.dims.len();
        let is_left = |axis: &usize| {
            let own = if x.layout == Layout::Last { (axis + 1) % n } else { *axis };
            !axes.contains(&own)
        };
        let rest: Vec<usize> = (0..n).filter(is_left).map(|axis| found.dims[axis]).collect();
        match rest.is_empty() {
            true => Err(cannot(node, "it makes one number of a whole image")),
            false => self.arranged(node, &found, rest),
        }
    }

    /// The root of the sum of squares.
    fn length(&mut self, node: &'a Node<'a>, x: &Flow, axes: &[usize], keeps: bool) -> Result<Flow, Fault> {
        let own = Flow { dims: x.ours(), layout: Layout::First, ..x.clone() };
        let found = match axes {
            [0] => {
                let mut dims = own.dims.clone();
                dims[0] = 1;
                self.push(node, Act::Length, vec![own.at], dims, Layout::First)
            }
            _ => {
                let square = self.keep(node, Act::Power(2.0), &own);
                let sum = self.along(node, "sum", square, axes)?;
                self.keep(node, Act::Power(0.5), &sum)
            }
        };
        self.laid(node, x, found, axes, keeps)
    }

    /// The root of a number that is a variance: `std`.
    pub(super) fn deviation(&mut self, node: &'a Node<'a>, x: &Flow) -> Option<Flow> {
        let (mut at, mut epsilon, mut factor) = (x.at, 0.0, 1.0f32);
        let act = |reader: &Self, at: usize| {
            let step = reader.at(at)?;
            Some((step.act.clone(), step.inputs[0]))
        };
        if let (Act::Shift(by), input) = act(self, at)? {
            (at, epsilon) = (input, by);
        }
        if let (Act::Factor(by), input) = act(self, at)? {
            (at, factor) = (input, by);
        }
        let mean = self.layer(at, "mean")?;
        let (over, square) = (mean.args.first()?.1.clone(), mean.inputs[0]);
        let (Act::Power(2.0), centred) = act(self, square)? else { return None };
        let source = self.centred(centred, &over)?;
        let n = self.count(source)? / self.count(at)?.max(1);
        // n / (n - correction)
        let correction = (n as f32 - n as f32 / factor).round();
        let fits =
            correction >= 0.0 && correction < n as f32 && near(factor, n as f32 / (n as f32 - correction));
        if !fits || epsilon < 0.0 {
            return None;
        }
        let flow = self.keep(node, Act::Layer("std"), x);
        let step = self.last()?;
        step.inputs = vec![source];
        step.args = vec![
            ("over", over),
            ("correction", (correction as usize).to_string()),
            ("epsilon", shown(epsilon)),
        ];
        Some(flow)
    }

    /// The value that a value is without its mean.
    fn centred(&self, at: usize, over: &str) -> Option<usize> {
        let &[x, less] = self.layer(at, "add")?.inputs.as_slice() else { return None };
        let step = self.at(less)?;
        let Act::Factor(-1.0) = step.act else { return None };
        let mean = self.layer(step.inputs[0], "mean")?;
        (mean.inputs == [x] && mean.args.first()?.1 == over).then_some(x)
    }

    fn count(&self, at: usize) -> Option<usize> {
        self.shape_of(at).map(|shape| shape.iter().product())
    }

    /// A value divided by another, where that is a norm: channels of length 1, or with mean 0 and variance 1.
    pub(super) fn normal(&mut self, node: &'a Node<'a>, x: &Flow, by: &Flow) -> Option<Flow> {
        let by = match self.step(by) {
            Some(step) if matches!(step.act, Act::Expand) => step.inputs[0],
            _ => by.at,
        };
        let step = self.at(by)?;
        if let Act::AtLeast(epsilon) = step.act {
            let length = self.at(step.inputs[0])?;
            if !matches!(length.act, Act::Length) || length.inputs != [x.at] {
                return None;
            }
            let flow = self.keep(node, Act::Layer("l2_normalize"), x);
            self.last()?.args = vec![("epsilon", shown(epsilon))];
            return Some(flow);
        }
        let deviation = self.layer(by, "std")?;
        let [(_, over), (_, correction), (_, epsilon)] = deviation.args.as_slice() else { return None };
        let source = self.centred(x.at, over)?;
        if correction != "0" || deviation.inputs != [source] {
            return None;
        }
        let (over, epsilon) = (over.clone(), epsilon.clone());
        let word = if over == "channels" { "layer_norm" } else { "instance_norm" };
        let flow = self.keep(node, Act::Layer(word), x);
        let step = self.last()?;
        step.inputs = vec![source];
        step.args = vec![("affine", "false".to_owned()), ("epsilon", epsilon)];
        if over == "channels" && x.dims.len() > 1 {
            step.args.insert(0, ("over", over));
        }
        Some(flow)
    }
}
