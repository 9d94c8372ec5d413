//! Convolutions, pools, pads and resizes of a graph → layers, with the paddings worked out.

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::read::{Act, Flow, Layout, Reader, cannot, pair, sides};
use crate::exchange::onnx::wire::damaged;
use crate::shape::{MAX_ELEMENTS, Window};

/// Extents of an attribute that must be positive.
fn extents(node: &Node<'_>, name: &str, rank: usize, default: usize) -> Result<Vec<usize>, Fault> {
    let Some(given) = node.ints(name).filter(|given| !given.is_empty()) else {
        return Ok(vec![default; rank]);
    };
    let whole: Option<Vec<usize>> = given
        .iter()
        .map(|&n| usize::try_from(n).ok().filter(|&n| n >= default.min(1) && n <= 1 << 20))
        .collect();
    match whole.filter(|whole| whole.len() == rank) {
        Some(whole) => Ok(whole),
        None => Err(damaged(format!("`{name}` of `{}` is {given:?}", node.name))),
    }
}

/// Padding before and behind each axis.
fn padding(node: &Node<'_>, windows: &mut [Window], input: &[usize]) -> Result<(), Fault> {
    let rank = windows.len();
    match node.text("auto_pad") {
        "" | "NOTSET" => {
            let given = node
                .ints("pads")
                .filter(|given| !given.is_empty())
                .map_or(vec![0; 2 * rank], <[i64]>::to_vec);
            let whole: Option<Vec<usize>> =
                given.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n <= 1 << 20)).collect();
            let Some(whole) = whole.filter(|whole| whole.len() == 2 * rank) else {
                return Err(cannot(node, format!("its padding is {given:?}")));
            };
            for (i, window) in windows.iter_mut().enumerate() {
                (window.before, window.after) = (whole[i], whole[rank + i]);
            }
        }
        "VALID" => {}
        auto @ ("SAME_UPPER" | "SAME_LOWER") => {
            for (window, &extent) in windows.iter_mut().zip(input) {
                let (less, more) = Window::same(extent, window.kernel, window.stride, window.dilation);
                (window.before, window.after) =
                    if auto == "SAME_UPPER" { (less, more) } else { (more, less) };
            }
        }
        other => return Err(damaged(format!("`auto_pad` of `{}` is {other:?}", node.name))),
    }
    Ok(())
}

fn ends(windows: &[Window]) -> Vec<[usize; 2]> {
    windows.iter().map(|window| [window.before, window.after]).collect()
}

fn of(windows: &[Window], pick: impl Fn(&Window) -> usize) -> String {
    pair(&windows.iter().map(pick).collect::<Vec<_>>())
}

impl<'a> Reader<'a, '_> {
    /// The windows of a node over a volume, an image or a sequence.
    fn windows(&self, node: &Node<'a>, x: &Flow, kernel: &[usize]) -> Result<Vec<Window>, Fault> {
        let rank = kernel.len();
        if x.dims.len() != rank + 1 || !(1..=3).contains(&rank) {
            return Err(cannot(node, format!("it slides along {rank} axes of {} values", x.dims.len())));
        }
        if kernel.contains(&0) {
            return Err(damaged(format!("the window of `{}` is {kernel:?}", node.name)));
        }
        let (strides, dilations) = (extents(node, "strides", rank, 1)?, extents(node, "dilations", rank, 1)?);
        let window = |i: usize| Window {
            kernel: kernel[i],
            stride: strides[i],
            before: 0,
            after: 0,
            dilation: dilations[i],
            ceil: node.int("ceil_mode", 0) == 1,
        };
        let mut windows: Vec<Window> = (0..rank).map(window).collect();
        padding(node, &mut windows, &x.dims[1..])?;
        Ok(windows)
    }

    /// Zeros that were put around an image in front of a convolution, or such a pad's own input as it is.
    fn padded(&self, x: Flow, windows: &mut [Window]) -> Flow {
        let Some(step) = self.step(&x) else { return x };
        let Act::Pad { sides, mode: "constant", value: 0.0 } = &step.act else { return x };
        for (window, [before, after]) in windows.iter_mut().zip(sides) {
            window.before += before;
            window.after += after;
        }
        let mut dims = vec![x.dims[0]];
        dims.extend(x.dims[1..].iter().zip(sides).map(|(extent, ends)| extent - ends[0] - ends[1]));
        Flow { at: step.inputs[0], dims, layout: x.layout }
    }

    fn slid(
        &self,
        node: &Node<'a>,
        x: &Flow,
        windows: &[Window],
        channels: usize,
    ) -> Result<Vec<usize>, Fault> {
        let outputs: Option<Vec<usize>> =
            windows.iter().zip(&x.dims[1..]).map(|(window, &extent)| window.output(extent)).collect();
        let outputs = outputs
            .ok_or_else(|| damaged(format!("the window of `{}` is larger than its image", node.name)))?;
        Ok(std::iter::once(channels).chain(outputs).collect())
    }

    pub(super) fn conv(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.first(node, 0)?;
        let (weight, dims) = self.weight(node, 1)?;
        let [filters, per_group, kernel @ ..] = dims.as_slice() else {
            return Err(damaged(format!("the weight of `{}` has {} axes", node.name, dims.len())));
        };
        let mut windows = self.windows(node, &x, kernel)?;
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        if groups == 0 || per_group.checked_mul(groups) != Some(x.dims[0]) || filters % groups != 0 {
            let message = format!(
                "`{}` has {groups} groups of {per_group} channels, but {} arrive",
                node.name, x.dims[0]
            );
            return Err(damaged(message));
        }
        let x = self.padded(x, &mut windows);
        let shape = self.slid(node, &x, &windows, *filters)?;
        let is_depthwise = windows.len() > 1 && groups == x.dims[0] && groups > 1;
        let mut args = Vec::new();
        if !is_depthwise {
            args.push(("channels", filters.to_string()));
        }
        args.push(("kernel", of(&windows, |window| window.kernel)));
        if is_depthwise {
            args.push(("multiplier", (filters / groups).to_string()));
        }
        args.push(("stride", of(&windows, |window| window.stride)));
        args.push(("padding", sides(&ends(&windows))));
        args.push(("dilation", of(&windows, |window| window.dilation)));
        if !is_depthwise {
            args.push(("groups", groups.to_string()));
        }
        let word = match (is_depthwise, windows.len()) {
            (true, 3) => "depthwise_conv3d",
            (true, _) => "depthwise_conv2d",
            (false, 1) => "conv1d",
            (false, 3) => "conv3d",
            (false, _) => "conv2d",
        };
        let flow = self.push(node, Act::Layer(word), vec![x.at], shape, Layout::First);
        self.complete(node, args, weight, *filters)?;
        Ok(self.attended(node, &flow).unwrap_or(flow))
    }

    /// Gives the last step its arguments, its weight and the bias that is the node's third input.
    fn complete(
        &mut self,
        node: &Node<'a>,
        mut args: Vec<(&'static str, String)>,
        weight: Weight<'a>,
        filters: usize,
    ) -> Result<(), Fault> {
        let bias = node.input(2).map(|_| self.weight(node, 2)).transpose()?;
        if let Some((_, dims)) = &bias
            && dims.iter().product::<usize>() != filters
        {
            return Err(damaged(format!(
                "the bias of `{}` has {dims:?} numbers for {filters} filters",
                node.name
            )));
        }
        args.push(("bias", bias.is_some().to_string()));
        let mut weights = vec![("weight", weight)];
        weights.extend(bias.map(|(bias, _)| ("bias", bias)));
        if let Some(step) = self.last() {
            (step.args, step.weights) = (args, weights);
        }
        Ok(())
    }

    pub(super) fn conv_transpose(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.first(node, 0)?;
        let (weight, dims) = self.weight(node, 1)?;
        let (&[channels, per_group], kernel) = dims.split_first_chunk().unwrap_or((&[0, 0], &[]));
        let windows = self.windows(node, &x, kernel)?;
        let n = windows.len();
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        if groups == 0 || channels != x.dims[0] || channels % groups != 0 {
            return Err(damaged(format!(
                "`{}` has a weight for {channels} channels, but {} arrive",
                node.name, x.dims[0]
            )));
        }
        let more = extents(node, "output_padding", n, 0)?;
        let whole = |i: usize| (x.dims[i + 1] - 1) * windows[i].stride + windows[i].reach();
        let mut cuts = ends(&windows);
        let mut mores = more;
        if let Some(wanted) = node.ints("output_shape").filter(|shape| !shape.is_empty()) {
            for (i, &extent) in wanted.iter().rev().take(n).rev().enumerate() {
                let extent = usize::try_from(extent).ok().filter(|&n| n <= MAX_ELEMENTS);
                let extent = extent.ok_or_else(|| cannot(node, format!("its output is {wanted:?}")))?;
                let cut = whole(i).saturating_sub(extent);
                (cuts[i], mores[i]) = ([cut / 2, cut - cut / 2], extent.saturating_sub(whole(i)));
            }
        } else if node.text("auto_pad").starts_with("SAME") {
            for i in 0..n {
                let cut = whole(i).saturating_sub(x.dims[i + 1] * windows[i].stride);
                cuts[i] = [cut / 2, cut - cut / 2];
            }
        }
        let filters = per_group * groups;
        let out: Option<Vec<usize>> =
            (0..n).map(|i| (whole(i) + mores[i]).checked_sub(cuts[i][0] + cuts[i][1])).collect();
        let is_even = mores.iter().all(|more| *more == mores[0]);
        let Some(out) = out.filter(|out| is_even && out.iter().all(|&n| n > 0)) else {
            return Err(cannot(node, format!("its output padding is {mores:?}, its padding {cuts:?}")));
        };
        let args = vec![
            ("channels", filters.to_string()),
            ("kernel", of(&windows, |window| window.kernel)),
            ("stride", of(&windows, |window| window.stride)),
            ("padding", sides(&cuts)),
            ("output_padding", mores[0].to_string()),
            ("dilation", of(&windows, |window| window.dilation)),
            ("groups", groups.to_string()),
        ];
        let shape = [filters].into_iter().chain(out).collect();
        let word = match n {
            1 => "conv_transpose1d",
            2 => "conv_transpose2d",
            _ => "conv_transpose3d",
        };
        let flow = self.push(node, Act::Layer(word), vec![x.at], shape, Layout::First);
        self.complete(node, args, weight, filters)?;
        Ok(flow)
    }

    /// An adaptive pool whose last axis gets `to` windows, and whose rows were pooled before.
    pub(super) fn pooled(
        &mut self,
        node: &'a Node<'a>,
        x: &Flow,
        to: usize,
        dims: Vec<usize>,
        words: [&'static str; 2],
    ) -> Option<Flow> {
        let (input, word, size) =
            match (x.dims.len(), self.step(x).map(|step| (&step.act, step.inputs.clone()))) {
                (3, Some((Act::Rows { to: rows, .. }, inputs))) => (inputs[0], words[0], pair(&[*rows, to])),
                (2, _) => (x.at, words[1], to.to_string()),
                _ => return None,
            };
        let flow = self.push(node, Act::Layer(word), vec![input], dims, Layout::First);
        self.last()?.args = vec![("size", size)];
        Some(flow)
    }

    pub(super) fn pool(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.first(node, 0)?;
        let kernel = extents(node, "kernel_shape", x.dims.len().saturating_sub(1), 1)?;
        let mut windows = self.windows(node, &x, &kernel)?;
        if windows.iter().any(|window| window.dilation != 1) {
            return Err(cannot(node, "its window has holes"));
        }
        if node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
            return Err(cannot(node, "it also gives the places of the largest"));
        }
        let is_mean = node.op == "AveragePool";
        let counts = is_mean && node.int("count_include_pad", 0) == 1;
        let shape = self.slid(node, &x, &windows, x.dims[0])?;
        // An end that is padded more is what `ceil` says, where padding does not count.
        let rounded: Vec<Window> =
            windows.iter().map(|window| Window { after: window.before, ceil: true, ..*window }).collect();
        let fits = rounded
            .iter()
            .zip(&x.dims[1..])
            .zip(&shape[1..])
            .all(|((window, &extent), &out)| window.output(extent) == Some(out));
        if windows.iter().any(|window| window.after > window.before) && !counts && fits {
            windows = rounded;
        }
        let (mut x, mut counts) = (x, counts);
        if let Some((source, padded)) = self.counted(&x, &windows, &shape).filter(|_| is_mean && !counts) {
            (x, windows, counts) = (source, padded, true);
        }
        let pads = windows.iter().any(|window| window.before + window.after > 0);
        let is_whole = |(window, &extent): (&Window, &usize)| {
            window.kernel == extent && window.stride == extent && !window.ceil
        };
        if !pads
            && windows.len() < 3
            && x.dims[1..].iter().any(|&extent| extent > 1)
            && windows.iter().zip(&x.dims[1..]).all(is_whole)
        {
            let word = match (is_mean, windows.len()) {
                (true, 2) => "adaptive_avg_pool2d",
                (true, _) => "adaptive_avg_pool1d",
                (false, 2) => "adaptive_max_pool2d",
                (false, _) => "adaptive_max_pool1d",
            };
            let flow = self.push(node, Act::Layer(word), vec![x.at], shape, Layout::First);
            if let Some(step) = self.last() {
                step.args = vec![("size", "1".to_owned())];
            }
            return Ok(flow);
        }
        let mut args = vec![
            ("kernel", of(&windows, |window| window.kernel)),
            ("stride", of(&windows, |window| window.stride)),
            ("padding", sides(&ends(&windows))),
            ("ceil", windows[0].ceil.to_string()),
        ];
        if is_mean {
            args.push(("count_padding", (counts || !pads).to_string()));
        }
        let word = match (is_mean, windows.len()) {
            (true, 3) => "avg_pool3d",
            (true, 2) => "avg_pool2d",
            (true, _) => "avg_pool1d",
            (false, 3) => "max_pool3d",
            (false, 2) => "max_pool2d",
            (false, _) => "max_pool1d",
        };
        let flow = self.push(node, Act::Layer(word), vec![x.at], shape, Layout::First);
        if let Some(step) = self.last() {
            step.args = args;
        }
        Ok(flow)
    }

    /// The windows of a mean over zeros that were put around an image, which count, as padding of the pool's own. What lies
    /// behind them does not count, and must be what `ceil` adds.
    fn counted(&self, x: &Flow, windows: &[Window], shape: &[usize]) -> Option<(Flow, Vec<Window>)> {
        let mut padded: Vec<Window> = windows
            .iter()
            .map(|window| Window { ceil: window.ceil || window.after > 0, after: 0, ..*window })
            .collect();
        if padded.iter().any(|window| window.before > 0) {
            return None;
        }
        let source = self.padded(x.clone(), &mut padded);
        let fits = |((window, extent), out): ((&Window, &usize), &usize)| {
            2 * window.before.max(window.after) <= window.kernel && window.output(*extent) == Some(*out)
        };
        let fits = source.at != x.at && padded.iter().zip(&source.dims[1..]).zip(&shape[1..]).all(fits);
        fits.then_some((source, padded))
    }

    /// A pool over everything.
    pub(super) fn whole_pool(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.first(node, 0)?;
        let (rank, is_mean) = (x.dims.len(), node.op == "GlobalAveragePool");
        let word = match (is_mean, rank) {
            (true, 2) => "adaptive_avg_pool1d",
            (true, 3) => "adaptive_avg_pool2d",
            (false, 2) => "adaptive_max_pool1d",
            (false, 3) => "adaptive_max_pool2d",
            (true, 4) => "mean",
            (false, 4) => "max",
            (_, _) => return Err(cannot(node, format!("it pools {:?}", x.dims))),
        };
        let mut dims = vec![1; rank];
        dims[0] = x.dims[0];
        let flow = self.push(node, Act::Layer(word), vec![x.at], dims, Layout::First);
        if let Some(step) = self.last() {
            step.args = match rank {
                4 => vec![("over", "space".to_owned())],
                _ => vec![("size", "1".to_owned())],
            };
        }
        Ok(flow)
    }

    pub(super) fn pad(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let rank = x.dims.len() + 1;
        let given = match self.numbers_if(node, 1)? {
            Some(numbers) => numbers.ints(),
            None => node.ints("pads").map(<[i64]>::to_vec).unwrap_or_default(),
        };
        let axes = self.numbers_if(node, 3)?.map_or_else(|| (0..rank as i64).collect(), |axes| axes.ints());
        let mut sides = vec![[0usize; 2]; rank - 2];
        for (i, &axis) in axes.iter().enumerate() {
            for (end, at) in [(0, i), (1, axes.len() + i)] {
                let amount = given.get(at).and_then(|&n| usize::try_from(n).ok().filter(|&n| n <= 1 << 20));
                let amount = amount.ok_or_else(|| cannot(node, format!("it pads by {given:?}")))?;
                match x.axis(axis).and_then(|axis| axis.checked_sub(1)) {
                    Some(axis) => sides[axis][end] = amount,
                    None if amount == 0 => {}
                    None => return Err(cannot(node, "it pads images or channels")),
                }
            }
        }
        if sides.iter().flatten().all(|&amount| amount == 0) {
            return Ok(x);
        }
        let value = match self.numbers_if(node, 2)? {
            Some(numbers) => numbers.scalar().unwrap_or(0.0) as f32,
            None => node.float("value", 0.0),
        };
        let mode = match node.text("mode") {
            "" | "constant" => "constant",
            "reflect" => "reflect",
            "edge" => "replicate",
            other => return Err(cannot(node, format!("its mode is {other:?}"))),
        };
        let mut ours = x.ours();
        for (extent, ends) in ours[1..].iter_mut().zip(&sides) {
            *extent += ends[0] + ends[1];
        }
        if x.layout == Layout::Last {
            ours.rotate_left(1);
        }
        Ok(self.push(node, Act::Pad { sides, mode, value }, vec![x.at], ours, x.layout))
    }

    pub(super) fn resize(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let (scales, sizes) = match (node.op, self.opset) {
            ("Upsample", _) | (_, ..=10) => (self.numbers_if(node, 1)?, None),
            _ => (self.numbers_if(node, 2)?, self.numbers_if(node, 3)?),
        };
        let scales = scales.filter(|scales| !scales.values.is_empty());
        let old = node.ints("axes").map_or_else(|| (0..=x.dims.len() as i64).collect(), <[i64]>::to_vec);
        let mut factors = vec![1usize; x.dims.len()];
        let given = scales
            .as_ref()
            .or(sizes.as_ref())
            .ok_or_else(|| cannot(node, "it has neither scales nor sizes"))?;
        for (i, &axis) in old.iter().enumerate() {
            let amount = given.values.get(i).copied().unwrap_or(1.0);
            let own = x.axis(axis);
            let factor = match (scales.is_some(), own) {
                (_, None) if given.is_of_batch(i) => 1.0,
                (true, _) => amount,
                (false, Some(axis)) => amount / x.ours()[axis] as f64,
                (false, None) => 1.0,
            };
            let whole = factor.round();
            if (factor - whole).abs() > 1e-6
                || !(1.0..=4096.0).contains(&whole)
                || (own.is_none_or(|axis| axis == 0) && whole != 1.0)
            {
                return Err(cannot(
                    node,
                    format!(
                        "it scales an axis by {factor}; the language has whole factors of height and width"
                    ),
                ));
            }
            if let Some(axis) = own {
                factors[axis] = whole as usize;
            }
        }
        let (rows, columns) = match *factors {
            [1, rows, columns] => (rows, columns),
            [1, length] => (1, length),
            _ => return Err(cannot(node, "it does not scale an image")),
        };
        let places = match (node.op, node.text("coordinate_transformation_mode")) {
            ("Upsample", _) => "asymmetric",
            (_, "") if self.opset <= 10 => "asymmetric",
            (_, "") => "half_pixel",
            (_, other) => other,
        };
        let (mode, corners) = match (node.text("mode"), places) {
            ("nearest" | "", "asymmetric")
                if ["floor", ""].contains(&node.text("nearest_mode")) || self.opset <= 10 =>
            {
                ("nearest", false)
            }
            ("nearest" | "", "half_pixel" | "pytorch_half_pixel")
                if ["round_prefer_floor", ""].contains(&node.text("nearest_mode")) =>
            {
                ("nearest", false)
            }
            ("linear", "half_pixel" | "pytorch_half_pixel") => ("bilinear", false),
            ("linear", "align_corners") => ("bilinear", true),
            (mode, places) => return Err(cannot(node, format!("it scales by `{mode}` with `{places}`"))),
        };
        let mut ours = x.ours();
        ours.iter_mut().zip(&factors).for_each(|(extent, factor)| *extent *= factor);
        if x.layout == Layout::Last {
            ours.rotate_left(1);
        }
        let flow = self.push(node, Act::Layer("upsample"), vec![x.at], ours, x.layout);
        if let Some(step) = self.last() {
            step.args = vec![
                ("scale", if factors.len() == 2 { columns.to_string() } else { pair(&[rows, columns]) }),
                ("mode", mode.to_owned()),
                ("align_corners", corners.to_string()),
            ];
        }
        Ok(flow)
    }

    /// The sum over neighbouring channels as a convolution: `local_response_norm` of an even window, as we write it.
    pub(super) fn band(&self, conv: usize) -> Result<Option<(usize, f32, f32)>, Fault> {
        let Some(step) = self.layer(conv, "conv2d") else { return Ok(None) };
        let [(_, weight), (_, bias)] = step.weights.as_slice() else { return Ok(None) };
        let channels = step.shape[0];
        let (weight, bias) = (weight.numbers(self.beside)?, bias.numbers(self.beside)?);
        let Some(&k) = bias.first() else { return Ok(None) };
        if Some(weight.len()) != channels.checked_mul(channels) || bias.iter().any(|own| *own != k) {
            return Ok(None);
        }
        let Some(&share) = weight.iter().find(|number| **number != 0.0) else { return Ok(None) };
        // The middle row sees the whole window, if any does.
        let near = |output: usize| {
            weight[output * channels..(output + 1) * channels].iter().filter(|number| **number != 0.0).count()
        };
        let size = (0..channels).map(near).max().unwrap_or(0);
        let holds = (0..channels).all(|output| {
            let expected =
                output.saturating_sub(size / 2)..(output + (size.max(1) - 1) / 2 + 1).min(channels);
            (0..channels).all(|input| {
                weight[output * channels + input] == if expected.contains(&input) { share } else { 0.0 }
            })
        });
        Ok(holds.then_some((size, share * size as f32, k)))
    }
}

/// Sets an argument that is there already, or adds it.
pub(super) fn set(args: &mut Vec<(&'static str, String)>, name: &'static str, value: String) {
    match args.iter_mut().find(|(own, _)| *own == name) {
        Some((_, own)) => *own = value,
        None => args.push((name, value)),
    }
}
