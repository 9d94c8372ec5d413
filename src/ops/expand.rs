//! Repeats a value along its axes of extent 1 to the shape of the attribute `shape`. The attribute `rows` says that the first
//! axis counts images, of which each gets the same.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::arity;
use crate::ops::binary::broadcast;
use crate::ops::reduce::REDUCE_SUM;
use crate::ops::reshape::RESHAPE;
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static EXPAND: Expand = Expand;

pub struct Expand;

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity("expand", inputs)?;
        let shape = Shape::new(attrs.get_ints("shape"));
        match broadcast(input, &shape) == Some(shape.clone()) {
            true => Ok(shape),
            false => Err(Fault::internal(format!("`expand` cannot repeat {input} to {shape}"))),
        }
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let (from, to) = (builder.shape(node.inputs[0]).clone(), builder.shape(node.output).clone());
        let lead = to.rank() - from.rank();
        let repeated = |axis: &usize| *axis < lead || from.dims()[axis - lead] != to.dims()[*axis];
        let axes: Vec<usize> = (0..to.rank()).filter(repeated).collect();
        let sum = builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", axes), &[node.grad])?;
        builder.apply(&RESHAPE, Attrs::new().ints("shape", from.dims()), &[sum]).map(|grad| vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(0, inputs, output)
    }

    fn batching(&self, attrs: &Attrs, inputs: &[Operand<'_>], output: &Shape) -> Batching {
        if attrs.get_int("rows") == 1 && inputs[0].is_shared(output.rank()) {
            return Batching::Rows;
        }
        match inputs[0].shape.rank() == output.rank() {
            true => Batching::rows_of_all(inputs),
            false => Batching::Whole,
        }
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        Ok(inputs[0].broadcast_as(output.dims())?.contiguous()?)
    }
}
