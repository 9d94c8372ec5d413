//! Several element-wise ops in one: attribute `program` says what is done to the elements of the inputs. An
//! input has the output's shape, or one element, or is repeated along axes before and behind a run of axes that
//! it has in full (`1xCx1x1`, `NxCx1x1`, `1xC`).

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::{self, Backward, Batching, Cost, Op, elementwise_cost};
use crate::graph::program::{Operand, Program};
use crate::ops::binary::broadcast;
use crate::shape::Shape;
use crate::tensor::{self, Tensor};

pub static POINTWISE: Pointwise = Pointwise;

/// The most steps of a program; each has at most two operands.
pub const MAX_STEPS: usize = 31;

pub struct Pointwise;

/// How the elements of an input meet those of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Element `i` meets element `i`.
    Whole,
    /// One element meets all.
    One,
    /// Element `(i / repeat) % count` meets element `i`.
    Run { count: usize, repeat: usize },
}

/// How an input of shape `from` is read for an output of shape `to`; `None` where a program cannot read it.
pub fn reading(from: &Shape, to: &Shape) -> Option<Reading> {
    if broadcast(from, to).as_ref() != Some(to) {
        return None;
    }
    let lead = to.rank() - from.rank();
    let own = |axis: usize| axis.checked_sub(lead).map_or(1, |axis| from.dims()[axis]);
    let (mut count, mut repeat, mut before) = (1, 1, false);
    for (axis, &extent) in to.dims().iter().enumerate().filter(|&(_, &extent)| extent != 1) {
        match own(axis) == 1 {
            true if count == 1 => before = true,
            true => repeat *= extent,
            false if repeat > 1 => return None,
            false => count *= extent,
        }
    }
    Some(match (count, repeat, before) {
        (_, 1, false) => Reading::Whole,
        (1, ..) => Reading::One,
        _ => Reading::Run { count, repeat },
    })
}

pub fn attrs(program: Program) -> Attrs {
    Attrs::new().program("program", program)
}

/// The program of a node's attributes.
pub fn program(attrs: &Attrs) -> Result<&Program, Fault> {
    attrs.get_program("program").ok_or_else(|| Fault::internal("`pointwise` without a program"))
}

/// What every step of every program keeps to.
fn check(program: &Program, n_inputs: usize, output: &Shape) -> Result<(), Fault> {
    if program.steps.is_empty() || program.steps.len() > MAX_STEPS {
        return Err(Fault::internal(format!("`pointwise` of {} steps", program.steps.len())));
    }
    for (i, step) in program.steps.iter().enumerate() {
        let known = step.operands.iter().all(|operand| match *operand {
            Operand::Input(input) => input < n_inputs,
            Operand::Step(earlier) => earlier < i,
            Operand::Number(_) => true,
        });
        let shapes = vec![output; step.operands.len()];
        if !known || !step.op.is_elementwise() || step.op.shape(&step.attrs, &shapes)? != *output {
            return Err(Fault::internal(format!("`pointwise` cannot do `{}` in step {i}", step.op.name())));
        }
    }
    Ok(())
}

impl Op for Pointwise {
    fn name(&self) -> &'static str {
        "pointwise"
    }

    fn shape(&self, attrs: &Attrs, inputs: &[&Shape]) -> Result<Shape, Fault> {
        let output = inputs.iter().try_fold(Shape::default(), |shape, input| broadcast(&shape, input));
        let output = output.ok_or_else(|| Fault::internal("`pointwise` cannot align its inputs"))?;
        if let Some(input) = inputs.iter().find(|input| reading(input, &output).is_none()) {
            return Err(Fault::internal(format!("`pointwise` cannot repeat {input} to {output}")));
        }
        check(program(attrs)?, inputs.len(), &output)?;
        Ok(output)
    }

    fn gradient(&self, _node: &Backward<'_>, _builder: &mut Builder) -> Result<Vec<Option<Value>>, Fault> {
        Err(Fault::internal("`pointwise` is made after differentiation and is not differentiated"))
    }

    fn cost(&self, attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Cost {
        let steps = attrs.get_program("program").map_or(&[][..], |program| &program.steps);
        let flops = steps.iter().map(|step| {
            let shapes = vec![output; step.operands.len()];
            step.op.cost(&step.attrs, &shapes, output).flops
        });
        Cost { flops: flops.fold(0, u64::saturating_add), ..elementwise_cost(0, inputs, output) }
    }

    fn eval(&self, attrs: &Attrs, inputs: &[Tensor], output: &Shape) -> Result<Tensor, Fault> {
        let repeated = |tensor: &Tensor| Ok(tensor.broadcast_as(output.dims())?.contiguous()?);
        let inputs: Vec<Tensor> = inputs.iter().map(repeated).collect::<Result<_, Fault>>()?;
        let device = inputs.first().map_or(&tensor::Device::Cpu, Tensor::device);
        let mut results: Vec<Tensor> = Vec::new();
        for step in &program(attrs)?.steps {
            let operands = step.operands.iter().map(|operand| match *operand {
                Operand::Input(i) => Ok(inputs[i].clone()),
                Operand::Step(i) => Ok(results[i].clone()),
                Operand::Number(bits) => Ok(Tensor::full(f32::from_bits(bits), output.dims(), device)?),
            });
            let operands: Vec<Tensor> = operands.collect::<Result<_, Fault>>()?;
            results.push(step.op.eval(&step.attrs, &operands, output)?);
        }
        results.pop().ok_or_else(|| Fault::internal("`pointwise` of no steps"))
    }

    fn batching(&self, _attrs: &Attrs, inputs: &[op::Operand<'_>], output: &Shape) -> Batching {
        let rank = output.rank();
        let split = |input: &op::Operand<'_>| match input.batched {
            true => input.shape.rank() == rank && input.shape.dims().first() == output.dims().first(),
            false => input.is_shared(rank),
        };
        if inputs.iter().all(split) { Batching::Rows } else { Batching::Whole }
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_STEPS, POINTWISE, Reading, attrs, reading};
    use crate::graph::attrs::Attrs;
    use crate::graph::op::{self, Batching, Op};
    use crate::graph::program::{Operand, Program, Step};
    use crate::ops::activation::tanh::TANH;
    use crate::ops::softmax::SOFTMAX;
    use crate::shape::Shape;

    #[test]
    fn images_are_split_where_each_input_has_its_row_or_is_shared() {
        let output = Shape::from([8, 3, 5, 5]);
        let batching = |inputs: &[(&[usize], bool)]| {
            let shapes: Vec<Shape> = inputs.iter().map(|(dims, _)| Shape::new(*dims)).collect();
            let operands = shapes.iter().zip(inputs);
            let operands: Vec<op::Operand<'_>> =
                operands.map(|(shape, &(_, batched))| op::Operand { shape, batched }).collect();
            POINTWISE.batching(&Attrs::new(), &operands, &output)
        };
        let images = (&[8, 3, 5, 5][..], true);
        for other in [(&[8, 3, 1, 1][..], true), (&[1, 3, 1, 1], false), (&[3, 5, 5], false), (&[], false)] {
            assert_eq!(batching(&[images, other]), Batching::Rows, "{other:?}");
        }
        for other in [(&[8, 3, 5, 5][..], false), (&[1, 1, 1, 1], true), (&[5, 5], true)] {
            assert_eq!(batching(&[images, other]), Batching::Whole, "{other:?}");
        }
    }

    #[test]
    fn programs_that_cannot_run_are_refused() {
        let step = |op: &'static dyn Op, operands: &[Operand]| Step {
            op,
            attrs: Attrs::new(),
            operands: operands.to_vec(),
        };
        let shape = Shape::from([2, 3]);
        let made = |steps: Vec<Step>| POINTWISE.shape(&attrs(Program { steps }), &[&shape]);
        let tanh = step(&TANH, &[Operand::Input(0)]);
        assert_eq!(made(vec![tanh.clone()]), Ok(shape.clone()));
        assert!(made(Vec::new()).is_err());
        assert!(made(vec![tanh.clone(); MAX_STEPS + 1]).is_err());
        assert!(made(vec![step(&SOFTMAX, &[Operand::Input(0)])]).is_err(), "not element-wise");
        assert!(made(vec![step(&TANH, &[Operand::Input(1)])]).is_err(), "no such input");
        assert!(made(vec![step(&TANH, &[Operand::Step(0)])]).is_err(), "reads itself");
        assert!(made(vec![step(&TANH, &[Operand::Input(0); 2])]).is_err(), "too many operands");
        assert!(POINTWISE.shape(&Attrs::new(), &[&shape]).is_err(), "no program");
    }

    #[test]
    fn an_input_is_read_whole_or_in_one_run_of_axes() {
        let to = Shape::from([2, 3, 4, 1, 5]);
        let read = |dims: &[usize]| reading(&Shape::new(dims), &to);
        assert_eq!(read(&[2, 3, 4, 1, 5]), Some(Reading::Whole));
        assert_eq!(read(&[]), Some(Reading::One));
        assert_eq!(read(&[1, 1, 1]), Some(Reading::One));
        assert_eq!(read(&[1, 3, 1, 1, 1]), Some(Reading::Run { count: 3, repeat: 20 }));
        assert_eq!(read(&[2, 3, 1, 1, 1]), Some(Reading::Run { count: 6, repeat: 20 }));
        assert_eq!(read(&[4, 1, 5]), Some(Reading::Run { count: 20, repeat: 1 }));
        assert_eq!(read(&[1, 3, 4, 1, 1]), Some(Reading::Run { count: 12, repeat: 5 }));
        assert_eq!(read(&[2, 1, 4, 1, 5]), None, "two runs");
        assert_eq!(read(&[2, 3, 4, 2, 5]), None, "larger than the output");
        assert_eq!(read(&[3]), None);
        assert_eq!(reading(&Shape::from([1, 7]), &Shape::from([1, 7])), Some(Reading::Whole));
        assert_eq!(reading(&Shape::from([7]), &Shape::from([1, 7])), Some(Reading::Whole));
        assert_eq!(reading(&Shape::default(), &Shape::from([1])), Some(Reading::Whole));
    }
}
