//! Nodes that move numbers without changing them → layers, or nothing where only the order of the axes in the file was another.

use crate::diag::Fault;
use crate::exchange::onnx::file::{MAX_AXES, Node};
use crate::exchange::onnx::read::numbers::{Numbers, axis_of, bounds, ranges, squeezed, unsqueezed};
use crate::exchange::onnx::read::{Act, Flow, Layout, Reader, cannot};
use crate::exchange::onnx::wire::damaged;

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

    fn arranged(&mut self, node: &'a Node<'a>, x: &Flow, dims: Vec<usize>) -> Result<Flow, Fault> {
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
            (Layout::First, false, _) | (_, false, true) => {
                let flow = self.push(node, Act::Layer("reshape"), vec![x.at], dims.clone(), Layout::First);
                let shown: Vec<String> = dims.iter().map(usize::to_string).collect();
                if let Some(step) = self.last() {
                    step.args = vec![("shape", shown.join("x"))];
                }
                return Ok(flow);
            }
            (Layout::FlatLast(extents), false, false) if *extents == dims => {
                // Only what was flattened just before has its order back.
                if let Some(step) = self.layer(x.at, "flatten") {
                    return Ok(Flow { at: step.inputs[0], dims, layout: Layout::Last });
                }
                return Err(cannot(node, "it arranges anew what had its channels last"));
            }
            _ => return Err(cannot(node, "it rearranges a tensor that has its channels last")),
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
        let dims: Vec<usize> = perm[1..].iter().map(|&axis| x.dims[axis - 1]).collect();
        let behind: Vec<usize> = (1..rank).collect();
        let to_last: Vec<usize> = (2..rank).chain([1]).collect();
        let to_first: Vec<usize> = [rank - 1].into_iter().chain(1..rank - 1).collect();
        let own = &perm[1..];
        let layout = match &x.layout {
            _ if own == behind.as_slice() => x.layout.clone(),
            Layout::First if own == to_last.as_slice() => Layout::Last,
            Layout::Last if own == to_first.as_slice() => Layout::First,
            Layout::First => {
                let axes = own.iter().map(|axis| axis - 1).collect();
                return Ok(self.push(node, Act::Transpose(axes), vec![x.at], dims, Layout::First));
            }
            Layout::Last | Layout::FlatLast(_) => {
                return Err(cannot(node, format!("it exchanges axes: {perm:?}")));
            }
        };
        Ok(Flow { at: x.at, dims, layout })
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
            if own == 0 && (first, end) != (0, dims[0]) {
                return Err(cannot(node, "it takes some of the channels, for which there is no layer"));
            }
            (start[own], dims[own]) = (first, end - first);
        }
        if dims == x.ours() {
            return Ok(x);
        }
        if x.layout == Layout::Last {
            dims.rotate_left(1);
        }
        Ok(self.push(node, Act::Cut(start), vec![x.at], dims, x.layout))
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
