//! Labels `N` → `N x classes`: 1 at the label, 0 elsewhere. Attribute `classes`.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Op, Operand};
use crate::ops::{arity, extents};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor};

pub static ONE_HOT: OneHot = OneHot;

pub struct OneHot;

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [labels] = arity("one_hot", inputs)?;
        let [n] = extents("one_hot", labels)?;
        Ok(Shape::from([n, attrs.get_int("classes").max(1) as usize]))
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Ok(vec![None])
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let classes = output.dims()[1] as u32;
        let places = Tensor::arange(0u32, classes, inputs[0].device())?.to_dtype(DType::F32)?;
        let hit = places.unsqueeze(0)?.broadcast_eq(&inputs[0].unsqueeze(1)?)?;
        Ok(hit.to_dtype(DType::F32)?)
    }
}
