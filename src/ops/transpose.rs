//! The axes of a value in another order. Attribute `axes`: for each axis of the result, which axis of the input
//! it is.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::arity;
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static TRANSPOSE: Transpose = Transpose;

pub struct Transpose;

impl Op for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity("transpose", inputs)?;
        let axes = attrs.get_ints("axes");
        let each_once = axes.len() == input.rank() && (0..input.rank()).all(|axis| axes.contains(&axis));
        match each_once {
            true => Ok(Shape(axes.iter().map(|&axis| input.dims()[axis]).collect())),
            false => Err(Fault::internal(format!("`transpose` of {input} by {axes:?}"))),
        }
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let axes = node.attrs.get_ints("axes");
        let mut back = vec![0; axes.len()];
        axes.iter().enumerate().for_each(|(to, &from)| back[from] = to);
        builder.apply(&TRANSPOSE, Attrs::new().ints("axes", back), &[node.grad]).map(|grad| vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(0, inputs, output)
    }

    fn batching(&self, attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        match attrs.get_ints("axes").first() {
            Some(0) => Batching::rows_of_all(inputs),
            _ => Batching::Whole,
        }
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        Ok(inputs[0].permute(attrs.get_ints("axes"))?.contiguous()?)
    }
}
