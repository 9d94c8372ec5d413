//! A small computation on the elements of a node's inputs, which is itself an attribute of the node: what a
//! fused node does. Its steps are element-wise ops in miniature; the last one gives the result.

use std::fmt::{self, Write};

use crate::graph::attrs::Attrs;
use crate::graph::op::Op;

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operand {
    /// The node's input of this number.
    Input(usize),
    /// The result of an earlier step.
    Step(usize),
    /// The same number everywhere, by its bits.
    Number(u32),
}

impl Operand {
    pub fn number(number: f32) -> Operand {
        Operand::Number(number.to_bits())
    }
}

/// One element-wise op with its attributes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Step {
    pub op: &'static dyn Op,
    pub attrs: Attrs,
    pub operands: Vec<Operand>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Program {
    pub steps: Vec<Step>,
}

/// How tightly what is written at the top of an expression holds together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Sum,
    Product,
    Whole,
}

impl Program {
    /// How many operands read step `step`; the end of the program reads the last one.
    pub fn uses(&self, step: usize) -> usize {
        let operands = self.steps.iter().flat_map(|step| &step.operands);
        operands.filter(|&&operand| operand == Operand::Step(step)).count()
            + usize::from(step + 1 == self.steps.len())
    }

    fn operand(&self, operand: Operand) -> (String, Binding) {
        match operand {
            Operand::Input(i) => (letter(i), Binding::Whole),
            Operand::Number(bits) => (f32::from_bits(bits).to_string(), Binding::Whole),
            Operand::Step(i) if self.uses(i) > 1 => (format!("t{i}"), Binding::Whole),
            Operand::Step(i) => self.expression(i),
        }
    }

    /// A step in the notation of arithmetic, with the steps that nothing else reads written out inside it.
    fn expression(&self, step: usize) -> (String, Binding) {
        let Step { op, attrs, operands } = &self.steps[step];
        let (sign, binding) = match op.name() {
            "add" => ('+', Binding::Sum),
            "subtract" => ('-', Binding::Sum),
            "multiply" => ('*', Binding::Product),
            "divide" => ('/', Binding::Product),
            name => {
                let operands: Vec<String> = operands.iter().map(|&o| self.operand(o).0).collect();
                let attrs = attrs.to_string();
                let attrs = if attrs.is_empty() { attrs } else { format!(", {attrs}") };
                return (format!("{name}({}{attrs})", operands.join(", ")), Binding::Whole);
            }
        };
        let mut text = String::new();
        for (place, &operand) in operands.iter().enumerate() {
            let (inner, held) = self.operand(operand);
            if place > 0 {
                let _ = write!(text, " {sign} ");
            }
            // Floating-point arithmetic goes from left to right.
            let _ = match held < binding || (place > 0 && held == binding) {
                true => write!(text, "({inner})"),
                false => write!(text, "{inner}"),
            };
        }
        (text, binding)
    }
}

/// `a`, `b`, … for the inputs.
fn letter(input: usize) -> String {
    match u8::try_from(input).ok().filter(|&i| i < 26) {
        Some(i) => char::from(b'a' + i).to_string(),
        None => format!("x{input}"),
    }
}

/// `a * 0.9 + b * 0.1`; a step that is read more than once is named first: `t0 = sigmoid(a); t0 * (1 - t0)`.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last) = self.steps.len().checked_sub(1) else { return Ok(()) };
        for step in (0..last).filter(|&step| self.uses(step) > 1) {
            write!(f, "t{step} = {}; ", self.expression(step).0)?;
        }
        f.write_str(&self.expression(last).0)
    }
}
