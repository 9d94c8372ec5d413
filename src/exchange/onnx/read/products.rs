//! Products with matrices in a graph → linear layers, and the adaptive pools that we write as products.

use std::rc::Rc;

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::pools::shares;
use crate::exchange::onnx::read::numbers::Numbers;
use crate::exchange::onnx::read::windows::set;
use crate::exchange::onnx::read::{Act, Flow, Layout, Reader, Value, cannot};
use crate::exchange::onnx::wire::damaged;

impl<'a> Reader<'a, '_> {
    pub(super) fn gemm(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
        if node.int("transA", 0) != 0 {
            return Err(cannot(node, "it exchanges images and features"));
        }
        let flow = self.linear(node, node.int("transB", 0) == 1)?;
        if alpha != 1.0 {
            self.spend(self.weight(node, 1)?.1.iter().product())?;
            self.scale_weight(flow.at, "weight", alpha)?;
        }
        let Some(bias) = self.numbers_if(node, 2)? else { return Ok(flow) };
        let features = flow.dims[0];
        let Some(bias) = bias.expanded(&[features]).or_else(|| bias.reshaped(vec![features])) else {
            return Err(cannot(node, format!("its bias has the extents {:?}", bias.dims)));
        };
        let bias = match self.weight(node, 2)?.0 {
            Weight::Stored(tensor) if beta == 1.0 && tensor.elements() == features => Weight::Stored(tensor),
            _ => {
                self.spend(features)?;
                let own = bias.values.iter().map(|number| number * f64::from(beta)).collect();
                Weight::Own(Rc::new(own))
            }
        };
        if let Some(step) = self.last() {
            step.weights.push(("bias", bias));
            set(&mut step.args, "bias", "true".to_owned());
        }
        Ok(flow)
    }

    fn scale_weight(&mut self, at: usize, name: &str, factor: f32) -> Result<(), Fault> {
        let beside = self.beside;
        let Some(step) = at.checked_sub(1).and_then(|at| self.steps.get_mut(at)) else { return Ok(()) };
        for (_, weight) in step.weights.iter_mut().filter(|(own, _)| *own == name) {
            let numbers = weight.numbers(beside)?.iter().map(|number| f64::from(number * factor)).collect();
            *weight = Weight::Own(Rc::new(numbers));
        }
        Ok(())
    }

    /// A flat image times a matrix, without a bias.
    fn linear(&mut self, node: &'a Node<'a>, is_turned: bool) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let (weight, dims) = self.weight(node, 1)?;
        let (&[features], &[rows, columns]) = (x.dims.as_slice(), dims.as_slice()) else {
            return Err(cannot(node, format!("it multiplies {:?} by {dims:?}", x.dims)));
        };
        let (inputs, outputs) = if is_turned { (columns, rows) } else { (rows, columns) };
        if inputs != features {
            return Err(damaged(format!("`{}` has {inputs} rows for {features} features", node.name)));
        }
        let weight = match (weight, is_turned) {
            (weight, true) => weight,
            (Weight::Stored(tensor), false) => Weight::Turned(tensor),
            (Weight::Own(numbers), false) => {
                let matrix = Numbers::new(dims, numbers.to_vec(), true).transposed(&[1, 0]);
                Weight::Own(matrix.map(|matrix| matrix.values).ok_or_else(|| Fault::internal("a matrix"))?)
            }
            (Weight::Turned(_) | Weight::All(..) | Weight::Later(_), false) => {
                return Err(Fault::internal("a stored weight is turned"));
            }
        };
        let weight = match &x.layout {
            Layout::FlatLast(extents) => {
                self.spend(rows * columns)?;
                channels_first(&weight.numbers(self.beside)?, outputs, extents)
            }
            Layout::First | Layout::Last => weight,
        };
        let flow = self.push(node, Act::Layer("linear"), vec![x.at], vec![outputs], Layout::First);
        if let Some(step) = self.last() {
            step.args = vec![("features", outputs.to_string()), ("bias", "false".to_owned())];
            step.weights = vec![("weight", weight)];
        }
        Ok(flow)
    }

    pub(super) fn matmul(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        if let Value::Flow(x) = self.value(node, 0)?
            && x.dims.len() == 1
        {
            return self.linear(node, false);
        }
        if let (Value::Flow(a), Value::Flow(b)) = (self.value(node, 0)?, self.value(node, 1)?) {
            return self.matrices(node, a, b);
        }
        // The shares of an adaptive mean, from the left for rows and from the right for the last axis.
        let (x, matrix, is_left) = match (self.value(node, 0)?, self.value(node, 1)?) {
            (Value::Flow(x), _) => (x, self.numbers(node, 1)?, false),
            (_, Value::Flow(x)) => (x, self.numbers(node, 0)?, true),
            _ => return Err(cannot(node, "both its inputs are constants")),
        };
        let refused = || cannot(node, format!("it multiplies {:?} by a matrix of {:?}", x.dims, matrix.dims));
        let &[a, b] = matrix.dims.as_slice() else { return Err(refused()) };
        let (from, to) = if is_left { (b, a) } else { (a, b) };
        let axis = if is_left { x.dims.len().checked_sub(2) } else { x.dims.len().checked_sub(1) };
        let turned = if is_left { Some(matrix.clone()) } else { matrix.transposed(&[1, 0]) };
        let is_mean = from > 0
            && to > 0
            && turned.is_some_and(|own| {
                own.values.iter().zip(shares(from, to)).all(|(own, share)| (*own as f32 - share).abs() < 1e-6)
            });
        let Some(axis) = axis.filter(|&axis| axis > 0 && is_mean && x.dims.get(axis) == Some(&from)) else {
            return self.projected(node, x, usize::from(is_left));
        };
        let mut dims = x.dims.clone();
        dims[axis] = to;
        if is_left {
            return Ok(self.push(node, Act::Rows { is_mean: true, to }, vec![x.at], dims, x.layout));
        }
        self.pooled(node, &x, to, dims, ["adaptive_avg_pool2d", "adaptive_avg_pool1d"]).ok_or_else(refused)
    }

    /// The same matrix for the channels of each place: a convolution of one place. `at` is the place of the value among the
    /// inputs, the matrix is the other one.
    fn projected(&mut self, node: &'a Node<'a>, x: Flow, at: usize) -> Result<Flow, Fault> {
        let (weight, dims) = self.weight(node, 1 - at)?;
        let refused = || cannot(node, format!("it multiplies {:?} by a matrix of {dims:?}", x.dims));
        let &[a, b] = dims.as_slice() else { return Err(refused()) };
        let (inputs, outputs) = if at == 0 { (a, b) } else { (b, a) };
        let last = x.dims.len() - 1;
        if !(1..=2).contains(&last) || at == 1 && last != 1 {
            return Err(refused());
        }
        let own = last - at;
        if x.dims[own] != inputs {
            return Err(refused());
        }
        let x = if at == 0 { self.as_last(node, x) } else { self.as_first(node, x) };
        let weight = match (weight, at) {
            (weight, 1) => weight,
            (Weight::Stored(tensor), _) => Weight::Turned(tensor),
            (Weight::Own(numbers), _) => {
                let matrix = Numbers::new(dims, numbers.to_vec(), true).transposed(&[1, 0]);
                Weight::Own(matrix.map(|matrix| matrix.values).ok_or_else(|| Fault::internal("a matrix"))?)
            }
            (Weight::Turned(_) | Weight::All(..) | Weight::Later(_), _) => {
                return Err(Fault::internal("a stored weight is turned"));
            }
        };
        let mut extents = x.dims.clone();
        extents[own] = outputs;
        let word = if last == 1 { "conv1d" } else { "conv2d" };
        let flow = self.push(node, Act::Layer(word), vec![x.at], extents, x.layout);
        if let Some(step) = self.last() {
            step.args = vec![
                ("channels", outputs.to_string()),
                ("kernel", "1".to_owned()),
                ("bias", "false".to_owned()),
            ];
            step.weights = vec![("weight", weight)];
        }
        Ok(flow)
    }
}

/// The columns of a matrix for numbers whose channels stood last (`extents`), in the order of channels first.
fn channels_first(matrix: &[f32], rows: usize, extents: &[usize]) -> Weight<'static> {
    let (channels, places) =
        extents.split_last().map_or((1, 1), |(c, rest)| (*c, rest.iter().product::<usize>()));
    let features = channels * places;
    let mut own = vec![0.0; matrix.len()];
    for row in 0..rows {
        for place in 0..places {
            for channel in 0..channels {
                own[row * features + channel * places + place] =
                    f64::from(matrix[row * features + place * channels + channel]);
            }
        }
    }
    Weight::Own(Rc::new(own))
}
