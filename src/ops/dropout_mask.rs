//! The mask of inverted dropout: 0 with probability `p`, else `1 / (1 - p)`. The input is the number of the
//! step; an element's fate depends on `seed`, `stream`, the step and its index in the whole mask alone.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::{arity, same};
use crate::shape::Shape;
use crate::tensor::random::{philox, unit};
use crate::tensor::{self, Tensor};

pub static DROPOUT_MASK: DropoutMask = DropoutMask;

/// The attribute that tells of which element of the whole mask the first one here is; 0 where it is not given.
pub const FIRST: &str = "first";

pub struct DropoutMask;

/// Writes the elements from number `first` on of the mask of one step; `attrs` are the node's.
pub fn fill(attrs: &Attrs, step: u32, first: usize, out: &mut [f32]) {
    let p = attrs.get_float("p");
    let (seed, stream) = (attrs.get_int("seed") as u64, attrs.get_int("stream") as u32);
    let kept = 1.0 / (1.0 - p);
    let words = |block: usize| philox(seed, [block as u32, (block as u64 >> 32) as u32, stream, step]);
    let mut at = attrs.get_int(FIRST) as usize + first;
    let mut rest = out;
    while !rest.is_empty() {
        let n = (4 - at % 4).min(rest.len());
        let (mask, behind) = rest.split_at_mut(n);
        for (element, word) in mask.iter_mut().zip(&words(at / 4)[at % 4..]) {
            *element = if unit(*word) < p { 0.0 } else { kept };
        }
        at += n;
        rest = behind;
    }
}

impl Op for DropoutMask {
    fn name(&self) -> &'static str {
        "dropout_mask"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [step] = arity("dropout_mask", inputs)?;
        same("dropout_mask", step, &Shape::default())?;
        Ok(Shape::new(attrs.get_ints("shape")))
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Ok(vec![None])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(30, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::Rows.given(inputs, &[false])
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let step = inputs[0].to_scalar::<f32>()? as u32;
        let mut mask = vec![0.0; output.elements()];
        fill(attrs, step, 0, &mut mask);
        tensor::from_slice(&mask, output, inputs[0].device())
    }
}
