//! The ops without inputs: what comes from outside (`input`), what persists (`state`) and constants. The
//! session fills them; they are never evaluated.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Cost, Op};
use crate::shape::Shape;
use crate::tensor::{self, Tensor};

/// A value that the caller writes before each step.
pub static INPUT: Leaf = Leaf { name: "input" };
/// A value that lives from step to step.
pub static STATE: Leaf = Leaf { name: "state" };
/// The same number everywhere: attribute `value`.
pub static CONSTANT: Constant = Constant;

pub struct Leaf {
    name: &'static str,
}

impl Op for Leaf {
    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, attrs: &Attrs, _inputs: &[&Shape]) -> Result<Shape, Fault> {
        Ok(Shape::new(attrs.get_ints("shape")))
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Ok(Vec::new())
    }

    fn cost(&self, _attrs: &Attrs, _inputs: &[&Shape], _output: &Shape) -> Cost {
        Cost::default()
    }

    fn eval(&self, _attrs: &Attrs, _inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        Err(Fault::internal(format!("`{}` is filled by the session, not evaluated", self.name)))
    }
}

pub struct Constant;

impl Op for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn shape(&self, attrs: &Attrs, _inputs: &[&Shape]) -> Result<Shape, Fault> {
        Ok(Shape::new(attrs.get_ints("shape")))
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Ok(Vec::new())
    }

    fn cost(&self, _attrs: &Attrs, _inputs: &[&Shape], _output: &Shape) -> Cost {
        Cost::default()
    }

    fn eval(&self, attrs: &Attrs, _inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        tensor::from_slice(&vec![attrs.get_float("value"); output.elements()], output, &tensor::Device::Cpu)
    }
}
