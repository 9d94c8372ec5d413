//! Element by element: functions of one number, their gradients, and arithmetic of two values.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::Prepared;
use crate::kernels::cpu::strides::Strides;
use crate::kernels::cpu::sweep::{Activation, Code, sweep};
use crate::ops::binary::Arithmetic;
use crate::shape::Shape;

fn arithmetic(kind: Arithmetic, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    let strides = Strides::new(output, [inputs[0], inputs[1]]);
    let row = strides.row();
    let wide = [0, 1].map(|k| if strides.row_step(k) == 0 { 1 } else { row });
    Prepared::new(move |inputs, output| {
        let (a, b) = (inputs[0], inputs[1]);
        strides.each_row(|i, [at_a, at_b]| {
            let out = &mut output[i * row..][..row];
            sweep(Code::Arithmetic(kind), 0.0, &a[at_a..][..wide[0]], &b[at_b..][..wide[1]], out);
        });
    })
}

fn value(function: Activation, attrs: &Attrs) -> Result<Prepared, Fault> {
    let alpha = attrs.get_float("alpha");
    Prepared::new(move |inputs, output| sweep(Code::Value(function), alpha, inputs[0], inputs[0], output))
}

fn pull_back(function: Activation, attrs: &Attrs) -> Result<Prepared, Fault> {
    let alpha = attrs.get_float("alpha");
    Prepared::new(move |inputs, output| sweep(Code::PullBack(function), alpha, inputs[0], inputs[1], output))
}

macro_rules! arithmetic {
    ($($name:ident => $kind:ident),*) => {
        $(pub fn $name(_attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
            arithmetic(Arithmetic::$kind, inputs, output)
        })*
    };
}

arithmetic!(add => Add, subtract => Subtract, multiply => Multiply, divide => Divide);

macro_rules! functions {
    ($($name:ident $grad:ident => $function:ident),*) => {
        $(pub fn $name(attrs: &Attrs, _inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
            value(Activation::$function, attrs)
        }

        pub fn $grad(attrs: &Attrs, _inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
            pull_back(Activation::$function, attrs)
        })*
    };
}

functions!(
    relu relu_grad => Relu,
    leaky_relu leaky_relu_grad => LeakyRelu,
    tanh tanh_grad => Tanh,
    sigmoid sigmoid_grad => Sigmoid,
    gelu gelu_grad => Gelu,
    relu6 relu6_grad => Relu6,
    silu silu_grad => Silu,
    hardswish hardswish_grad => Hardswish,
    hardsigmoid hardsigmoid_grad => Hardsigmoid,
    elu elu_grad => Elu,
    selu selu_grad => Selu,
    softplus softplus_grad => Softplus,
    mish mish_grad => Mish,
    power power_grad => Power,
    log log_grad => Log,
    sqrt sqrt_grad => Sqrt,
    square square_grad => Square
);
