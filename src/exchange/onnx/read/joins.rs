//! Sums, products and concatenations of a graph → joins; with constants → shifts and factors, or biases of the layers before.

use std::rc::Rc;

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::read::numbers::Numbers;
use crate::exchange::onnx::read::windows::set;
use crate::exchange::onnx::read::{Act, Flow, Layout, Reader, Step, Value, cannot, pair};
use crate::exchange::onnx::wire::damaged;
use crate::layers::joins::repeated;
use crate::ops::resample::adaptive_window;
use crate::run::waves;
use crate::shape::Shape;

/// A constant beside an image.
enum Constant {
    Scalar(f32),
    /// A number for each channel.
    Channels(Rc<Vec<f64>>),
    /// Numbers of these extents, in our order.
    Wide(Vec<usize>, Rc<Vec<f64>>),
}

impl<'a> Reader<'a, '_> {
    fn constant_beside(&self, node: &Node<'a>, x: &Flow, numbers: &Numbers) -> Result<Constant, Fault> {
        if let Some(number) = numbers.scalar() {
            return Ok(Constant::Scalar(number as f32));
        }
        // Its axes stand beside the last ones of the image; the batch's own is of extent 1.
        let rank = x.dims.len() + 1;
        let behind = rank.checked_sub(numbers.dims.len());
        let of_axis =
            |i: usize| behind.and_then(|behind| i.checked_sub(behind)).map_or(1, |i| numbers.dims[i]);
        let repeats = (1..rank).any(|i| of_axis(i) > x.dims[i - 1]);
        let first = numbers.values.first().copied().filter(|_| behind.is_some() && !repeats);
        if let Some(number) = first.filter(|number| numbers.values.iter().all(|own| own == number)) {
            return Ok(Constant::Scalar(number as f32));
        }
        let channel_axis = if x.layout == Layout::Last { rank - 1 } else { 1 };
        let alone = behind.is_some() && (0..rank).all(|i| i == channel_axis || of_axis(i) == 1);
        if !(alone && numbers.values.len() == x.channels()) {
            return self.wide(node, x, numbers);
        }
        let Layout::FlatLast(extents) = &x.layout else {
            return Ok(Constant::Channels(Rc::clone(&numbers.values)));
        };
        // A number for each pixel's channel, which come channel by channel here.
        let channels = extents.last().copied().unwrap_or(1).max(1);
        let places = numbers.values.len() / channels;
        let turned = (0..places * channels).map(|i| numbers.values[i % places * channels + i / places]);
        Ok(Constant::Channels(Rc::new(turned.collect())))
    }

    /// A constant with several extents beside an image, along each of which it has as many numbers or one.
    fn wide(&self, node: &Node<'a>, x: &Flow, numbers: &Numbers) -> Result<Constant, Fault> {
        let refused =
            || cannot(node, format!("its constant has the extents {:?} beside {:?}", numbers.dims, x.dims));
        let mut dims = vec![1; x.dims.len() + 1];
        let behind = dims.len().checked_sub(numbers.dims.len()).ok_or_else(refused)?;
        dims[behind..].copy_from_slice(&numbers.dims);
        let beside = |(&own, &dim): (&usize, &usize)| own == 1 || dim == 1 || own == dim;
        let fits = dims[0] == 1 && dims[1..].iter().zip(&x.dims).all(beside);
        if !fits || matches!(x.layout, Layout::FlatLast(_)) {
            return Err(refused());
        }
        dims.remove(0);
        let own = numbers.reshaped(dims).ok_or_else(refused)?;
        let axes: Vec<usize> = match x.layout {
            Layout::Last => [x.dims.len() - 1].into_iter().chain(0..x.dims.len() - 1).collect(),
            Layout::First | Layout::FlatLast(_) => (0..x.dims.len()).collect(),
        };
        let own = own.transposed(&axes).ok_or_else(refused)?;
        self.spend(own.values.len())?;
        Ok(Constant::Wide(own.dims, own.values))
    }

    /// A value and learned numbers that stand beside it.
    fn beside(
        &mut self,
        node: &'a Node<'a>,
        word: &'static str,
        x: &Flow,
        dims: Vec<usize>,
        numbers: Rc<Vec<f64>>,
    ) -> Result<Flow, Fault> {
        if word == "add" && dims == x.ours() {
            let shape = Shape::new(&dims);
            let is_sinusoidal = dims[0].is_multiple_of(2 * (dims.len() - 1).max(1))
                && waves(&shape).iter().zip(numbers.iter()).all(|(wave, own)| *wave == *own as f32);
            let kind = if is_sinusoidal { "sinusoidal" } else { "learned" };
            let flow = self.keep(node, Act::Layer("positions"), x);
            if let Some(step) = self.last() {
                step.args = vec![("kind", kind.to_owned())];
                step.weights = vec![("weight", Weight::Own(numbers))];
            }
            return Ok(flow);
        }
        let own = self.learned(node, x.at, dims.clone(), Weight::Own(numbers));
        let mut given = dims;
        if x.layout == Layout::Last {
            given.rotate_left(1);
        }
        let own = Flow { dims: given, layout: x.layout.clone(), ..own };
        self.together(node, word, &[x.clone(), own])
    }

    pub(super) fn sum(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let (mut flows, mut constants) = (Vec::new(), Vec::new());
        for i in 0..node.inputs.len() {
            let is_taken = node.op == "Sub" && i == 1;
            match self.value(node, i)? {
                Value::Flow(x) => {
                    flows.push(if is_taken { self.keep(node, Act::Factor(-1.0), &x) } else { x });
                }
                Value::Stored(_) | Value::Known(_) => {
                    let numbers = self.numbers(node, i)?;
                    constants.push(match is_taken {
                        false => numbers,
                        true => Numbers::new(
                            numbers.dims.clone(),
                            numbers.values.iter().map(|x| -x).collect(),
                            true,
                        ),
                    });
                }
            }
        }
        let mut whole = self.added(node, &flows)?;
        for numbers in constants {
            whole = match self.constant_beside(node, &whole, &numbers)? {
                Constant::Scalar(0.0) => whole,
                Constant::Scalar(number) => {
                    match self.biased(&whole, Weight::All(whole.channels(), f64::from(number))) {
                        Some(flow) => flow,
                        None => self.keep(node, Act::Shift(number), &whole),
                    }
                }
                Constant::Channels(numbers) => match self.biased(&whole, Weight::Own(Rc::clone(&numbers))) {
                    Some(flow) => flow,
                    None => self.keep(node, Act::Shifts(Weight::Own(numbers)), &whole),
                },
                Constant::Wide(dims, numbers) => self.beside(node, "add", &whole, dims, numbers)?,
            };
        }
        Ok(whole)
    }

    fn added(&mut self, node: &'a Node<'a>, flows: &[Flow]) -> Result<Flow, Fault> {
        let (a, others) =
            flows.split_first().ok_or_else(|| damaged(format!("`{}` adds constants", node.name)))?;
        if others.is_empty() {
            return Ok(a.clone());
        }
        self.together(node, "add", flows)
    }

    /// Values that are taken together element by element; a gate that was flat is one again.
    pub(super) fn together(
        &mut self,
        node: &'a Node<'a>,
        word: &'static str,
        flows: &[Flow],
    ) -> Result<Flow, Fault> {
        let wanted: Vec<Shape> = flows.iter().map(|flow| Shape::new(&flow.dims)).collect();
        let wanted = repeated(&wanted.iter().collect::<Vec<_>>()).map(|shape| shape.elements());
        // What is repeated only to stand beside the others is repeated by the join.
        let plain = |flow: &Flow| match self.step(flow) {
            Some(step) if matches!(step.act, Act::Expand) => {
                let mut dims = self.shape_of(step.inputs[0]).unwrap_or(&step.shape).to_vec();
                if flow.layout == Layout::Last {
                    dims.rotate_left(1);
                }
                Flow { at: step.inputs[0], dims, layout: flow.layout.clone() }
            }
            _ => flow.clone(),
        };
        let flows: Vec<Flow> = flows.iter().map(plain).collect();
        let wide = || flows.iter().filter(|flow| !flow.is_point());
        let lead = wide().chain(&flows).next().map_or(Layout::First, |flow| flow.layout.clone());
        let are_alike = wide().all(|flow| flow.layout == lead);
        let alike = |flow: Flow| match (&flow.layout, &lead) {
            (Layout::First, Layout::Last) if are_alike => {
                // A point, whose axes stand as those of the others do.
                let mut ours = flow.dims.clone();
                ours.rotate_right(1);
                let own = if ours == flow.dims { flow.at } else { self.extents(node, flow.at, ours).at };
                Flow { at: own, layout: Layout::Last, ..flow }
            }
            (own, lead) if own == lead && are_alike => flow,
            _ => self.as_first(node, flow),
        };
        let flows: Vec<Flow> = flows.clone().into_iter().map(alike).collect();
        let flows = flows.as_slice();
        let shapes: Vec<Shape> = flows.iter().map(|flow| Shape::new(flow.ours())).collect();
        let shapes: Vec<&Shape> = shapes.iter().collect();
        let is_whole = |output: &Shape| {
            Some(output.elements()) == wanted && shapes.iter().all(|shape| shape.rank() == output.rank())
        };
        let output = repeated(&shapes).filter(is_whole);
        let Some(output) = output else {
            let dims: Vec<String> = flows.iter().map(|flow| format!("{:?}", flow.dims)).collect();
            let message = format!("it joins {}: only an extent of 1 is repeated", dims.join(" and "));
            return Err(cannot(node, message));
        };
        let whole = flows.iter().find(|flow| Shape::new(flow.ours()) == output).unwrap_or(&flows[0]);
        let layout = whole.layout.clone();
        let mut dims = output.dims().to_vec();
        if layout == Layout::Last {
            dims.rotate_left(1);
        }
        let flat = |flow: &Flow| match self.layer(flow.at, "reshape") {
            Some(step)
                if flow.dims != dims
                    && self.shape_of(step.inputs[0]).is_some_and(|shape| *shape == step.shape[..1]) =>
            {
                step.inputs[0]
            }
            _ => flow.at,
        };
        let inputs = flows.iter().map(flat).collect();
        Ok(self.push(node, Act::Layer(word), inputs, dims, layout))
    }

    /// A layer that has no bias, or one that is 0, with this one.
    fn biased(&mut self, flow: &Flow, numbers: Weight<'a>) -> Option<Flow> {
        let step = self.step(flow)?;
        let Act::Layer(word) = step.act else { return None };
        let has_bias = step.weights.iter().any(|(name, _)| *name == "bias");
        let takes = match word {
            "conv2d" | "conv1d" | "conv3d" | "depthwise_conv2d" | "depthwise_conv3d" | "conv_transpose2d"
            | "linear" => !has_bias,
            "group_norm" | "layer_norm" | "instance_norm" => {
                let is_open = |weight: &Weight<'_>| weight.is_all(0.0) && weight.count() == numbers.count();
                step.weights.iter().any(|(name, weight)| *name == "bias" && is_open(weight))
            }
            _ => false,
        };
        if !takes {
            return None;
        }
        self.again(flow, |step| {
            step.weights.retain(|(name, _)| *name != "bias");
            step.weights.push(("bias", numbers));
            if !word.ends_with("_norm") {
                set(&mut step.args, "bias", "true".to_owned());
            }
        })
    }

    pub(super) fn product(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let is_quotient = node.op == "Div";
        let (a, b) = (self.value(node, 0)?, self.value(node, 1)?);
        let (x, constant) = match (a, b) {
            (Value::Flow(a), Value::Flow(b)) if is_quotient => return self.quotient(node, &a, &b),
            (Value::Flow(a), Value::Flow(b)) => return self.multiplied(node, &a, &b),
            (Value::Flow(a), _) => (a, self.numbers(node, 1)?),
            (_, Value::Flow(_)) if is_quotient => {
                let (b, number) = (self.image(node, 1)?, self.numbers(node, 0)?);
                let inverse = self.keep(node, Act::Power(-1.0), &b);
                return match number.scalar() {
                    Some(1.0) => Ok(inverse),
                    Some(number) => Ok(self.keep(node, Act::Factor(number as f32), &inverse)),
                    None => Err(cannot(node, "it divides several numbers by what depends on the image")),
                };
            }
            (_, Value::Flow(b)) => (b, self.numbers(node, 0)?),
            _ => return Err(damaged(format!("`{}` multiplies constants", node.name))),
        };
        let factor = |number: f64| if is_quotient { 1.0 / number } else { number };
        Ok(match self.constant_beside(node, &x, &constant)? {
            Constant::Scalar(number) if factor(f64::from(number)) == 1.0 => x,
            Constant::Scalar(number) => {
                let number = factor(f64::from(number)) as f32;
                match self.scaled(node, &x, number) {
                    Some(flow) => flow,
                    None => self.keep(node, Act::Factor(number), &x),
                }
            }
            Constant::Channels(numbers) => {
                let numbers: Rc<Vec<f64>> = Rc::new(numbers.iter().map(|number| factor(*number)).collect());
                let takes = self.step(&x).is_some_and(|step| {
                    let is_one =
                        |(name, weight): &(&str, Weight<'_>)| *name == "weight" && weight.is_all(1.0);
                    matches!(step.act, Act::Layer("group_norm")) && step.weights.iter().any(is_one)
                        || plain_norm(step)
                });
                let taken = takes.then(|| {
                    let numbers = Weight::Own(Rc::clone(&numbers));
                    self.again(&x, |step| {
                        if plain_norm(step) {
                            set(&mut step.args, "affine", "true".to_owned());
                            step.weights = vec![("bias", Weight::All(numbers.count(), 0.0))];
                        }
                        step.weights.retain(|(name, _)| *name != "weight");
                        step.weights.insert(0, ("weight", numbers));
                    })
                });
                match taken.flatten() {
                    Some(flow) => flow,
                    None => self.keep(node, Act::Factors(Weight::Own(numbers)), &x),
                }
            }
            Constant::Wide(dims, numbers) => {
                let numbers = Rc::new(numbers.iter().map(|number| factor(*number)).collect());
                self.beside(node, "multiply", &x, dims, numbers)?
            }
        })
    }

    fn multiplied(&mut self, node: &'a Node<'a>, a: &Flow, b: &Flow) -> Result<Flow, Fault> {
        if let Some(flow) = self.gated(node, a, b) {
            return Ok(flow);
        }
        if a.at == b.at && a.dims == b.dims && a.layout == b.layout {
            return Ok(self.keep(node, Act::Power(2.0), a));
        }
        self.together(node, "multiply", &[a.clone(), b.clone()])
    }

    /// The extents of a value, in our order.
    pub(super) fn shape_of(&self, at: usize) -> Option<&[usize]> {
        match at.checked_sub(1) {
            None => Some(&self.image),
            Some(at) => self.steps.get(at).map(|step| step.shape.as_slice()),
        }
    }

    pub(super) fn concat(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let values: Vec<Value<'a>> =
            (0..node.inputs.len()).map(|i| self.value(node, i)).collect::<Result<_, Fault>>()?;
        let beside = values.iter().find_map(|value| match value {
            Value::Flow(flow) => Some(flow.at),
            Value::Stored(_) | Value::Known(_) => None,
        });
        let mut parts = Vec::with_capacity(values.len());
        for (i, value) in values.into_iter().enumerate() {
            parts.push(match value {
                Value::Flow(flow) => flow,
                // The same numbers for each image; of a file for one image.
                Value::Stored(_) | Value::Known(_) => {
                    let numbers = self.numbers(node, i)?;
                    let (Some((1, dims)), false) = (
                        numbers.dims.split_first().map(|(n, dims)| (*n, dims.to_vec())),
                        numbers.dims.len() < 2,
                    ) else {
                        return Err(cannot(node, "it joins images and constants"));
                    };
                    self.learned(node, beside.unwrap_or(0), dims, Weight::Own(numbers.values))
                }
            });
        }
        let lead = parts.iter().find(|part| !part.is_point()).or(parts.first());
        let first = lead.ok_or_else(|| damaged(format!("`{}` joins nothing", node.name)))?.clone();
        if parts.len() == 1 {
            return Ok(first);
        }
        let axis =
            |flow: &Flow| flow.axis(node.int("axis", 1)).ok_or_else(|| cannot(node, "it joins images"));
        if let Some(flow) = self.token_before(node, &parts, axis(&first)?) {
            return Ok(flow);
        }
        let mut first = first;
        if parts.iter().any(|part| part.layout != first.layout) {
            parts = parts.into_iter().map(|part| self.as_first(node, part)).collect();
            first = self.as_first(node, first);
        }
        let own = axis(&first)?;
        if own != 0 {
            let is_pooled = parts.iter().all(|part| {
                self.step(part)
                    .is_some_and(|step| matches!(step.act, Act::Largest(own_axis) if own_axis == own))
            });
            return match is_pooled {
                true => self.windows_beside(node, &parts, own),
                false => self.places_beside(node, parts, own),
            };
        }
        let alike = |part: &&Flow| {
            part.layout == first.layout
                && part.ours()[1..] == first.ours()[1..]
                && part.dims.len() == first.dims.len()
        };
        if !parts.iter().all(|part| alike(&part)) || matches!(first.layout, Layout::FlatLast(_)) {
            return Err(cannot(node, "what it joins has different shapes"));
        }
        let mut dims = first.dims.clone();
        let at = if first.layout == Layout::Last { dims.len() - 1 } else { 0 };
        dims[at] = parts.iter().map(Flow::channels).sum();
        let mut inputs: Vec<usize> = parts.iter().map(|part| part.at).collect();
        self.fold_concat(&mut inputs);
        Ok(self.push(node, Act::Layer("concat"), inputs, dims, first.layout))
    }

    /// Learned numbers as the first place of a sequence.
    fn token_before(&mut self, node: &'a Node<'a>, parts: &[Flow], own: usize) -> Option<Flow> {
        let [token, x] = parts else { return None };
        let step = self.step(token)?;
        let channels = x.channels();
        let is_token = matches!(step.act, Act::Layer("parameter"))
            && (own, x.dims.len(), token.dims.len()) == (1, 2, 2)
            && token.dims.iter().product::<usize>() == channels
            && token.dims.contains(&1);
        if !is_token || matches!(x.layout, Layout::FlatLast(_)) {
            return None;
        }
        let weights = step.weights.clone();
        let mut dims = vec![channels, x.ours()[1] + 1];
        if x.layout == Layout::Last {
            dims.rotate_left(1);
        }
        let flow = self.push(node, Act::Layer("class_token"), vec![x.at], dims, x.layout.clone());
        self.last()?.weights = weights;
        Some(flow)
    }

    /// Values side by side along another axis than the channels: with that axis first, and back.
    fn places_beside(&mut self, node: &'a Node<'a>, parts: Vec<Flow>, own: usize) -> Result<Flow, Fault> {
        let first = &parts[0];
        let alike = |part: &Flow| {
            let (a, b) = (part.ours(), first.ours());
            part.layout == first.layout
                && a.len() == b.len()
                && (0..a.len()).all(|i| i == own || a[i] == b[i])
        };
        if !parts.iter().all(alike) || matches!(first.layout, Layout::FlatLast(_)) {
            return Err(cannot(node, "what it joins has different shapes"));
        }
        let (rank, is_last) = (first.dims.len(), first.layout == Layout::Last);
        let front: Vec<usize> = [own].into_iter().chain((0..rank).filter(|&axis| axis != own)).collect();
        let back: Vec<usize> =
            (0..rank).map(|axis| front.iter().position(|&at| at == axis).unwrap_or(axis)).collect();
        let mut dims = first.ours();
        dims[own] = parts.iter().map(|part| part.ours()[own]).sum();
        let inputs = parts
            .iter()
            .map(|part| {
                let part = Flow { dims: part.ours(), layout: Layout::First, ..part.clone() };
                let turned = front.iter().map(|&axis| part.dims[axis]).collect();
                self.exchanged(node, &part, front.clone(), turned).at
            })
            .collect();
        let turned: Vec<usize> = front.iter().map(|&axis| dims[axis]).collect();
        let joined = self.push(node, Act::Layer("concat"), inputs, turned, Layout::First);
        let whole = self.exchanged(node, &joined, back, dims.clone());
        if is_last {
            dims.rotate_left(1);
        }
        let layout = if is_last { Layout::Last } else { Layout::First };
        Ok(Flow { dims, layout, ..whole })
    }

    /// What begins with the parts of another concatenation begins with that one: `[a, b, c]` behind `[a, b]` is `[[a, b], c]`.
    fn fold_concat(&self, inputs: &mut Vec<usize>) {
        let mut best: Option<(usize, usize)> = None;
        // Only what was joined lately can be continued; looking at everything would take the square of the nodes.
        for at in (self.steps.len().saturating_sub(64)..self.steps.len()).rev() {
            let Some(step) = self.layer(at + 1, "concat") else { continue };
            let Some(parts) = self.parts(&step.inputs, inputs.len() - 1) else { continue };
            if parts.len() > best.map_or(1, |(_, n)| n) && inputs.starts_with(&parts) {
                best = Some((at + 1, parts.len()));
            }
        }
        if let Some((at, n)) = best {
            inputs.splice(..n, [at]);
        }
    }

    /// The parts of a concatenation, those of one at its front taken apart; `None` where they are more than `most`.
    fn parts(&self, inputs: &[usize], most: usize) -> Option<Vec<usize>> {
        let (mut front, mut backwards) = (inputs, Vec::new());
        loop {
            let (&first, behind) = front.split_first()?;
            if backwards.len() + front.len() > most {
                return None;
            }
            backwards.extend(behind.iter().rev().copied());
            let Some(step) = self.layer(first, "concat") else {
                backwards.push(first);
                backwards.reverse();
                return Some(backwards);
            };
            front = &step.inputs;
        }
    }

    /// The largest of uneven windows side by side, as we write an adaptive pool.
    fn windows_beside(&mut self, node: &'a Node<'a>, parts: &[Flow], axis: usize) -> Result<Flow, Fault> {
        let refused = || cannot(node, "it joins along another axis than the channels");
        let to = parts.len();
        let mut source: Option<usize> = None;
        for part in parts {
            let largest = self
                .step(part)
                .filter(|step| matches!(step.act, Act::Largest(own) if own == axis))
                .ok_or_else(refused)?;
            let cut = self.at(largest.inputs[0]).ok_or_else(refused)?;
            match source {
                None => source = Some(cut.inputs[0]),
                Some(own) if own == cut.inputs[0] => {}
                Some(_) => return Err(refused()),
            }
        }
        let source = source.ok_or_else(refused)?;
        // The last window ends where the axis does.
        let last = self.step(&parts[to - 1]).and_then(|step| self.at(step.inputs[0]));
        let from = match last.map(|cut| (&cut.act, &cut.shape)) {
            Some((Act::Cut(start), shape)) => start[axis] + shape[axis],
            _ => return Err(refused()),
        };
        let holds = parts.iter().enumerate().all(|(i, part)| {
            let cut = self.step(part).and_then(|step| self.at(step.inputs[0]));
            let window = adaptive_window(i, from, to);
            matches!(cut.map(|cut| (&cut.act, &cut.shape)), Some((Act::Cut(start), shape)) if start[axis] == window.start && shape[axis] == window.len())
        });
        if !holds {
            return Err(refused());
        }
        let mut dims = parts[0].dims.clone();
        dims[axis] = to;
        if axis + 1 < dims.len() {
            return Ok(self.push(node, Act::Rows { is_mean: false, to }, vec![source], dims, Layout::First));
        }
        let x = Flow { at: source, dims: parts[0].dims.clone(), layout: Layout::First };
        match (x.dims.len(), self.step(&x).map(|step| (step.act.clone(), step.inputs.clone()))) {
            (3, Some((Act::Rows { is_mean: false, to: rows }, inputs))) => {
                let flow = self.push(node, Act::Layer("adaptive_max_pool2d"), inputs, dims, Layout::First);
                if let Some(step) = self.last() {
                    step.args = vec![("size", pair(&[rows, to]))];
                }
                Ok(flow)
            }
            (2, _) => {
                let flow =
                    self.push(node, Act::Layer("adaptive_max_pool1d"), vec![source], dims, Layout::First);
                if let Some(step) = self.last() {
                    step.args = vec![("size", to.to_string())];
                }
                Ok(flow)
            }
            _ => Err(refused()),
        }
    }
}

/// Whether a step is a norm that scales and shifts nothing yet, with one number a channel where it does.
fn plain_norm(step: &Step<'_>) -> bool {
    let is_affine = step.args.contains(&("affine", "false".to_owned()));
    let of_channels = step.args.contains(&("over", "channels".to_owned())) || step.shape.len() == 1;
    is_affine
        && match step.act {
            Act::Layer("layer_norm") => of_channels,
            Act::Layer("instance_norm") => true,
            _ => false,
        }
}
