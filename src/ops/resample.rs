//! `N x C x H x W` at another height and width, each output a weighted mean of inputs. Rows and columns are
//! treated apart, so the op is a matrix from the left and one from the right, and linear: its gradient is the
//! same with the matrices transposed. Attributes `from` and `to` (height and width) and `method`:
//! - `nearest` and `bilinear` (pixel centres at half units: PyTorch's `align_corners=False`), `bilinear_corners` (the
//!   outer pixels' centres stay: `align_corners=True`);
//! - `area`: the mean of the window `floor(i H / H') .. ceil((i + 1) H / H')`, PyTorch's adaptive pooling;
//! - `reflect` and `replicate`: the input begins at row and column `begin`, and what lies around it mirrors it (without
//!   its edge, by less than its extent) or repeats its edge.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{Backward, Batching, Cost, Op, Operand, elementwise_cost};
use crate::ops::{arity, extents};
use crate::shape::Shape;
use crate::tensor::{self, Tensor};

pub static RESAMPLE: Resample = Resample { name: "resample" };
/// The adjoint: a value of extents `to` spread over extents `from`.
pub static RESAMPLE_ADJOINT: Resample = Resample { name: "resample_adjoint" };

pub struct Resample {
    name: &'static str,
}

/// The inputs from which an axis' outputs are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub from: usize,
    pub to: usize,
    /// For each output, the inputs and their weights.
    pub taps: Vec<Vec<(usize, f32)>>,
}

/// The inputs that one output of an adaptive pool covers.
pub fn adaptive_window(output: usize, from: usize, to: usize) -> std::ops::Range<usize> {
    output * from / to..((output + 1) * from).div_ceil(to)
}

impl Axis {
    fn new(method: &str, from: usize, to: usize, begin: usize) -> Axis {
        let between = |at: f64| {
            let (first, rest) = ((at as usize).min(from - 1), at.fract() as f32);
            let second = (first + 1).min(from - 1);
            match first == second {
                true => vec![(first, 1.0)],
                false => vec![(first, 1.0 - rest), (second, rest)],
            }
        };
        let taps = |output: usize| match method {
            "nearest" => vec![(output * from / to, 1.0)],
            "bilinear" => between(((output as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0)),
            "bilinear_corners" => between((output * (from - 1)) as f64 / (to - 1).max(1) as f64),
            "reflect" => {
                let mirrored = output.abs_diff(begin);
                // Behind the last pixel, the way goes back from it.
                vec![(
                    if mirrored < from { mirrored } else { (2 * (from - 1)).saturating_sub(mirrored) },
                    1.0,
                )]
            }
            "replicate" => vec![(output.saturating_sub(begin).min(from - 1), 1.0)],
            _ => {
                let window = adaptive_window(output, from, to);
                let share = 1.0 / window.len() as f32;
                window.map(|input| (input, share)).collect()
            }
        };
        Axis { from, to, taps: (0..to).map(taps).collect() }
    }

    /// `to x from`
    fn matrix(&self, beside: &Tensor) -> Result<Tensor, Fault> {
        let mut numbers = vec![0.0; self.to * self.from];
        for (output, taps) in self.taps.iter().enumerate() {
            taps.iter().for_each(|(input, weight)| numbers[output * self.from + input] += weight);
        }
        tensor::from_slice(&numbers, &Shape::from([self.to, self.from]), beside.device())
    }
}

/// Height and width before and behind, as the attributes have them.
fn sizes(op: &str, attrs: &Attrs) -> Result<[[usize; 2]; 2], Fault> {
    match (attrs.get_ints("from"), attrs.get_ints("to")) {
        (&[h, w], &[to_h, to_w]) if [h, w, to_h, to_w].iter().all(|&extent| extent > 0) => {
            Ok([[h, w], [to_h, to_w]])
        }
        (from, to) => Err(Fault::internal(format!("`{op}` from {from:?} to {to:?}"))),
    }
}

/// Rows and columns, as the attributes have them.
pub fn axes(op: &str, attrs: &Attrs) -> Result<[Axis; 2], Fault> {
    let [from, to] = sizes(op, attrs)?;
    let method = attrs.get_text("method");
    let begin = |axis: usize| attrs.get_ints("begin").get(axis).copied().unwrap_or(0);
    Ok([0, 1].map(|axis| Axis::new(method, from[axis], to[axis], begin(axis))))
}

impl Resample {
    fn is_adjoint(&self) -> bool {
        self.name == RESAMPLE_ADJOINT.name
    }
}

impl Op for Resample {
    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let [input] = arity(self.name, inputs)?;
        let [n, c, h, w] = extents(self.name, input)?;
        let [from, to] = sizes(self.name, attrs)?;
        let (here, there) = if self.is_adjoint() { (to, from) } else { (from, to) };
        match [h, w] == here {
            true => Ok(Shape::from([n, c, there[0], there[1]])),
            false => Err(Fault::internal(format!("`{}` of {input}, not {}x{}", self.name, here[0], here[1]))),
        }
    }

    fn gradient(&self, node: &Backward<'_>, builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        let back = if self.is_adjoint() { &RESAMPLE } else { &RESAMPLE_ADJOINT };
        builder.apply(back, node.attrs.clone(), &[node.grad]).map(|grad| vec![Some(grad)])
    }

    fn cost(&self, _attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        elementwise_cost(4, inputs, output)
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[Operand<'_>], _output: &Shape) -> Batching {
        Batching::rows_of_all(inputs)
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], _output: &Shape) -> Result<Tensor, Fault> {
        let [rows, columns] = axes(self.name, attrs)?;
        let (rows, columns) = (rows.matrix(&inputs[0])?, columns.matrix(&inputs[0])?);
        let (left, right) = match self.is_adjoint() {
            true => (rows.t()?, columns),
            false => (rows, columns.t()?),
        };
        let tall = left.contiguous()?.broadcast_matmul(&inputs[0])?;
        Ok(tall.broadcast_matmul(&right.contiguous()?)?.contiguous()?)
    }
}
