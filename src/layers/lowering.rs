//! What a layer sees while it is lowered: the graph under construction, its own parameters, and whether the
//! graph is for training or for inference.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::Op;
use crate::ops::binary::ADD;
use crate::ops::reshape::RESHAPE;
use crate::shape::Shape;
use crate::tensor::random;

/// What the graph is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Dropout drops, batch norm takes the batch's statistics. `seed` is the run's.
    Train {
        seed: u64,
    },
    Infer,
}

pub struct Lowering<'a> {
    pub builder: &'a mut Builder,
    pub mode: Mode,
    /// What the layer's random numbers are drawn by, for example `dropout_1`.
    pub stream: &'a str,
    /// The layer's parameters, in the order of `Inferred::parameters`.
    pub parameters: Vec<(&'static str, Value)>,
    /// The scalar input that holds the number of the step; made on first use.
    pub step: &'a mut Option<Value>,
}

/// The name of the input that holds the number of the step.
pub const STEP: &str = "step";

impl Lowering<'_> {
    pub fn apply(&mut self, op: &'static dyn Op, attrs: Attrs, inputs: &[Value]) -> Result<Value, Fault> {
        self.builder.apply(op, attrs, inputs)
    }

    pub fn shape(&self, value: Value) -> Shape {
        self.builder.shape(value).clone()
    }

    pub fn find_parameter(&self, name: &str) -> Option<Value> {
        self.parameters.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    /// The layer's parameter `name`, which it must have declared.
    pub fn parameter(&self, name: &str) -> Result<Value, Fault> {
        self.find_parameter(name).ok_or_else(|| Fault::internal(format!("`{}` has no `{name}`", self.stream)))
    }

    pub fn step(&mut self) -> Value {
        *self.step.get_or_insert_with(|| self.builder.input(STEP, &Shape::default()))
    }

    /// The number that names this layer's stream of random numbers.
    pub fn stream(&self) -> i64 {
        i64::from(random::stream(self.stream))
    }

    pub fn reshape(&mut self, value: Value, shape: &Shape) -> Result<Value, Fault> {
        self.apply(&RESHAPE, Attrs::new().ints("shape", shape.dims()), &[value])
    }

    /// Sequences, `N x C x L`, as images of one row, `N x C x 1 x L`, and likewise weights; volumes, `N x C x D x H x W`, as
    /// images with the rows of all planes; images as they are. The ops know images alone.
    pub fn as_image(&mut self, value: Value) -> Result<Value, Fault> {
        match *self.shape(value).dims() {
            [outer, channels, length] => self.reshape(value, &Shape::from([outer, channels, 1, length])),
            [outer, channels, depth, height, width] => {
                self.reshape(value, &Shape::from([outer, channels, depth * height, width]))
            }
            _ => Ok(value),
        }
    }

    /// Images of one row as sequences, where a layer is of `N` = 1 extents; otherwise the value as it is.
    pub fn from_image<const N: usize>(&mut self, value: Value) -> Result<Value, Fault> {
        match *self.shape(value).dims() {
            [batch, channels, 1, length] if N == 1 => {
                self.reshape(value, &Shape::from([batch, channels, length]))
            }
            _ => Ok(value),
        }
    }

    /// Images of one row as sequences where `like` is of sequences; otherwise the value as it is.
    pub fn as_arriving(&mut self, value: Value, like: &Shape) -> Result<Value, Fault> {
        match like.rank() {
            3 => self.from_image::<1>(value),
            _ => Ok(value),
        }
    }

    /// A value of one number a channel, shaped to align with axis 1 of `beside`.
    pub fn per_channel(&mut self, value: Value, beside: Value) -> Result<Value, Fault> {
        let (channels, rank) = (self.shape(value).elements(), self.shape(beside).rank());
        let dims = (0..rank).map(|axis| if axis == 1 { channels } else { 1 }).collect();
        self.reshape(value, &Shape(dims))
    }

    /// Adds the parameter `bias` along axis 1, where the layer has one.
    pub fn add_bias(&mut self, value: Value) -> Result<Value, Fault> {
        self.add_per_channel("bias", value)
    }

    /// Adds the parameter `name`, one number a channel, where the layer has it.
    pub fn add_per_channel(&mut self, name: &str, value: Value) -> Result<Value, Fault> {
        match self.find_parameter(name) {
            Some(bias) => {
                let bias = self.per_channel(bias, value)?;
                self.apply(&ADD, Attrs::new(), &[value, bias])
            }
            None => Ok(value),
        }
    }
}
