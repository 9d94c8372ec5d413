//! The class that each row of scores `N x K` is for: the position of its first largest number, `N`.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::{arity, extents};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor};

pub static ARGMAX: Argmax = Argmax;

pub struct Argmax;

impl Op for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [scores] = arity(self.name(), inputs)?;
        extents(self.name(), scores).map(|[n, _]| Shape::from([n]))
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Ok(vec![None])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Cost {
        elementwise_cost(1, inputs, inputs[0])
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        Ok(inputs[0].argmax(1)?.to_dtype(DType::F32)?)
    }
}
