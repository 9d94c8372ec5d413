//! Element by element: functions of one number, their gradients, and arithmetic of two values.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::Prepared;
use crate::kernels::cpu::strides::Strides;
use crate::ops::activation::{self, Function};
use crate::ops::binary;
use crate::shape::Shape;

fn binary(
    inputs: &[&Shape],
    output: &Shape,
    f: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
) -> Result<Prepared, Fault> {
    let strides = Strides::new(output, [inputs[0], inputs[1]]).ok_or_else(|| {
        Fault::internal(format!("too many axes to broadcast {} and {}", inputs[0], inputs[1]))
    })?;
    let row = strides.row();
    let steps = [strides.row_step(0), strides.row_step(1)];
    Prepared::new(move |inputs, output| {
        let (a, b) = (inputs[0], inputs[1]);
        strides.each_row(|i, [at_a, at_b]| {
            let out = &mut output[i * row..][..row];
            match steps {
                [0, 0] => out.fill(f(a[at_a], b[at_b])),
                [0, _] => {
                    let x = a[at_a];
                    out.iter_mut().zip(&b[at_b..][..row]).for_each(|(out, &y)| *out = f(x, y));
                }
                [_, 0] => {
                    let y = b[at_b];
                    out.iter_mut().zip(&a[at_a..][..row]).for_each(|(out, &x)| *out = f(x, y));
                }
                [_, _] => {
                    let pairs = a[at_a..][..row].iter().zip(&b[at_b..][..row]);
                    out.iter_mut().zip(pairs).for_each(|(out, (&x, &y))| *out = f(x, y));
                }
            }
        });
    })
}

fn unary<F: Function>(function: &'static F, attrs: &Attrs) -> Result<Prepared, Fault> {
    let alpha = attrs.get_float("alpha");
    Prepared::new(move |inputs, output| {
        output.iter_mut().zip(inputs[0]).for_each(|(out, &x)| *out = function.value(x, alpha));
    })
}

fn unary_grad<F: Function>(function: &'static F, attrs: &Attrs) -> Result<Prepared, Fault> {
    let alpha = attrs.get_float("alpha");
    Prepared::new(move |inputs, output| {
        let pairs = inputs[0].iter().zip(inputs[1]);
        output
            .iter_mut()
            .zip(pairs)
            .for_each(|(out, (&at, &grad))| *out = grad * function.derivative(at, alpha));
    })
}

macro_rules! arithmetic {
    ($($name:ident => $kind:ident),*) => {
        $(pub fn $name(_attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
            binary(inputs, output, |a, b| binary::Arithmetic::$kind.apply(a, b))
        })*
    };
}

arithmetic!(add => Add, subtract => Subtract, multiply => Multiply, divide => Divide);

macro_rules! functions {
    ($($name:ident $grad:ident => $function:expr),*) => {
        $(pub fn $name(attrs: &Attrs, _inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
            unary(&$function, attrs)
        }

        pub fn $grad(attrs: &Attrs, _inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
            unary_grad(&$function, attrs)
        })*
    };
}

functions!(
    relu relu_grad => activation::relu::Relu,
    leaky_relu leaky_relu_grad => activation::leaky_relu::LeakyRelu,
    tanh tanh_grad => activation::tanh::Tanh,
    sigmoid sigmoid_grad => activation::sigmoid::Sigmoid,
    gelu gelu_grad => activation::gelu::Gelu,
    relu6 relu6_grad => activation::relu6::Relu6,
    silu silu_grad => activation::silu::Silu,
    hardswish hardswish_grad => activation::hardswish::Hardswish,
    hardsigmoid hardsigmoid_grad => activation::hardsigmoid::Hardsigmoid,
    elu elu_grad => activation::elu::Elu,
    selu selu_grad => activation::selu::Selu,
    softplus softplus_grad => activation::softplus::Softplus,
    mish mish_grad => activation::mish::Mish,
    power power_grad => activation::power::Power,
    log log_grad => activation::log::Log,
    sqrt sqrt_grad => activation::sqrt::Sqrt,
    square square_grad => activation::square::Square
);
