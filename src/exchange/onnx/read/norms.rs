//! Normalisations of a graph → layers.

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::read::numbers::axis_of;
use crate::exchange::onnx::read::{Act, Flow, Reader, all, cannot, shown};

impl<'a> Reader<'a, '_> {
    pub(super) fn batch_norm(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let x = if x.is_point() { x } else { self.as_first(node, x) };
        if node.int("training_mode", 0) != 0 || (self.opset < 7 && node.int("is_test", 0) == 0) {
            return Err(cannot(
                node,
                "it takes its statistics from the batch: export the network for inference",
            ));
        }
        let channels = x.channels();
        let mut weights = Vec::new();
        for (i, name) in ["weight", "bias", "running_mean", "running_var"].into_iter().enumerate() {
            let (weight, dims) = self.weight(node, i + 1)?;
            if dims.iter().product::<usize>() != channels {
                return Err(cannot(
                    node,
                    format!("its input {} has {dims:?} numbers for {channels} channels", i + 2),
                ));
            }
            weights.push((name, weight));
        }
        // ONNX keeps what ours lets go.
        let momentum = f64::from(1.0 - node.float("momentum", 0.9));
        let momentum = (momentum * 1e5).round() / 1e5;
        let args = vec![("momentum", momentum.to_string()), ("epsilon", shown(node.float("epsilon", 1e-5)))];
        let flow = self.keep(node, Act::Layer("batch_norm"), &x);
        if let Some(step) = self.last() {
            (step.args, step.weights) = (args, weights);
        }
        Ok(flow)
    }

    pub(super) fn instance_norm(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.first(node, 0)?;
        let (scale, shift) = (self.numbers(node, 1)?, self.numbers(node, 2)?);
        let is_plain = all(&scale, 1.0) && all(&shift, 0.0);
        let epsilon = node.float("epsilon", 1e-5);
        let is_parted = self.step(&x).is_some_and(|step| matches!(step.act, Act::Layer("reshape")));
        if is_parted && is_plain && x.dims.len() == 2 {
            return Ok(self.keep(node, Act::Normal { groups: x.dims[0], epsilon }, &x));
        }
        if !(2..=4).contains(&x.dims.len()) {
            return Err(cannot(node, format!("it normalises {:?}, not images", x.dims)));
        }
        let (weight, bias) = (self.weight(node, 1)?.0, self.weight(node, 2)?.0);
        let flow = self.keep(node, Act::Layer("instance_norm"), &x);
        if let Some(step) = self.last() {
            step.args = vec![("affine", (!is_plain).to_string()), ("epsilon", shown(epsilon))];
            step.weights = if is_plain { Vec::new() } else { vec![("weight", weight), ("bias", bias)] };
        }
        Ok(flow)
    }

    /// `group_norm` of what was put into groups, where the group's own scale changes nothing.
    pub(super) fn grouped(&mut self, node: &'a Node<'a>, x: &Flow, groups: usize, epsilon: f32) -> Flow {
        let channels = x.channels();
        let flow = self.keep(node, Act::Layer("group_norm"), x);
        if let Some(step) = self.last() {
            step.args = vec![("groups", groups.to_string()), ("epsilon", shown(epsilon))];
            step.weights = vec![("weight", Weight::All(channels, 1.0)), ("bias", Weight::All(channels, 0.0))];
        }
        flow
    }

    pub(super) fn group_norm(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.first(node, 0)?;
        let groups =
            usize::try_from(node.int("num_groups", 1)).ok().filter(|&n| n > 0 && x.dims[0].is_multiple_of(n));
        let groups = groups.ok_or_else(|| cannot(node, "its groups do not divide the channels"))?;
        let epsilon = node.float("epsilon", 1e-5);
        let channels = x.dims[0];
        let mut weights = Vec::new();
        for (i, name) in ["weight", "bias"].into_iter().enumerate() {
            let numbers = self.numbers(node, i + 1)?;
            // Until opset 20 a number a group, since then a number a channel.
            let own = match numbers.values.len() {
                n if n == channels => numbers.values.to_vec(),
                n if n == groups => {
                    self.spend(channels)?;
                    (0..channels).map(|c| numbers.values[c / (channels / groups)]).collect()
                }
                n => return Err(cannot(node, format!("it has {n} scales for {channels} channels"))),
            };
            weights.push((name, Weight::Own(own.into())));
        }
        let flow = self.grouped(node, &x, groups, epsilon);
        if let Some(step) = self.last() {
            step.weights = weights;
        }
        Ok(flow)
    }

    pub(super) fn layer_norm(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let axis = node.int("axis", -1);
        let rank = x.dims.len();
        let of_channels = rank > 1 && axis_of(axis, rank + 1) == Some(rank);
        let x = if of_channels { self.as_last(node, x) } else { self.as_first(node, x) };
        if !of_channels && x.axis(axis) != Some(0) {
            return Err(cannot(
                node,
                "it normalises neither whole images nor the channels of each place, as `layer_norm` does",
            ));
        }
        let n: usize = if of_channels { x.channels() } else { x.dims.iter().product() };
        let scale = self.numbers(node, 1)?;
        let shift = self.numbers_if(node, 2)?;
        if scale.values.len() != n || shift.as_ref().is_some_and(|shift| shift.values.len() != n) {
            return Err(cannot(node, "its scale has other extents than its input"));
        }
        let is_plain = all(&scale, 1.0) && shift.as_ref().is_none_or(|shift| all(shift, 0.0));
        let weight = self.weight(node, 1)?.0;
        let bias = if shift.is_some() { self.weight(node, 2)?.0 } else { Weight::All(n, 0.0) };
        let flow = self.keep(node, Act::Layer("layer_norm"), &x);
        if let Some(step) = self.last() {
            let epsilon = shown(node.float("epsilon", 1e-5));
            step.args = vec![("affine", (!is_plain).to_string()), ("epsilon", epsilon)];
            if of_channels {
                step.args.push(("over", "channels".to_owned()));
            }
            step.weights = if is_plain { Vec::new() } else { vec![("weight", weight), ("bias", bias)] };
        }
        Ok(flow)
    }

    pub(super) fn response_norm(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.first(node, 0)?;
        let size = usize::try_from(node.int("size", 0)).unwrap_or(0);
        if size % 2 == 0 {
            return Err(cannot(
                node,
                format!("its window of {size} channels lies otherwise than ours; odd ones do not"),
            ));
        }
        let flow = self.keep(node, Act::Layer("local_response_norm"), &x);
        if let Some(step) = self.last() {
            step.args = response(
                size,
                [node.float("alpha", 1e-4), node.float("beta", 0.75), node.float("bias", 1.0)],
            );
        }
        Ok(flow)
    }

    pub(super) fn softmax(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        // Before opset 13 everything from the axis on counts as one.
        let axis = node.int("axis", if self.opset < 13 { 1 } else { -1 });
        let own = x.axis(axis).ok_or_else(|| cannot(node, "it goes over images"))?;
        // What comes after the axis is of extent 1, or the axis is alone.
        let is_alone = self.opset >= 13 || own + 1 == x.dims.len() || x.is_point();
        if !is_alone {
            return Err(cannot(node, "it takes all pixels together"));
        }
        if own != 0 {
            return match node.op {
                "Softmax" => Ok(self.keep(node, Act::Softmax(own), &x)),
                _ => Err(cannot(node, "it goes along another axis than the channels")),
            };
        }
        let word = if node.op == "Softmax" { "softmax" } else { "log_softmax" };
        Ok(self.keep(node, Act::Layer(word), &x))
    }
}

/// The arguments of `local_response_norm`.
pub(super) fn response(size: usize, [alpha, beta, k]: [f32; 3]) -> Vec<(&'static str, String)> {
    vec![("size", size.to_string()), ("alpha", shown(alpha)), ("beta", shown(beta)), ("k", shown(k))]
}
