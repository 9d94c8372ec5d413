//! Layers that make one number of several along some axes → nodes of ONNX's operators.

use crate::exchange::onnx::graph::int;
use crate::exchange::onnx::layer::Layer;
use crate::exchange::portable::Statistic;

/// Adds the nodes that make one number of several along these axes, the batch not counted, which stay with extent 1.
pub fn reduce(layer: &mut Layer<'_>, x: &str, of: Statistic, axes: &[usize]) {
    match of {
        Statistic::Mean => drop(along(layer, "ReduceMean", x, "axes", axes)),
        Statistic::Max => drop(along(layer, "ReduceMax", x, "axes", axes)),
        Statistic::Sum => drop(along(layer, "ReduceSum", x, "axes", axes)),
        Statistic::Deviation { correction, epsilon } => {
            let n = layer.shapes[0].elements() / layer.output.elements().max(1);
            let mean = along(layer, "ReduceMean", x, "axes", axes);
            let centred = layer.node("Sub", &[x, &mean], Vec::new());
            let square = layer.node("Mul", &[&centred, &centred], Vec::new());
            let mut variance = along(layer, "ReduceMean", &square, "axes_of_squares", axes);
            if correction > 0 {
                let more = layer.numbers("correction", &[], vec![n as f32 / (n - correction) as f32]);
                variance = layer.node("Mul", &[&variance, &more], Vec::new());
            }
            if epsilon > 0.0 {
                let epsilon = layer.numbers("epsilon", &[], vec![epsilon]);
                variance = layer.node("Add", &[&variance, &epsilon], Vec::new());
            }
            layer.node("Sqrt", &[&variance], Vec::new());
        }
    }
}

/// Adds the nodes that divide the channels of each place by their length, or by `epsilon` where that is more.
pub fn unit_length(layer: &mut Layer<'_>, x: &str, epsilon: f32) {
    let length = along(layer, "ReduceL2", x, "axes", &[0]);
    let least = layer.numbers("least", &[], vec![epsilon]);
    let length = layer.node("Clip", &[&length, &least], Vec::new());
    layer.node("Div", &[x, &length], Vec::new());
}

fn along(layer: &mut Layer<'_>, op: &'static str, x: &str, what: &str, axes: &[usize]) -> String {
    let axes = layer.whole(what, axes.iter().map(|&axis| axis as i64 + 1).collect());
    layer.node(op, &[x, &axes], vec![int("keepdims", 1), int("noop_with_empty_axes", 0)])
}
