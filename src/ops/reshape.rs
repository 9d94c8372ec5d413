//! The same numbers under another shape: attribute `shape`. A view, so it costs nothing.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand};
use crate::ops::arity;
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static RESHAPE: Reshape = Reshape;

pub struct Reshape;

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity("reshape", inputs)?;
        let shape = Shape::new(attrs.get_ints("shape"));
        // Where both are too large, the builder says so.
        match shape.checked_elements() == input.checked_elements() {
            true => Ok(shape),
            false => Err(Fault::internal(format!("`reshape` cannot make {shape} of {input}"))),
        }
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let shape = builder.shape(node.inputs[0]).clone();
        builder
            .apply(&RESHAPE, Attrs::new().ints("shape", shape.dims()), &[node.grad])
            .map(|grad| vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, _inputs: &[&Shape], _output: &Shape) -> Cost {
        Cost::default()
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], output: &Shape) -> Batching {
        match output.dims().first() == inputs[0].shape.dims().first() {
            true => Batching::rows_of_all(inputs),
            false => Batching::Whole,
        }
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        Ok(inputs[0].reshape(output.dims())?)
    }

    fn is_view(&self) -> bool {
        true
    }
}
