//! Functions of one number, applied to every element. A function states itself and its derivative; the op, its
//! gradient op and both reference evaluations follow from that.

pub mod at_least;
pub mod at_most;
pub mod elu;
pub mod exp;
pub mod gelu;
pub mod hardsigmoid;
pub mod hardswish;
pub mod leaky_relu;
pub mod log;
pub mod mish;
pub mod power;
pub mod relu;
pub mod relu6;
pub mod selu;
pub mod sigmoid;
pub mod silu;
pub mod softplus;
pub mod sqrt;
pub mod square;
pub mod tanh;

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::{arity, same};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Hands every function to a macro: its module, which is also the op's name, its type, its op and its gradient op.
/// What lists the functions is made from this.
macro_rules! every_function {
    ($make:ident) => {
        $make! {
            relu Relu RELU RELU_GRAD,
            leaky_relu LeakyRelu LEAKY_RELU LEAKY_RELU_GRAD,
            tanh Tanh TANH TANH_GRAD,
            sigmoid Sigmoid SIGMOID SIGMOID_GRAD,
            gelu Gelu GELU GELU_GRAD,
            relu6 Relu6 RELU6 RELU6_GRAD,
            silu Silu SILU SILU_GRAD,
            hardswish Hardswish HARDSWISH HARDSWISH_GRAD,
            hardsigmoid Hardsigmoid HARDSIGMOID HARDSIGMOID_GRAD,
            elu Elu ELU ELU_GRAD,
            selu Selu SELU SELU_GRAD,
            softplus Softplus SOFTPLUS SOFTPLUS_GRAD,
            mish Mish MISH MISH_GRAD,
            power Power POWER POWER_GRAD,
            log Log LOG LOG_GRAD,
            sqrt Sqrt SQRT SQRT_GRAD,
            square Square SQUARE SQUARE_GRAD,
            exp Exp EXP EXP_GRAD,
            at_least AtLeast AT_LEAST AT_LEAST_GRAD,
            at_most AtMost AT_MOST AT_MOST_GRAD,
        }
    };
}
pub(crate) use every_function;

/// A differentiable function of one number with one parameter, `alpha` (an attribute; 0 where it has none).
pub trait Function: Sync {
    fn name(&self) -> &'static str;

    fn grad_name(&self) -> &'static str;

    /// The gradient op of this function.
    fn grad_op(&self) -> &'static dyn Op;

    /// Whether the derivative is stated in terms of the result rather than of the argument.
    fn of_result(&self) -> bool;

    fn value(&self, x: f32, alpha: f32) -> f32;

    /// The derivative at an argument, or at a result, as [`Function::of_result`] says.
    fn derivative(&self, at: f32, alpha: f32) -> f32;

    fn eval(&self, x: &Tensor, alpha: f64) -> Result<Tensor, Fault>;

    fn eval_derivative(&self, at: &Tensor, alpha: f64) -> Result<Tensor, Fault>;

    /// Operations an element.
    fn flops(&self) -> u64;
}

macro_rules! functions {
    ($($module:ident $Function:ident $OP:ident $GRAD:ident,)*) => {
        /// Every function.
        pub static FUNCTIONS: &[&dyn Function] = &[$(&$module::$Function),*];
    };
}

every_function!(functions);

/// The op that applies a function.
pub struct Unary(pub &'static dyn Function);

impl Op for Unary {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        arity::<1>(self.name(), inputs).map(|[x]| x.clone())
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let at = if self.0.of_result() { node.output } else { node.inputs[0] };
        let grad = builder.apply(self.0.grad_op(), node.attrs.clone(), &[at, node.grad])?;
        Ok(vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(self.0.flops(), inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        self.0.eval(&inputs[0], f64::from(attrs.get_float("alpha")))
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

/// The op that multiplies a gradient by a function's derivative: inputs are the argument (or the result) and
/// the gradient.
pub struct UnaryGrad(pub &'static dyn Function);

impl Op for UnaryGrad {
    fn name(&self) -> &'static str {
        self.0.grad_name()
    }

    fn shape(&self, _attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [at, grad] = arity(self.name(), inputs)?;
        same(self.name(), at, grad)?;
        Ok(at.clone())
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal(format!("`{}` is not differentiated again", self.name())))
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(self.0.flops() + 1, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let derivative = self.0.eval_derivative(&inputs[0], f64::from(attrs.get_float("alpha")))?;
        Ok((derivative * &inputs[1])?)
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}
