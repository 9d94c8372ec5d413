//! Element by element: functions of one number, their gradients, and arithmetic of two values.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::strides::Strides;
use crate::kernels::cpu::sweep::{Activation, Code, sweep};
use crate::kernels::cpu::{Prepare, Prepared};
use crate::ops::activation;
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
    ($($name:ident $Function:ident $OP:ident $GRAD:ident,)*) => {
        /// The kernels of functions and of their gradients, by the name of their op.
        pub static FUNCTIONS: &[(&str, Prepare)] = &[$(
            (stringify!($name), |attrs, _, _| value(Activation::$Function, attrs)),
            (concat!(stringify!($name), "_grad"), |attrs, _, _| pull_back(Activation::$Function, attrs)),
        )*];
    };
}

activation::every_function!(functions);
