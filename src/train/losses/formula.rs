//! What losses are written with: short names for the nodes of a graph, and sums that leave one number an image.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::Op;
use crate::ops::activation::power::POWER;
use crate::ops::activation::relu::RELU;
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY, SUBTRACT};
use crate::ops::concat::{CONCAT, MAX_INPUTS};
use crate::ops::reduce::{REDUCE_MEAN, REDUCE_SUM};
use crate::ops::reshape::RESHAPE;
use crate::ops::slice::SLICE;
use crate::shape::Shape;

pub struct Formula<'a> {
    pub builder: &'a mut Builder,
}

impl Formula<'_> {
    pub fn of(&mut self, op: &'static dyn Op, value: Value) -> Result<Value, Fault> {
        self.builder.apply(op, Attrs::new(), &[value])
    }

    pub fn add(&mut self, a: Value, b: Value) -> Result<Value, Fault> {
        self.builder.apply(&ADD, Attrs::new(), &[a, b])
    }

    pub fn subtract(&mut self, a: Value, b: Value) -> Result<Value, Fault> {
        self.builder.apply(&SUBTRACT, Attrs::new(), &[a, b])
    }

    pub fn multiply(&mut self, a: Value, b: Value) -> Result<Value, Fault> {
        self.builder.apply(&MULTIPLY, Attrs::new(), &[a, b])
    }

    pub fn divide(&mut self, a: Value, b: Value) -> Result<Value, Fault> {
        self.builder.apply(&DIVIDE, Attrs::new(), &[a, b])
    }

    /// `factor * value + summand`.
    pub fn affine(&mut self, value: Value, factor: f32, summand: f32) -> Result<Value, Fault> {
        let mut value = value;
        if factor != 1.0 {
            let factor = self.builder.scalar(factor);
            value = self.multiply(value, factor)?;
        }
        if summand != 0.0 {
            let summand = self.builder.scalar(summand);
            value = self.add(value, summand)?;
        }
        Ok(value)
    }

    /// `|value|`, whose slope at 0 counts as 0.
    pub fn absolute(&mut self, value: Value) -> Result<Value, Fault> {
        let opposite = self.affine(value, -1.0, 0.0)?;
        let (above, below) = (self.of(&RELU, value)?, self.of(&RELU, opposite)?);
        self.add(above, below)
    }

    /// `max(value, 0) ^ exponent`, with a slope that is finite at 0.
    pub fn power(&mut self, value: Value, exponent: f32) -> Result<Value, Fault> {
        let above = self.of(&RELU, value)?;
        if exponent == 1.0 {
            return Ok(above);
        }
        let base = self.affine(above, 1.0, 1e-12)?;
        self.builder.apply(&POWER, Attrs::new().float("alpha", exponent), &[base])
    }

    /// The sum over axis 1, which stays with extent 1.
    pub fn over_classes(&mut self, value: Value) -> Result<Value, Fault> {
        self.builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", [1]), &[value])
    }

    /// The sum over all axes but the first two, which stay: `N x K x …` → `N x K`.
    pub fn over_pixels(&mut self, value: Value) -> Result<Value, Fault> {
        let shape = self.builder.shape(value).clone();
        if shape.rank() == 2 {
            return Ok(value);
        }
        let axes: Vec<usize> = (2..shape.rank()).collect();
        let sum = self.builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", axes), &[value])?;
        self.builder.apply(&RESHAPE, Attrs::new().ints("shape", &shape.dims()[..2]), &[sum])
    }

    /// The sum over all axes but the batch: `N x …` → `N`.
    pub fn sum(&mut self, value: Value) -> Result<Value, Fault> {
        self.reduced(&REDUCE_SUM, value)
    }

    /// The mean over all axes but the batch: `N x …` → `N`.
    pub fn mean(&mut self, value: Value) -> Result<Value, Fault> {
        self.reduced(&REDUCE_MEAN, value)
    }

    fn reduced(&mut self, op: &'static dyn Op, value: Value) -> Result<Value, Fault> {
        let shape = self.builder.shape(value).clone();
        let axes: Vec<usize> = (1..shape.rank()).collect();
        let reduced = match axes.is_empty() {
            true => value,
            false => self.builder.apply(op, Attrs::new().ints("axes", axes), &[value])?,
        };
        self.builder.apply(&RESHAPE, Attrs::new().ints("shape", [shape.dims()[0]]), &[reduced])
    }

    /// The part of one class on axis 1: `N x K x …` → `N x 1 x …`.
    pub fn class(&mut self, value: Value, class: usize) -> Result<Value, Fault> {
        let mut shape = self.builder.shape(value).dims().to_vec();
        let mut start = vec![0; shape.len()];
        (start[1], shape[1]) = (class, 1);
        self.builder.apply(&SLICE, Attrs::new().ints("start", start).ints("shape", shape), &[value])
    }

    /// A number a class, to be multiplied with a value of so many axes: `1 x K x 1 …`; one number for all as it is.
    pub fn vector(&mut self, numbers: &[f64], rank: usize) -> Result<Value, Fault> {
        if let [number] = numbers {
            return Ok(self.builder.scalar(*number as f32));
        }
        let single = Shape::new(vec![1; rank.max(2)]);
        let mut parts: Vec<Value> =
            numbers.iter().map(|&number| self.builder.constant(number as f32, &single)).collect();
        while parts.len() > 1 {
            let joined = parts.chunks(MAX_INPUTS).map(|own| match own {
                [one] => Ok(*one),
                several => self.builder.apply(&CONCAT, Attrs::new().int("axis", 1), several),
            });
            parts = joined.collect::<Result<_, _>>()?;
        }
        parts.first().copied().ok_or_else(|| Fault::internal("a vector without numbers"))
    }
}
