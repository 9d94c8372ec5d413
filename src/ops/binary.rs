//! Arithmetic of two values, element by element. Shapes are aligned at their last axis; an extent of 1 is
//! repeated (NumPy's broadcasting). The gradient sums over what was repeated.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Op, Operand};
use crate::ops::activation::square::SQUARE;
use crate::ops::arity;
use crate::ops::reduce::REDUCE_SUM;
use crate::ops::reshape::RESHAPE;
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static ADD: Binary = Binary { name: "add", kind: Arithmetic::Add };
pub static SUBTRACT: Binary = Binary { name: "subtract", kind: Arithmetic::Subtract };
pub static MULTIPLY: Binary = Binary { name: "multiply", kind: Arithmetic::Multiply };
pub static DIVIDE: Binary = Binary { name: "divide", kind: Arithmetic::Divide };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Arithmetic {
    #[inline]
    pub fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide => a / b,
        }
    }
}

pub struct Binary {
    name: &'static str,
    pub kind: Arithmetic,
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [a, b] = arity(self.name, inputs)?;
        broadcast(a, b).ok_or_else(|| Fault::internal(format!("`{}` cannot align {a} and {b}", self.name)))
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let (a, b, grad) = (node.inputs[0], node.inputs[1], node.grad);
        let (to_a, to_b) = match self.kind {
            Arithmetic::Add => (grad, grad),
            Arithmetic::Subtract => {
                let minus_one = builder.scalar(-1.0);
                (grad, multiply(builder, grad, minus_one)?)
            }
            Arithmetic::Multiply => (multiply(builder, grad, b)?, multiply(builder, grad, a)?),
            Arithmetic::Divide => {
                let to_a = builder.apply(&DIVIDE, Attrs::new(), &[grad, b])?;
                let product = multiply(builder, grad, a)?;
                let square = builder.apply(&SQUARE, Attrs::new(), &[b])?;
                let quotient = builder.apply(&DIVIDE, Attrs::new(), &[product, square])?;
                let minus_one = builder.scalar(-1.0);
                (to_a, multiply(builder, quotient, minus_one)?)
            }
        };
        Ok(vec![Some(reduce_to(builder, to_a, a)?), Some(reduce_to(builder, to_b, b)?)])
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], output: &Shape) -> Batching {
        Batching::rows_of_broadcast(inputs, output)
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let (a, b) = (&inputs[0], &inputs[1]);
        Ok(match self.kind {
            Arithmetic::Add => a.broadcast_add(b)?,
            Arithmetic::Subtract => a.broadcast_sub(b)?,
            Arithmetic::Multiply => a.broadcast_mul(b)?,
            Arithmetic::Divide => a.broadcast_div(b)?,
        })
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

fn multiply(builder: &mut Builder, a: Value, b: Value) -> Result<Value, Fault> {
    builder.apply(&MULTIPLY, Attrs::new(), &[a, b])
}

/// The shape that both are repeated to, if there is one.
pub fn broadcast(a: &Shape, b: &Shape) -> Option<Shape> {
    let rank = a.rank().max(b.rank());
    let extent = |shape: &Shape, axis: usize| match (axis + shape.rank()).checked_sub(rank) {
        Some(own) => shape.dims()[own],
        None => 1,
    };
    let dims = (0..rank).map(|axis| match (extent(a, axis), extent(b, axis)) {
        (x, y) if x == y => Some(x),
        (1, y) => Some(y),
        (x, 1) => Some(x),
        _ => None,
    });
    dims.collect()
}

/// Sums a gradient over the axes along which `target` was repeated.
fn reduce_to(builder: &mut Builder, grad: Value, target: Value) -> Result<Value, Fault> {
    let (from, to) = (builder.shape(grad).clone(), builder.shape(target).clone());
    if from == to {
        return Ok(grad);
    }
    let lead = from.rank() - to.rank();
    let axes: Vec<usize> = (0..from.rank())
        .filter(|&axis| axis < lead || (to.dims()[axis - lead] == 1 && from.dims()[axis] != 1))
        .collect();
    let sum = match axes.is_empty() {
        true => grad,
        false => builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", axes), &[grad])?,
    };
    builder.apply(&RESHAPE, Attrs::new().ints("shape", to.dims()), &[sum])
}
