//! Matrix product `a · b` of `M x K` and `K x N`; attributes `transpose_a`, `transpose_b` say that an operand
//! is stored the other way round. [`epilogue`] says what a bias and an `activation` add; they need a plain `a`.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::{epilogue, extents};
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static MATMUL: Matmul = Matmul;

pub struct Matmul;

/// Attributes of a product; which operands are transposed.
pub fn attrs(transpose_a: i64, transpose_b: i64) -> Attrs {
    Attrs::new().int("transpose_a", transpose_a).int("transpose_b", transpose_b)
}

/// Rows, inner extent and columns of a product.
pub fn sizes(attrs: &Attrs, a: &Shape, b: &Shape) -> Result<[usize; 3], Fault> {
    let [mut m, mut k] = extents("matmul", a)?;
    let [mut k_b, mut n] = extents("matmul", b)?;
    if attrs.get_int("transpose_a") == 1 {
        (m, k) = (k, m);
    }
    if attrs.get_int("transpose_b") == 1 {
        (k_b, n) = (n, k_b);
    }
    match k == k_b {
        true => Ok([m, k, n]),
        false => Err(Fault::internal(format!("`matmul` cannot multiply {a} and {b}"))),
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        if attrs.get_int("transpose_a") == 1 && (inputs.len() > 2 || epilogue::has_relu(attrs)) {
            return Err(Fault::internal("`matmul` takes no bias or activation with a transposed `a`"));
        }
        epilogue::shape("matmul", attrs, inputs, |a, b| {
            sizes(attrs, a, b).map(|[m, _, n]| Shape::from([m, n]))
        })
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        epilogue::refuse_gradient("matmul", node.attrs, node.inputs)?;
        let (a, b, grad) = (node.inputs[0], node.inputs[1], node.grad);
        let (ta, tb) = (node.attrs.get_int("transpose_a"), node.attrs.get_int("transpose_b"));
        let to_a = match ta {
            0 => builder.apply(&MATMUL, attrs(0, 1 - tb), &[grad, b])?,
            _ => builder.apply(&MATMUL, attrs(tb, 1), &[b, grad])?,
        };
        let to_b = match tb {
            0 => builder.apply(&MATMUL, attrs(1 - ta, 0), &[a, grad])?,
            _ => builder.apply(&MATMUL, attrs(1, ta), &[grad, a])?,
        };
        Ok(vec![Some(to_a), Some(to_b)])
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        let inner = sizes(attrs, inputs[0], inputs[1]).map_or(0, |[_, k, _]| k as u64);
        let cost = elementwise_cost(2 * inner, inputs, output);
        Cost { flops: cost.flops.saturating_add(epilogue::flops(attrs, inputs, output)), ..cost }
    }

    fn batching(&self, attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        match (attrs.get_int("transpose_a"), attrs.get_int("transpose_b")) {
            (0, _) => Batching::Rows.given(inputs, &[true, false]),
            (_, 0) => Batching::Sum.given(inputs, &[true, true]),
            _ => Batching::Whole,
        }
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let turned = |tensor: &Tensor, transpose: i64| match transpose {
            0 => Ok(tensor.clone()),
            _ => tensor.t()?.contiguous(),
        };
        let a = turned(&inputs[0], attrs.get_int("transpose_a"))?;
        let b = turned(&inputs[1], attrs.get_int("transpose_b"))?;
        epilogue::eval(attrs, a.matmul(&b)?, inputs.get(2))
    }
}
