//! Nodes that move numbers without changing them → layers, or nothing where only the order of the axes in the file was another.

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::file::{MAX_AXES, Node};
use crate::exchange::onnx::read::numbers::{Numbers, axis_of, bounds, ranges, squeezed, unsqueezed};
use crate::exchange::onnx::read::{Act, Flow, Layout, Reader, Value, cannot};
use crate::exchange::onnx::wire::damaged;
use crate::shape::Shape;

impl<'a> Reader<'a, '_> {
    /// `Flatten`, `Reshape`, `Squeeze` and `Unsqueeze`: other extents for the same numbers.
    pub(super) fn reshape(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let whole: Vec<usize> = std::iter::once(1).chain(x.dims.iter().copied()).collect();
        let dims = match node.op {
            "Flatten" => match axis_of(node.int("axis", 1), whole.len() + 1) {
                Some(1) => vec![x.dims.iter().product()],
                _ => return Err(cannot(node, "it mixes images")),
            },
            "Squeeze" | "Unsqueeze" => {
                let axes = match self.numbers_if(node, 1)? {
                    Some(numbers) => Some(numbers.ints()),
                    None => node.ints("axes").map(<[i64]>::to_vec),
                };
                let dims = match node.op {
                    "Squeeze" => {
                        // Without axes the batch stays, too: it is 1 only by chance.
                        let axes = axes.unwrap_or_else(|| {
                            (1..whole.len() as i64).filter(|&i| whole[i as usize] == 1).collect()
                        });
                        squeezed(&whole, Some(&axes))
                    }
                    _ => unsqueezed(&whole, &axes.unwrap_or_default()),
                };
                let dims = dims.ok_or_else(|| cannot(node, "its axes are not of extent 1"))?;
                match dims.split_first() {
                    Some((1, rest)) => rest.to_vec(),
                    _ => return Err(cannot(node, "it moves the batch")),
                }
            }
            _ => {
                let target = self.numbers(node, 1)?;
                self.target(node, &x, &target)?
            }
        };
        self.arranged(node, &x, dims)
    }

    /// The extents that a `Reshape` asks for, without the batch.
    fn target(&self, node: &Node<'a>, x: &Flow, target: &Numbers) -> Result<Vec<usize>, Fault> {
        let n: usize = x.dims.iter().product();
        let asked = target.ints();
        let refused =
            || cannot(node, format!("it makes {asked:?} of images of {:?}, which mixes images", x.dims));
        let (Some(&first), rest) = (asked.first(), asked.get(1..).unwrap_or_default()) else {
            return Err(refused());
        };
        if rest.len() > MAX_AXES {
            return Err(cannot(node, format!("it gives {} axes", asked.len())));
        }
        let mut dims = Vec::new();
        let (mut known, mut open) = (1usize, None);
        for (i, &dim) in rest.iter().enumerate() {
            let dim = match dim {
                -1 if open.is_none() => {
                    open = Some(i);
                    1
                }
                0 if node.int("allowzero", 0) == 0 => *x.dims.get(i).ok_or_else(refused)?,
                dim if dim > 0 && !target.is_of_batch(i + 1) => dim as usize,
                _ => return Err(refused()),
            };
            known = known.checked_mul(dim).ok_or_else(refused)?;
            dims.push(dim);
        }
        // Of a batch of any size: once the batch, what was there, what is left, or the 1 of a file for one image.
        let keeps = [0, 1].contains(&first) || (first == -1 && open.is_none());
        if let Some(open) = open {
            dims[open] = n.checked_div(known).unwrap_or(0);
            known = known.saturating_mul(dims[open]);
        }
        if rest.is_empty() {
            return Err(refused());
        }
        match keeps && known == n {
            true => Ok(dims),
            false => Err(refused()),
        }
    }

    pub(super) fn arranged(&mut self, node: &'a Node<'a>, x: &Flow, dims: Vec<usize>) -> Result<Flow, Fault> {
        if dims == x.dims {
            return Ok(x.clone());
        }
        if dims.iter().product::<usize>() != x.dims.iter().product::<usize>() {
            return Err(damaged(format!("`{}` makes {dims:?} of {:?}", node.name, x.dims)));
        }
        if x.layout == Layout::First
            && let Some(flow) = self.completed(node, x, &dims)
        {
            return Ok(flow);
        }
        let is_flat = dims.len() == 1;
        match (&x.layout, is_flat, x.is_point()) {
            (_, true, true) | (Layout::First, true, false) => {}
            (Layout::Last, true, false) => {
                let layout = Layout::FlatLast(x.dims.clone());
                return Ok(self.push(node, Act::Layer("flatten"), vec![x.at], dims, layout));
            }
            (Layout::First, false, _) | (_, false, true) => return Ok(self.extents(node, x.at, dims)),
            (Layout::FlatLast(extents), false, false) if *extents == dims => {
                if let Some(step) = self.layer(x.at, "flatten") {
                    return Ok(Flow { at: step.inputs[0], dims, layout: Layout::Last });
                }
                let mut ours = dims.clone();
                ours.rotate_right(1);
                let flow = self.extents(node, x.at, ours);
                return Ok(Flow { dims, layout: Layout::Last, ..flow });
            }
            (Layout::Last, false, false) if dims.last() == x.dims.last() => {
                // The channels stay last: only the places are counted otherwise.
                let mut ours = dims.clone();
                ours.rotate_right(1);
                let flow = self.extents(node, x.at, ours);
                return Ok(Flow { dims, layout: Layout::Last, ..flow });
            }
            (Layout::Last | Layout::FlatLast(_), false, false) => {
                let x = self.as_first(node, x.clone());
                return Ok(self.extents(node, x.at, dims));
            }
            (Layout::FlatLast(_), true, false) => return Ok(x.clone()),
        }
        // A pool over everything and then flat is one layer; one by a window is what it was.
        let whole = self.step(x).filter(|step| !matches!(step.op, "AveragePool" | "MaxPool"));
        let step = whole.map(|step| (step.act.clone(), step.inputs.clone(), step.args.clone()));
        let word = match &step {
            Some((Act::Layer("adaptive_avg_pool2d" | "adaptive_avg_pool1d"), _, args))
                if args[0].1 == "1" =>
            {
                "global_avg_pool"
            }
            Some((Act::Layer("mean"), _, args)) if args[0].1 == "space" => "global_avg_pool",
            Some((Act::Layer("max"), _, args)) if args[0].1 == "space" => "global_max_pool",
            Some((Act::Layer("adaptive_max_pool2d" | "adaptive_max_pool1d"), _, args))
                if args[0].1 == "1" =>
            {
                "global_max_pool"
            }
            _ => "flatten",
        };
        let input = match (word, step) {
            ("flatten", _) | (_, None) => x.at,
            (_, Some((_, inputs, _))) => inputs[0],
        };
        Ok(self.push(node, Act::Layer(word), vec![input], dims, Layout::First))
    }

    /// What a `Reshape` completes: channels dealt out, pixels put between pixels, groups brought back.
    fn completed(&mut self, node: &'a Node<'a>, x: &Flow, dims: &[usize]) -> Option<Flow> {
        let step = self.step(x)?;
        let before =
            |step_at: usize| self.layer(step_at, "reshape").map(|step| (step.inputs[0], step.shape.clone()));
        match &step.act {
            Act::Transpose(axes) => {
                let (input, apart) = before(step.inputs[0])?;
                let own = self.shape_of(input).map(<[usize]>::to_vec);
                let (word, arg) = match (axes.as_slice(), apart.as_slice()) {
                    // g x C/g x H x W → C/g x g x H x W
                    ([1, 0, ..], [groups, ..])
                        if own.as_deref().is_none_or(|own| own == dims) && dims.len() == 3 =>
                    {
                        ("channel_shuffle", ("groups", *groups))
                    }
                    // c x f x f x H x W → c x H x f x W x f
                    ([0, 3, 1, 4, 2], [c, f, g, h, w]) if f == g && dims == [*c, f * h, f * w] => {
                        ("pixel_shuffle", ("factor", *f))
                    }
                    _ => return None,
                };
                let flow = self.push(node, Act::Layer(word), vec![input], dims.to_vec(), Layout::First);
                self.last()?.args = vec![(arg.0, arg.1.to_string())];
                Some(flow)
            }
            Act::Normal { groups, epsilon } => {
                let (groups, epsilon) = (*groups, *epsilon);
                let (input, _) = before(step.inputs[0])?;
                let matches = self.shape_of(input).is_none_or(|own| own == dims);
                let flow = Flow { at: input, dims: dims.to_vec(), layout: Layout::First };
                matches.then(|| self.grouped(node, &flow, groups, epsilon))
            }
            // Twice arranged is arranged once.
            Act::Layer("reshape") => {
                let input = step.inputs[0];
                let own = self.shape_of(input)?;
                (own == dims).then(|| Flow { at: input, dims: dims.to_vec(), layout: Layout::First })
            }
            _ => None,
        }
    }

    pub(super) fn slice(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let inputs = self.known_inputs(node)?;
        let ranges = ranges(node, &inputs).ok_or_else(|| cannot(node, "its bounds depend on the image"))?;
        let (mut start, mut dims) = (vec![0; x.dims.len()], x.ours());
        for [axis, from, to, step] in ranges {
            let Some(own) = x.axis(axis) else {
                return match (from, step) {
                    (0, 1) if to >= i64::from(i32::MAX) => continue,
                    _ => Err(cannot(node, "it takes some of the images")),
                };
            };
            let [first, end] = bounds(from, to, dims[own]);
            if step != 1 || end <= first {
                return Err(cannot(node, format!("it takes {from} to {to} in steps of {step}")));
            }
            (start[own], dims[own]) = (first, end - first);
        }
        Ok(self.part(node, x, start, dims))
    }

    /// What begins at `start` and has these extents, both in our order.
    fn part(&mut self, node: &'a Node<'a>, x: Flow, mut start: Vec<usize>, mut dims: Vec<usize>) -> Flow {
        let x = match dims[0] == x.ours()[0] {
            true => x,
            false => self.of_channels(node, &x, [start[0], start[0] + dims[0]]),
        };
        if dims == x.ours() {
            return x;
        }
        if x.layout == Layout::Last {
            dims.rotate_left(1);
        }
        start[0] = 0;
        self.push(node, Act::Cut(start), vec![x.at], dims, x.layout)
    }

    /// Several values out of one, side by side along an axis.
    pub(super) fn split(&mut self, node: &'a Node<'a>) -> Result<(), Fault> {
        let x = self.image(node, 0)?;
        let own = x.axis(node.int("axis", 0)).ok_or_else(|| cannot(node, "it takes the images apart"))?;
        let (n, extent) = (node.outputs.len(), x.ours()[own]);
        let given = match self.numbers_if(node, 1)? {
            Some(numbers) => Some(numbers.ints()),
            None => node.ints("split").map(<[i64]>::to_vec),
        };
        // In equal parts, of which the last may be smaller.
        let each = extent.div_ceil(n.max(1));
        let sizes: Vec<usize> = match given {
            Some(sizes) => sizes.iter().filter_map(|&size| usize::try_from(size).ok()).collect(),
            None => (0..n).map(|i| extent.saturating_sub(i * each).min(each)).collect(),
        };
        let total = sizes.iter().try_fold(0usize, |total, &size| total.checked_add(size));
        if sizes.len() != n || total != Some(extent) || sizes.contains(&0) {
            return Err(cannot(node, format!("it makes {n} parts of {sizes:?} of an axis of {extent}")));
        }
        let mut from = 0;
        for (output, size) in node.outputs.iter().zip(sizes) {
            let (mut start, mut dims) = (vec![0; x.dims.len()], x.ours());
            (start[own], dims[own]) = (from, size);
            let part = self.part(node, x.clone(), start, dims);
            self.values.insert(output, Value::Flow(part));
            from += size;
        }
        Ok(())
    }

    /// One place of an axis, which goes, or several places in a row.
    pub(super) fn gather(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let places = self.numbers(node, 1)?;
        let own = x.axis(node.int("axis", 0)).ok_or_else(|| cannot(node, "it takes some of the images"))?;
        let extent = x.ours()[own];
        let wanted: Option<Vec<usize>> = places.ints().iter().map(|&at| axis_of(at, extent)).collect();
        let is_row = |wanted: &Vec<usize>| wanted.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let wanted = wanted.filter(|wanted| is_row(wanted) && !wanted.is_empty() && places.dims.len() < 2);
        let wanted = wanted.ok_or_else(|| cannot(node, "the places that it takes are not side by side"))?;
        let (mut start, mut dims) = (vec![0; x.dims.len()], x.ours());
        (start[own], dims[own]) = (wanted[0], wanted.len());
        let part = self.part(node, x, start, dims);
        if !places.dims.is_empty() {
            return Ok(part);
        }
        let mut rest = part.dims.clone();
        let axis = match (&part.layout, own) {
            (Layout::Last, 0) => rest.len() - 1,
            (Layout::Last, own) => own - 1,
            (Layout::First | Layout::FlatLast(_), own) => own,
        };
        rest.remove(axis);
        match rest.is_empty() {
            true => Err(cannot(node, "it takes a single number")),
            false => self.arranged(node, &part, rest),
        }
    }

    /// The same numbers for every image.
    pub(super) fn for_each_image(
        &mut self,
        node: &'a Node<'a>,
        numbers: &Numbers,
        target: &Numbers,
    ) -> Result<Flow, Fault> {
        let refused = || cannot(node, format!("it makes {:?} of {:?}", target.ints(), numbers.dims));
        let mut dims: Vec<usize> = target.ints().iter().map(|&dim| dim.max(1) as usize).collect();
        let behind = dims.len().checked_sub(numbers.dims.len()).ok_or_else(refused)?;
        for (dim, own) in dims[behind..].iter_mut().zip(&numbers.dims) {
            *dim = (*dim).max(*own);
        }
        dims[0] = 1;
        let is_of_batch = (1..dims.len()).any(|i| target.is_of_batch(i));
        if dims.len() < 2 || is_of_batch || behind == 0 && numbers.dims.first() != Some(&1) {
            return Err(refused());
        }
        let own = numbers.expanded(&dims).ok_or_else(refused)?;
        self.spend(own.values.len())?;
        let source = self.batches.get(node.input(1).unwrap_or_default()).copied().unwrap_or(0);
        Ok(self.learned(node, source, dims[1..].to_vec(), Weight::Own(own.values)))
    }

    /// A parameter of this shape, in the place of a value.
    pub(super) fn learned(
        &mut self,
        node: &'a Node<'a>,
        source: usize,
        dims: Vec<usize>,
        weight: Weight<'a>,
    ) -> Flow {
        let shown = Shape::new(&dims).to_string();
        let flow = self.push(node, Act::Layer("parameter"), vec![source], dims, Layout::First);
        if let Some(step) = self.last() {
            (step.args, step.weights) = (vec![("shape", shown)], vec![("weight", weight)]);
        }
        flow
    }

    /// A value repeated along axes of extent 1.
    pub(super) fn expand(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let asked = self.numbers(node, 1)?;
        let target = asked.ints();
        let refused = || cannot(node, format!("it makes {target:?} of images of {:?}", x.dims));
        let repeats_images = target.len() == x.dims.len() + 1 && target[0] != 1 && !asked.is_of_batch(0);
        if repeats_images || target.len() > x.dims.len() + 1 || matches!(x.layout, Layout::FlatLast(_)) {
            return Err(refused());
        }
        let mut dims = x.dims.clone();
        for (dim, &wanted) in dims.iter_mut().rev().zip(target.iter().rev()) {
            *dim = match usize::try_from(wanted).map_err(|_| refused())? {
                1 => *dim,
                wanted if *dim == 1 || wanted == *dim => wanted,
                _ => return Err(refused()),
            };
        }
        match dims == x.dims {
            true => Ok(x),
            false => Ok(self.push(node, Act::Expand, vec![x.at], dims, x.layout)),
        }
    }

    /// Some of the channels.
    fn of_channels(&mut self, node: &'a Node<'a>, x: &Flow, [from, to]: [usize; 2]) -> Flow {
        let mut dims = x.dims.clone();
        let at = if x.layout == Layout::Last { dims.len() - 1 } else { 0 };
        dims[at] = to - from;
        let flow = self.push(node, Act::Layer("slice"), vec![x.at], dims, x.layout.clone());
        if let Some(step) = self.last() {
            step.args = vec![("from", from.to_string())];
            if to < x.channels() {
                step.args.push(("to", to.to_string()));
            }
        }
        flow
    }

    pub(super) fn depth_to_space(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.first(node, 0)?;
        let factor = usize::try_from(node.int("blocksize", 0)).ok().filter(|&f| f > 0 && f <= 4096);
        let ([channels, rows, columns], Some(factor)) = (x.dims.as_slice(), factor) else {
            return Err(cannot(node, "it does not take an image"));
        };
        if node.text("mode") != "CRD" || channels % (factor * factor) != 0 {
            return Err(cannot(node, "its mode is `DCR`: channels lie otherwise than in `pixel_shuffle`"));
        }
        let dims = vec![channels / (factor * factor), rows * factor, columns * factor];
        let flow = self.push(node, Act::Layer("pixel_shuffle"), vec![x.at], dims, Layout::First);
        if let Some(step) = self.last() {
            step.args = vec![("factor", factor.to_string())];
        }
        Ok(flow)
    }
}
