//! What depends on no image: numbers that are stored, and those that are worked out of them.

use std::rc::Rc;

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::read::numbers::{self, Numbers, evaluate};
use crate::exchange::onnx::read::{Flow, Reader, Value, called, cannot};
use crate::exchange::onnx::wire::damaged;

impl<'a> Reader<'a, '_> {
    /// The value of a node that depends on no image.
    pub(super) fn constant(&mut self, node: &'a Node<'a>) -> Result<Option<Value<'a>>, Fault> {
        if node.op == "Constant" {
            let given =
                node.attributes.first().ok_or_else(|| damaged(format!("{} has no value", called(node))))?;
            return Ok(Some(match (&given.tensor, given.name) {
                (Some(tensor), _) => Value::Stored(tensor),
                (None, "value_float") => {
                    Value::Known(Numbers::new(vec![], vec![f64::from(given.float)], true))
                }
                (None, "value_int") => Value::Known(Numbers::new(vec![], vec![given.int as f64], false)),
                (None, "value_floats") => {
                    let values: Vec<f64> = given.floats.iter().map(|x| f64::from(*x)).collect();
                    Value::Known(Numbers::new(vec![values.len()], values, true))
                }
                (None, "value_ints") => {
                    let values: Vec<f64> = given.ints.iter().map(|x| *x as f64).collect();
                    Value::Known(Numbers::new(vec![values.len()], values, false))
                }
                (None, other) => return Err(cannot(node, format!("it has a `{other}`"))),
            }));
        }
        if let ("Shape", Some(Value::Flow(flow))) =
            (node.op, node.input(0).and_then(|name| self.values.get(name)))
        {
            let (at, shape) = (flow.at, Numbers::shape(&flow.dims));
            self.batches.insert(node.outputs.first().copied().unwrap_or_default(), at);
            let rank = shape.values.len();
            let [start, end] = numbers::bounds(node.int("start", 0), node.int("end", i64::MAX), rank);
            let picked = Numbers {
                dims: vec![end.saturating_sub(start)],
                values: Rc::new(shape.values[start..end.max(start)].to_vec()),
                of_batch: shape.of_batch[start..end.max(start)].to_vec(),
                is_float: false,
            };
            return Ok(Some(Value::Known(picked)));
        }
        // The batch's size is that of a value.
        let of_batch = node.inputs.iter().find_map(|name| self.batches.get(name).copied());
        if let (Some(at), Some(output)) = (of_batch, node.outputs.first()) {
            self.batches.insert(output, at);
        }
        let depends = |name: &str| matches!(self.values.get(name), Some(Value::Flow(_)));
        if node.inputs.iter().any(|name| depends(name)) {
            return Ok(None);
        }
        // What only gets another name stays where it lies.
        let first = node.input(0).and_then(|name| self.values.get(name));
        let is_same = match (node.op, first) {
            ("Identity" | "Dropout", _) => true,
            ("Cast", Some(Value::Stored(tensor))) => node.int("to", 0) == 1 && tensor.is_float(),
            (_, _) => false,
        };
        if is_same {
            return Ok(first.cloned());
        }
        let dims = match first {
            Some(Value::Stored(tensor)) => Some(&tensor.dims),
            Some(Value::Known(numbers)) => Some(&numbers.dims),
            Some(Value::Flow(_)) | None => None,
        };
        if let ("Shape", Some(dims)) = (node.op, dims) {
            let [start, end] = numbers::bounds(node.int("start", 0), node.int("end", i64::MAX), dims.len());
            let dims: Vec<f64> = dims[start..end.max(start)].iter().map(|&dim| dim as f64).collect();
            return Ok(Some(Value::Known(Numbers::new(vec![dims.len()], dims, false))));
        }
        let inputs = self.known_inputs(node)?;
        if let ("Expand", Some(Some(numbers)), Some(Some(target))) = (node.op, inputs.first(), inputs.get(1))
            && target.is_of_batch(0)
        {
            return self.for_each_image(node, numbers, target).map(|flow| Some(Value::Flow(flow)));
        }
        match evaluate(node, &inputs)? {
            Some(numbers) => {
                self.spend(numbers.values.len())?;
                Ok(Some(Value::Known(numbers)))
            }
            None => Err(cannot(node, "it works on constants in a way that is not known here")),
        }
    }

    /// Counts numbers that a constant becomes.
    pub(super) fn spend(&self, n: usize) -> Result<(), Fault> {
        let left = self.left.get().checked_sub(n);
        self.left.set(
            left.ok_or_else(|| damaged("its constants would have more numbers than memory should hold"))?,
        );
        Ok(())
    }

    pub(super) fn known_inputs(&self, node: &Node<'a>) -> Result<Vec<Option<Numbers>>, Fault> {
        node.inputs.iter().map(|name| self.known(name)).collect()
    }

    /// The numbers of a constant; `None` for what depends on the image or is not there.
    pub(super) fn known(&self, name: &str) -> Result<Option<Numbers>, Fault> {
        match self.values.get(name) {
            Some(Value::Known(numbers)) => Ok(Some(numbers.clone())),
            Some(Value::Stored(tensor)) => {
                self.spend(tensor.elements())?;
                let is_float = tensor.is_float();
                let values = match is_float {
                    true => tensor.floats(self.beside)?.iter().map(|x| f64::from(*x)).collect(),
                    false => tensor.ints(self.beside)?.iter().map(|x| *x as f64).collect(),
                };
                Ok(Some(Numbers::new(tensor.dims.clone(), values, is_float)))
            }
            Some(Value::Flow(_)) | None => Ok(None),
        }
    }

    /// The constant input number `i`, which the node must have.
    pub(super) fn numbers(&self, node: &Node<'a>, i: usize) -> Result<Numbers, Fault> {
        let found = node.input(i).map(|name| self.known(name)).transpose()?.flatten();
        found.ok_or_else(|| cannot(node, format!("its input {} depends on the image, or is missing", i + 1)))
    }

    /// The constant input number `i`, if there is one.
    pub(super) fn numbers_if(&self, node: &Node<'a>, i: usize) -> Result<Option<Numbers>, Fault> {
        node.input(i).map(|_| self.numbers(node, i)).transpose()
    }

    /// A constant input as a weight, and its extents.
    pub(super) fn weight(&self, node: &Node<'a>, i: usize) -> Result<(Weight<'a>, Vec<usize>), Fault> {
        match node.input(i).and_then(|name| self.values.get(name)) {
            Some(&Value::Stored(tensor)) => Ok((Weight::Stored(tensor), tensor.dims.clone())),
            Some(Value::Known(numbers)) => {
                Ok((Weight::Own(Rc::clone(&numbers.values)), numbers.dims.clone()))
            }
            Some(Value::Flow(_)) => Err(cannot(node, "its weight depends on the image")),
            None => Err(damaged(format!("{} has no input {}", called(node), i + 1))),
        }
    }

    pub(super) fn value(&self, node: &Node<'a>, i: usize) -> Result<Value<'a>, Fault> {
        let found = node.input(i).and_then(|name| self.values.get(name));
        found.cloned().ok_or_else(|| damaged(format!("{} has no input {}", called(node), i + 1)))
    }

    /// Input number `i`, which depends on the image.
    pub(super) fn image(&self, node: &Node<'a>, i: usize) -> Result<Flow, Fault> {
        match self.value(node, i)? {
            Value::Flow(flow) => Ok(flow),
            Value::Stored(_) | Value::Known(_) => {
                Err(cannot(node, format!("its input {} is a constant", i + 1)))
            }
        }
    }
}
