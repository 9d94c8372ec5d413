//! Sums and means over axes (attribute `axes`); a reduced axis stays with extent 1.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::arity;
use crate::ops::binary::MULTIPLY;
use crate::ops::expand::EXPAND;
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static REDUCE_SUM: Reduce = Reduce { name: "reduce_sum", mean: false };
pub static REDUCE_MEAN: Reduce = Reduce { name: "reduce_mean", mean: true };

pub struct Reduce {
    name: &'static str,
    /// Whether the sum is divided by the number of summands.
    pub mean: bool,
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity(self.name, inputs)?;
        let mut shape = input.clone();
        for &axis in attrs.get_ints("axes") {
            match shape.0.get_mut(axis) {
                Some(extent) => *extent = 1,
                None => {
                    return Err(Fault::internal(format!("`{}` has no axis {axis} in {input}", self.name)));
                }
            }
        }
        Ok(shape)
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let input = builder.shape(node.inputs[0]).clone();
        let n_summands = input.elements() / builder.shape(node.output).elements().max(1);
        let grad = match self.mean {
            true => {
                let share = builder.scalar(1.0 / n_summands as f32);
                builder.apply(&MULTIPLY, Attrs::new(), &[node.grad, share])?
            }
            false => node.grad,
        };
        builder.apply(&EXPAND, Attrs::new().ints("shape", input.dims()), &[grad]).map(|grad| vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        let flops = inputs.iter().map(|shape| shape.elements() as u64).sum();
        Cost { flops, ..elementwise_cost(0, inputs, output) }
    }

    fn batching(&self, attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        match (attrs.get_ints("axes").contains(&0), self.mean) {
            (false, _) => Batching::rows_of_all(inputs),
            (true, false) => Batching::Sum.given(inputs, &[true]),
            (true, true) => Batching::Whole,
        }
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let axes = attrs.get_ints("axes").to_vec();
        Ok(match self.mean {
            true => inputs[0].mean_keepdim(axes)?,
            false => inputs[0].sum_keepdim(axes)?,
        })
    }
}
