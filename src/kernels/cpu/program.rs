//! Fused element-wise programs (`pointwise`): the whole program runs on one block of elements after another, so
//! that what lies between two steps stays in the first-level cache. Every step is rounded as it would be alone.
#![allow(unsafe_code)]

use std::collections::BTreeMap;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::program::{Operand, Program};
use crate::kernels::cpu::Prepared;
use crate::kernels::cpu::sweep::{Activation, Code, Side, code, sweep_raw};
use crate::ops::binary::Arithmetic;
use crate::ops::pointwise::{Reading, program, reading};
use crate::shape::Shape;

/// The most elements of a block; a register holds as many.
const BLOCK: usize = 512;

/// Elements from which on [`parallel`] splits the work.
const LARGE: usize = 1 << 16;
/// The most parts that it splits it into.
const MAX_PARTS: usize = 16;

/// On one thread.
pub fn pointwise(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    serial(Machine::new(program(attrs)?, inputs, output, None)?)
}

/// On all threads, if the output is large.
pub fn parallel(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    split(Machine::new(program(attrs)?, inputs, output, None)?, output)
}

/// On one thread, with the output written over input `place`, which has its shape: the kernel reads that input
/// from the output and does not look at the slice in its place.
pub fn in_place(attrs: &Attrs, inputs: &[&Shape], output: &Shape, place: usize) -> Result<Prepared, Fault> {
    serial(Machine::new(program(attrs)?, inputs, output, Some(place))?)
}

/// As [`in_place`], on all threads, if the output is large.
pub fn parallel_in_place(
    attrs: &Attrs,
    inputs: &[&Shape],
    output: &Shape,
    place: usize,
) -> Result<Prepared, Fault> {
    split(Machine::new(program(attrs)?, inputs, output, Some(place))?, output)
}

fn serial(machine: Machine) -> Result<Prepared, Fault> {
    Prepared::with_scratch(machine.memory(), move |inputs, output, scratch| {
        machine.run(inputs, 0, output, scratch);
    })
}

fn split(machine: Machine, output: &Shape) -> Result<Prepared, Fault> {
    let len = output.elements();
    if len < LARGE {
        return serial(machine);
    }
    let part = len.div_ceil(MAX_PARTS).max(LARGE / 4).next_multiple_of(BLOCK);
    // Each part has registers of its own.
    let own = machine.memory().max(1);
    Prepared::with_call(len.div_ceil(part) * own, move |call| {
        call.team.share_pairs((call.output, part), (call.scratch, own), |i, output, registers| {
            machine.run(call.inputs, i * part, output, registers);
        });
    })
}

/// Where an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Input(usize),
    Register(usize),
    Number(f32),
}

#[derive(Debug)]
struct Instruction {
    code: Code,
    alpha: f32,
    /// The last one again where there are fewer.
    sources: [Source; 3],
    /// A register, or the output.
    target: Option<usize>,
}

/// An input that repeats too often to be read where it lies: each block writes what it needs of it.
#[derive(Debug)]
struct Fill {
    input: usize,
    count: usize,
    repeat: usize,
    register: usize,
}

/// One step, or two in one.
struct Operation {
    /// The step whose result it has.
    step: usize,
    code: Code,
    alpha: f32,
    operands: Vec<Operand>,
}

/// The steps of a program in order, with arithmetic that only other arithmetic reads taken into its reader.
fn operations(program: &Program) -> Result<Vec<Operation>, Fault> {
    let codes = program.steps.iter().map(|step| {
        code(step.op.name())
            .ok_or_else(|| Fault::internal(format!("`pointwise` has no kernel for `{}`", step.op.name())))
    });
    let codes: Vec<Code> = codes.collect::<Result<_, _>>()?;
    let mut taken = vec![false; codes.len()];
    let mut operations = Vec::with_capacity(codes.len());
    for (i, step) in program.steps.iter().enumerate().rev() {
        if taken[i] {
            continue;
        }
        let inner = |place: usize| match step.operands.get(place) {
            Some(&Operand::Step(inner)) if program.uses(inner) == 1 => {
                Some((inner, arithmetic(codes[inner], &program.steps[inner].operands)?))
            }
            _ => None,
        };
        let (code, operands) = match (codes[i], inner(0), inner(1)) {
            (Code::Arithmetic(outer), Some((at, (inner, mut operands))), _) => {
                taken[at] = true;
                operands.push(step.operands[1]);
                (Code::Left { inner, outer }, operands)
            }
            (Code::Arithmetic(outer), None, Some((at, (inner, mut operands)))) => {
                taken[at] = true;
                operands.push(step.operands[0]);
                (Code::Right { inner, outer }, operands)
            }
            (code, ..) => (code, step.operands.clone()),
        };
        operations.push(Operation { step: i, code, alpha: step.attrs.get_float("alpha"), operands });
    }
    operations.reverse();
    Ok(operations)
}

/// A step as arithmetic of two operands, if it is that.
fn arithmetic(code: Code, operands: &[Operand]) -> Option<(Arithmetic, Vec<Operand>)> {
    match code {
        Code::Arithmetic(kind) => Some((kind, operands.to_vec())),
        Code::Value(Activation::Square) => Some((Arithmetic::Multiply, vec![operands[0]; 2])),
        Code::Value(_) | Code::PullBack(_) | Code::Left { .. } | Code::Right { .. } => None,
    }
}

/// A program with its registers.
#[derive(Debug)]
struct Machine {
    instructions: Vec<Instruction>,
    fills: Vec<Fill>,
    readings: Vec<Reading>,
    n_registers: usize,
    /// The input that is the output.
    place: Option<usize>,
}

impl Machine {
    fn new(
        program: &Program,
        inputs: &[&Shape],
        output: &Shape,
        place: Option<usize>,
    ) -> Result<Machine, Fault> {
        let readings = inputs.iter().map(|input| {
            reading(input, output)
                .ok_or_else(|| Fault::internal(format!("`pointwise` cannot repeat {input} to {output}")))
        });
        let readings: Vec<Reading> = readings.collect::<Result<_, _>>()?;
        if place.is_some_and(|place| readings.get(place) != Some(&Reading::Whole)) {
            return Err(Fault::internal("`pointwise` can only write over an input of its own shape"));
        }
        let mut fills = Vec::new();
        for (input, &reading) in readings.iter().enumerate() {
            if let (Reading::Run { count, repeat }, None) = (reading, stretch(reading)) {
                fills.push(Fill { input, count, repeat, register: fills.len() });
            }
        }
        let mut machine =
            Machine { instructions: Vec::new(), n_registers: fills.len(), fills, readings, place };
        machine.compile(program)?;
        Ok(machine)
    }

    /// Gives every operation but the last a register, which is free again behind the last one that reads it.
    fn compile(&mut self, program: &Program) -> Result<(), Fault> {
        let operations = operations(program)?;
        let mut registers: BTreeMap<usize, usize> = BTreeMap::new();
        let mut free: Vec<usize> = Vec::new();
        for (i, operation) in operations.iter().enumerate() {
            let broken = || Fault::internal("`pointwise` reads a step that has no result");
            let sources = operation.operands.iter().map(|operand| match *operand {
                Operand::Input(input) => Some(self.source(input)),
                Operand::Step(earlier) => registers.get(&earlier).copied().map(Source::Register),
                Operand::Number(bits) => Some(Source::Number(f32::from_bits(bits))),
            });
            let sources: Vec<Source> = sources.collect::<Option<_>>().ok_or_else(broken)?;
            let &last = sources.last().ok_or_else(broken)?;
            let sources = std::array::from_fn(|place| sources.get(place).copied().unwrap_or(last));
            let behind = &operations[i + 1..];
            let is_read = |step: usize| behind.iter().any(|o| o.operands.contains(&Operand::Step(step)));
            registers.retain(|&step, &mut register| {
                let live = is_read(step);
                if !live {
                    free.push(register);
                }
                live
            });
            let target = (!behind.is_empty()).then(|| {
                free.pop().unwrap_or_else(|| {
                    self.n_registers += 1;
                    self.n_registers - 1
                })
            });
            registers.extend(target.map(|target| (operation.step, target)));
            let Operation { code, alpha, .. } = *operation;
            self.instructions.push(Instruction { code, alpha, sources, target });
        }
        Ok(())
    }

    fn source(&self, input: usize) -> Source {
        match self.fills.iter().find(|fill| fill.input == input) {
            Some(fill) => Source::Register(fill.register),
            None => Source::Input(input),
        }
    }

    /// Numbers of scratch memory.
    fn memory(&self) -> usize {
        self.n_registers * BLOCK
    }

    /// Writes `output`, which begins at element `first` of the whole.
    fn run(&self, inputs: &[&[f32]], first: usize, output: &mut [f32], registers: &mut [f32]) {
        let len = output.len();
        assert!(inputs.len() == self.readings.len() && registers.len() >= self.memory());
        for (i, (input, reading)) in inputs.iter().zip(&self.readings).enumerate() {
            assert!(match reading {
                Reading::Whole => self.place == Some(i) || input.len() >= first + len,
                Reading::One => !input.is_empty(),
                Reading::Run { count, .. } => input.len() >= *count,
            });
        }
        let out = output.as_mut_ptr();
        let mut at = 0;
        while at < len {
            let n = self.span(first + at).min(BLOCK).min(len - at);
            for fill in &self.fills {
                let register = &mut registers[fill.register * BLOCK..][..n];
                fill.run(inputs[fill.input], first + at, register);
            }
            let memory = registers.as_mut_ptr();
            for instruction in &self.instructions {
                // SAFETY: `at + n <= len`, and the inputs and registers are as long as was checked above; a block
                // lies within a stretch, where a repeated input is read in order or is one number. The output
                // and the registers are borrowed exclusively and a target coincides with a source or is apart
                // from it.
                unsafe {
                    let side = |source: &Source| match source {
                        Source::Register(register) => Side { from: memory.add(register * BLOCK), step: 1 },
                        Source::Number(number) => Side { from: number, step: 0 },
                        Source::Input(input) if self.place == Some(*input) => {
                            Side { from: out.add(at), step: 1 }
                        }
                        Source::Input(input) => locate(inputs[*input], self.readings[*input], first + at),
                    };
                    let [a, b, c] = &instruction.sources;
                    let target = match instruction.target {
                        Some(register) => memory.add(register * BLOCK),
                        None => out.add(at),
                    };
                    sweep_raw(instruction.code, instruction.alpha, [side(a), side(b), side(c)], target, n);
                }
            }
            at += n;
        }
    }

    /// How many elements from `position` on lie in one stretch of every input.
    fn span(&self, position: usize) -> usize {
        let stretches = self.readings.iter().filter_map(|&reading| stretch(reading));
        stretches.map(|stretch| stretch - position % stretch).min().unwrap_or(BLOCK)
    }
}

/// How many elements of the output a repeated input can be read for where it lies, as one number or in order;
/// `None` where that is too short to be worth it, and for an input that is not repeated.
fn stretch(reading: Reading) -> Option<usize> {
    let Reading::Run { count, repeat } = reading else { return None };
    let stretch = if repeat > 1 { repeat } else { count };
    // The ends of short stretches that leave a part of a vector over would cost more than filling.
    (stretch >= BLOCK / 2 || stretch >= 64 && stretch.is_multiple_of(16)).then_some(stretch)
}

/// Where an input is read from element `position` of the output on.
fn locate(input: &[f32], reading: Reading, position: usize) -> Side {
    match reading {
        Reading::Whole => Side { from: input[position..].as_ptr(), step: 1 },
        Reading::One => Side { from: input.as_ptr(), step: 0 },
        Reading::Run { count, repeat: 1 } => Side { from: input[position % count..].as_ptr(), step: 1 },
        Reading::Run { count, repeat } => Side { from: input[position / repeat % count..].as_ptr(), step: 0 },
    }
}

impl Fill {
    fn run(&self, input: &[f32], position: usize, register: &mut [f32]) {
        let mut index = position / self.repeat % self.count;
        let mut left = self.repeat - position % self.repeat;
        let mut rest = register;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at_mut(left.min(rest.len()));
            part.fill(input[index]);
            index = if index + 1 == self.count { 0 } else { index + 1 };
            (left, rest) = (self.repeat, behind);
        }
    }
}
