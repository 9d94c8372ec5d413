//! `x - log Σ e^x` over axis 1 of `N x K` or `N x K x …`, finite for any logits. The gradient is
//! `g - softmax(x) Σ g`, in terms of other ops.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::arity;
use crate::ops::binary::{MULTIPLY, SUBTRACT};
use crate::ops::reduce::REDUCE_SUM;
use crate::ops::softmax::SOFTMAX;
use crate::shape::Shape;
use crate::tensor::{Tensor, nn};

pub static LOG_SOFTMAX: LogSoftmax = LogSoftmax;

pub struct LogSoftmax;

impl Op for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity("log_softmax", inputs)?;
        match input.rank() {
            0 | 1 => Err(Fault::internal(format!("`log_softmax` needs classes on axis 1, not {input}"))),
            _ => Ok(input.clone()),
        }
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let probabilities = builder.apply(&SOFTMAX, Attrs::new(), &[node.inputs[0]])?;
        let sum = builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", [1]), &[node.grad])?;
        let share = builder.apply(&MULTIPLY, Attrs::new(), &[probabilities, sum])?;
        builder.apply(&SUBTRACT, Attrs::new(), &[node.grad, share]).map(|grad| vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(8, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, _attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        Ok(nn::log_softmax(&inputs[0], 1)?)
    }
}
