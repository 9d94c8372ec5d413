//! Labels `N x …` → `N x classes x …`: 1 at the label, 0 elsewhere, also where a label is none of them. Attribute `classes`.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Op, Operand};
use crate::ops::arity;
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
        let [n, rest @ ..] = labels.dims() else {
            return Err(Fault::internal("`one_hot` needs an axis of images"));
        };
        let classes = attrs.get_int("classes").max(1) as usize;
        Ok([*n, classes].into_iter().chain(rest.iter().copied()).collect())
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
        let mut places = places.unsqueeze(0)?;
        for _ in 2..output.rank() {
            places = places.unsqueeze(places.rank())?;
        }
        let hit = places.broadcast_eq(&inputs[0].unsqueeze(1)?)?;
        Ok(hit.to_dtype(DType::F32)?)
    }
}
