//! The end of a convolution or a matrix product: what happens to each number of the product before it is stored. A bias
//! is the op's third input (one number for each place on axis 1), an activation its attribute `activation` (`relu`).
//! Passes put both there after differentiation, so that the product is written once; they have no gradient.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Whether a product ends in a relu.
pub fn has_relu(attrs: &Attrs) -> bool {
    attrs.get_text("activation") == "relu"
}

/// The shape rule of a product with two factors and, maybe, a bias; `product` is the rule for the factors alone.
pub fn shape(
    op: &str,
    attrs: &Attrs,
    inputs: &[&Shape],
    product: impl FnOnce(&Shape, &Shape) -> Result<Shape, Fault>,
) -> Result<Shape, Fault> {
    let (output, bias) = match inputs {
        [a, b] => (product(a, b)?, None),
        [a, b, bias] => (product(a, b)?, Some(bias)),
        _ => return Err(Fault::internal(format!("`{op}` takes 2 or 3 inputs, not {}", inputs.len()))),
    };
    if let Some(bias) = bias.filter(|bias| bias.dims() != &output.dims()[1..2]) {
        return Err(Fault::internal(format!("`{op}` cannot add a bias of {bias} to {output}")));
    }
    match attrs.get_text("activation") {
        "" | "relu" => Ok(output),
        other => Err(Fault::internal(format!("`{op}` cannot apply `{other}`"))),
    }
}

/// Operations that the end of a product adds.
pub fn flops(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> u64 {
    let steps = u64::from(inputs.len() > 2) + u64::from(has_relu(attrs));
    steps.saturating_mul(output.elements() as u64)
}

/// Refuses to differentiate a product that has such an end.
pub fn refuse_gradient(op: &str, attrs: &Attrs, inputs: &[Value]) -> Result<(), Fault> {
    match inputs.len() > 2 || has_relu(attrs) {
        true => Err(Fault::internal(format!("`{op}` with a bias or an activation is not differentiated"))),
        false => Ok(()),
    }
}

/// The reference for what follows the product.
pub fn eval(attrs: &Attrs, product: Tensor, bias: Option<&Tensor>) -> Result<Tensor, Fault> {
    let sum = match bias {
        Some(bias) => {
            let dims: Vec<usize> =
                (0..product.rank()).map(|axis| if axis == 1 { bias.elem_count() } else { 1 }).collect();
            product.broadcast_add(&bias.reshape(dims)?)?
        }
        None => product,
    };
    Ok(if has_relu(attrs) { sum.relu()? } else { sum })
}
