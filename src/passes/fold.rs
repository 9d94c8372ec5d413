//! Computes at once what depends on constants alone. A `constant` is one number everywhere, so a node of
//! constants is folded where its result is one number everywhere, too.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::Op;
use crate::graph::{Graph, Node, Value, leaf};
use crate::passes::{Pass, rebuild};
use crate::shape::Shape;
use crate::tensor::{self, Device, Tensor};

pub struct Fold;

impl Pass for Fold {
    fn name(&self) -> &'static str {
        "fold"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        rebuild(graph, |builder, value, node, inputs| {
            if let (None, Some(number)) = (&node.name, result(builder, node, inputs)?) {
                return Ok(Some(builder.constant(number, &node.shape)));
            }
            Ok(Some(builder.copy(graph, value, inputs)))
        })
    }
}

/// The number that a value is everywhere, if it is a constant.
pub fn number(builder: &Builder, value: Value) -> Option<f32> {
    let node = builder.graph().node(value);
    (node.op.name() == leaf::CONSTANT.name()).then(|| node.attrs.get_float("value"))
}

/// The number that a node is everywhere, if it reads constants and nothing else.
fn result(builder: &Builder, node: &Node, inputs: &[Value]) -> Result<Option<f32>, Fault> {
    let numbers = inputs.iter().map(|&input| number(builder, input)).collect::<Option<Vec<f32>>>();
    let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) else { return Ok(None) };
    let summands = |input: Value| builder.shape(input).elements() / node.shape.elements().max(1);
    Ok(match node.op.name() {
        "reshape" | "expand" | "transpose" | "slice" | "reduce_mean" => Some(numbers[0]),
        "concat" => numbers.iter().all(|n| n.to_bits() == numbers[0].to_bits()).then_some(numbers[0]),
        // Rounded once, where the sum itself would be after each summand.
        "reduce_sum" => Some((f64::from(numbers[0]) * summands(inputs[0]) as f64) as f32),
        _ if node.op.is_elementwise() => Some(evaluate(node.op, &node.attrs, &numbers)?),
        _ => None,
    })
}

/// One element of an element-wise op.
pub fn evaluate(op: &dyn Op, attrs: &Attrs, operands: &[f32]) -> Result<f32, Fault> {
    let one = Shape::from([1]);
    let tensors = operands.iter().map(|&number| tensor::from_slice(&[number], &one, &Device::Cpu));
    let tensors: Vec<Tensor> = tensors.collect::<Result<_, _>>()?;
    let result = tensor::to_vec(&op.eval(attrs, &tensors, &one)?)?;
    result.first().copied().ok_or_else(|| Fault::internal(format!("`{}` of a number is nothing", op.name())))
}
