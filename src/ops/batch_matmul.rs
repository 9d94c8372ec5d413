//! Matrix products `a · b` of `… x M x K` and `… x K x N`, one for each place of the leading axes, which must be equal.
//! Attributes `transpose_a`, `transpose_b` as of [`matmul`].

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::{arity, matmul};
use crate::shape::Shape;
use crate::tensor::Tensor;

pub static BATCH_MATMUL: BatchMatmul = BatchMatmul;

pub struct BatchMatmul;

/// Rows, inner extent and columns of each product.
pub fn sizes(attrs: &Attrs, a: &Shape, b: &Shape) -> Result<[usize; 3], Fault> {
    let apart = |shape: &Shape| {
        let (lead, matrix) = shape.dims().split_at(shape.rank().saturating_sub(2));
        (lead.to_vec(), Shape::new(matrix))
    };
    let ((lead_a, a_matrix), (lead_b, b_matrix)) = (apart(a), apart(b));
    match lead_a == lead_b && !lead_a.is_empty() {
        true => matmul::sizes(attrs, &a_matrix, &b_matrix),
        false => Err(Fault::internal(format!("`batch_matmul` cannot multiply {a} and {b}"))),
    }
}

impl Op for BatchMatmul {
    fn name(&self) -> &'static str {
        "batch_matmul"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [a, b] = arity(self.name(), inputs)?;
        let [m, _, n] = sizes(attrs, a, b)?;
        Ok(a.dims()[..a.rank() - 2].iter().copied().chain([m, n]).collect())
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let (a, b, grad) = (node.inputs[0], node.inputs[1], node.grad);
        let (ta, tb) = (node.attrs.get_int("transpose_a"), node.attrs.get_int("transpose_b"));
        let to_a = match ta {
            0 => builder.apply(&BATCH_MATMUL, matmul::attrs(0, 1 - tb), &[grad, b])?,
            _ => builder.apply(&BATCH_MATMUL, matmul::attrs(tb, 1), &[b, grad])?,
        };
        let to_b = match tb {
            0 => builder.apply(&BATCH_MATMUL, matmul::attrs(1 - ta, 0), &[a, grad])?,
            _ => builder.apply(&BATCH_MATMUL, matmul::attrs(1, ta), &[grad, a])?,
        };
        Ok(vec![Some(to_a), Some(to_b)])
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        let inner = sizes(attrs, inputs[0], inputs[1]).map_or(0, |[_, k, _]| k as u64);
        elementwise_cost(2 * inner, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let turned = |tensor: &Tensor, name: &str| -> Result<Tensor, Fault> {
            let dims = tensor.dims();
            let [rows, columns] = [dims[dims.len() - 2], dims[dims.len() - 1]];
            let matrices = tensor.reshape((tensor.elem_count() / (rows * columns), rows, columns))?;
            Ok(match attrs.get_int(name) {
                0 => matrices,
                _ => matrices.transpose(1, 2)?.contiguous()?,
            })
        };
        let (a, b) = (turned(&inputs[0], "transpose_a")?, turned(&inputs[1], "transpose_b")?);
        Ok(a.matmul(&b)?.reshape(output.dims())?)
    }
}
