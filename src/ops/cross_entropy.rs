//! Cross-entropy of logits `N x K` and labels `N` (class numbers), one loss an image: the log-sum-exp of the
//! logits minus the label's logit, stable for any logits. Attribute `smoothing` spreads that share of the
//! target evenly over all classes (Szegedy et al., 2016). Also the count of right answers.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::{arity, extents, same};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, nn};

pub static CROSS_ENTROPY: CrossEntropy = CrossEntropy;
/// Logits, labels and the gradient of each image's loss → gradient of the logits: `(softmax - target) g`.
pub static CROSS_ENTROPY_GRAD: CrossEntropyGrad = CrossEntropyGrad;
/// Logits and labels → 1 for each image whose first largest logit is the label's, else 0.
pub static TOP1_CORRECT: Top1Correct = Top1Correct;

pub struct CrossEntropy;
pub struct CrossEntropyGrad;
pub struct Top1Correct;

fn labelled(op: &str, logits: &Shape, labels: &Shape) -> Result<[usize; 2], Fault> {
    let [n, classes] = extents(op, logits)?;
    same(op, labels, &Shape::from([n]))?;
    Ok([n, classes])
}

/// `N x K`: `smoothing / K`, and `1 - smoothing` more at the label.
fn target(labels: &Tensor, classes: usize, smoothing: f64) -> Result<Tensor, Fault> {
    let places = Tensor::arange(0u32, classes as u32, labels.device())?.to_dtype(DType::F32)?;
    let hit = places.unsqueeze(0)?.broadcast_eq(&labels.unsqueeze(1)?)?.to_dtype(DType::F32)?;
    Ok(hit.affine(1.0 - smoothing, smoothing / classes as f64)?)
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [logits, labels] = arity(self.name(), inputs)?;
        labelled(self.name(), logits, labels).map(|[n, _]| Shape::from([n]))
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let inputs = [node.inputs[0], node.inputs[1], node.grad];
        let grad = builder.apply(&CROSS_ENTROPY_GRAD, node.attrs.clone(), &inputs)?;
        Ok(vec![Some(grad), None])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Cost {
        elementwise_cost(8, inputs, inputs[0])
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let (logits, labels) = (&inputs[0], &inputs[1]);
        let target = target(labels, logits.dim(1)?, f64::from(attrs.get_float("smoothing")))?;
        Ok((nn::log_softmax(logits, 1)? * target)?.sum(1)?.neg()?)
    }
}

impl Op for CrossEntropyGrad {
    fn name(&self) -> &'static str {
        "cross_entropy_grad"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [logits, labels, grad] = arity(self.name(), inputs)?;
        labelled(self.name(), logits, labels)?;
        same(self.name(), labels, grad)?;
        Ok(logits.clone())
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`cross_entropy_grad` is not differentiated again"))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(8, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let (logits, labels, grad) = (&inputs[0], &inputs[1], &inputs[2]);
        let target = target(labels, logits.dim(1)?, f64::from(attrs.get_float("smoothing")))?;
        Ok((nn::softmax(logits, 1)? - target)?.broadcast_mul(&grad.unsqueeze(1)?)?)
    }
}

impl Op for Top1Correct {
    fn name(&self) -> &'static str {
        "top1_correct"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [logits, labels] = arity(self.name(), inputs)?;
        labelled(self.name(), logits, labels).map(|[n, _]| Shape::from([n]))
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Ok(vec![None, None])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Cost {
        elementwise_cost(1, inputs, inputs[0])
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let first = inputs[0].argmax(1)?.to_dtype(DType::F32)?;
        Ok(first.eq(&inputs[1])?.to_dtype(DType::F32)?)
    }
}
