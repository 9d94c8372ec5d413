//! A function of each number → nodes of ONNX's operators.

use crate::exchange::onnx::graph::float;
use crate::exchange::onnx::layer::Layer;
use crate::exchange::portable::Function;

/// The λ and α of `selu` (Klambauer et al., 2017).
const SELU: [f32; 2] = [1.050_701, 1.673_263_2];

/// Adds the nodes of a function of `x`.
pub fn apply(layer: &mut Layer<'_>, x: &str, function: Function) {
    match function {
        Function::Relu => drop(layer.node("Relu", &[x], Vec::new())),
        Function::Relu6 => {
            let low = layer.numbers("low", &[], vec![0.0]);
            let high = layer.numbers("high", &[], vec![6.0]);
            layer.node("Clip", &[x, &low, &high], Vec::new());
        }
        Function::LeakyRelu(alpha) => drop(layer.node("LeakyRelu", &[x], vec![float("alpha", alpha)])),
        Function::Elu(alpha) => drop(layer.node("Elu", &[x], vec![float("alpha", alpha)])),
        Function::Selu => {
            let [lambda, alpha] = SELU;
            let elu = layer.node("Elu", &[x], vec![float("alpha", alpha)]);
            let lambda = layer.numbers("lambda", &[], vec![lambda]);
            layer.node("Mul", &[&elu, &lambda], Vec::new());
        }
        Function::Gelu => {
            let root = layer.numbers("root", &[], vec![std::f32::consts::SQRT_2]);
            let one = layer.numbers("one", &[], vec![1.0]);
            let half = layer.numbers("half", &[], vec![0.5]);
            let scaled = layer.node("Div", &[x, &root], Vec::new());
            let erf = layer.node("Erf", &[&scaled], Vec::new());
            let above = layer.node("Add", &[&erf, &one], Vec::new());
            let product = layer.node("Mul", &[x, &above], Vec::new());
            layer.node("Mul", &[&product, &half], Vec::new());
        }
        Function::Silu => {
            let gate = layer.node("Sigmoid", &[x], Vec::new());
            layer.node("Mul", &[x, &gate], Vec::new());
        }
        Function::Mish => {
            let soft = layer.node("Softplus", &[x], Vec::new());
            let gate = layer.node("Tanh", &[&soft], Vec::new());
            layer.node("Mul", &[x, &gate], Vec::new());
        }
        Function::Hardswish => drop(layer.node("HardSwish", &[x], Vec::new())),
        Function::Hardsigmoid => {
            let attributes = vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)];
            layer.node("HardSigmoid", &[x], attributes);
        }
        Function::Tanh => drop(layer.node("Tanh", &[x], Vec::new())),
        Function::Sigmoid => drop(layer.node("Sigmoid", &[x], Vec::new())),
        Function::Softplus => drop(layer.node("Softplus", &[x], Vec::new())),
        Function::Exp => drop(layer.node("Exp", &[x], Vec::new())),
        Function::Sqrt => drop(layer.node("Sqrt", &[x], Vec::new())),
        Function::Power(0.5) => drop(layer.node("Sqrt", &[x], Vec::new())),
        Function::Power(-1.0) => drop(layer.node("Reciprocal", &[x], Vec::new())),
        Function::Power(exponent) => {
            let exponent = layer.numbers("exponent", &[], vec![exponent]);
            layer.node("Pow", &[x, &exponent], Vec::new());
        }
        Function::Clamp([least, most]) => {
            let least = layer.numbers("least", &[], vec![least]);
            let most = layer.numbers("most", &[], vec![most]);
            layer.node("Clip", &[x, &least, &most], Vec::new());
        }
    }
}
