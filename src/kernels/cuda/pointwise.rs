//! Element-wise ops and programs of them → a kernel that is written for the program: a thread several elements. One op is a
//! program of one step. Extents are arguments, so that one kernel serves values of every size.

use std::fmt::Write;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::op::Op;
use crate::graph::program::{Operand, Program, Step};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{Argument, Kernel, Place, Prepared, input, output, several, size};
use crate::kernels::cuda::together::ELEMENT;
use crate::kernels::cuda::walk::{divisor, merged, steps};
use crate::ops::pointwise::program;
use crate::shape::Shape;

pub fn pointwise(
    attrs: &Attrs,
    inputs: &[&Shape],
    output: &Shape,
    format: Format,
) -> Result<Prepared, Fault> {
    prepare(program(attrs)?, inputs, output, format)
}

/// One op on its inputs.
pub fn single(
    op: &'static dyn Op,
    attrs: &Attrs,
    inputs: &[&Shape],
    output: &Shape,
    format: Format,
) -> Result<Prepared, Fault> {
    let operands = (0..inputs.len()).map(Operand::Input).collect();
    prepare(&Program { steps: vec![Step { op, attrs: attrs.clone(), operands }] }, inputs, output, format)
}

fn prepare(program: &Program, inputs: &[&Shape], out: &Shape, format: Format) -> Result<Prepared, Fault> {
    let out = &format.in_memory(out);
    let mut parameters = "float *out, int n".to_owned();
    let mut body = String::new();
    let mut arguments = vec![output(), size(out.elements())?];
    for (i, shape) in inputs.iter().enumerate() {
        let _ = write!(parameters, ", const float *a{i}");
        arguments.push(input(i));
        let place = place(i, &format.in_memory(shape), out, &mut parameters, &mut arguments)?;
        let _ = writeln!(body, "        float x{i} = a{i}[{place}];");
    }
    for (i, step) in program.steps.iter().enumerate() {
        let _ = writeln!(body, "        float t{i} = {};", expression(step)?);
    }
    let last = program.steps.len().checked_sub(1);
    let last = last.ok_or_else(|| Fault::internal("`pointwise` of no steps"))?;
    let text = format!(
        "({parameters}) {{\n{ELEMENT}    make_several(out, element, n, [=](unsigned i) {{\n{body}        return t{last};\n    \
         }});\n}}\n"
    );
    Prepared::of(several(Kernel::Written(text), out.elements(), arguments)?)
}

/// Where element `i` of the output finds what it reads of an input, which is repeated along the axes that it lacks.
fn place(
    number: usize,
    from: &Shape,
    to: &Shape,
    parameters: &mut String,
    arguments: &mut Vec<Argument<Place>>,
) -> Result<String, Fault> {
    if from.elements() == to.elements() {
        return Ok("i".to_owned());
    }
    let lead =
        to.rank().checked_sub(from.rank()).ok_or_else(|| Fault::internal("a value of too many axes"))?;
    let own = steps(from.dims());
    let axes = to.dims().iter().enumerate().map(|(axis, &extent)| {
        let from = axis.checked_sub(lead).filter(|&axis| from.dims()[axis] > 1);
        (extent, [from.map_or(0, |axis| own[axis])])
    });
    let (mut terms, mut inner) = (Vec::new(), 1);
    for (k, (extent, [step])) in merged(axes).into_iter().enumerate().rev() {
        if step > 0 {
            let own = format!("{number}_{k}");
            let _ = write!(parameters, ", Divisor inner{own}, Divisor extent{own}, int step{own}");
            arguments.extend([divisor(inner)?, divisor(extent)?, size(step)?]);
            terms.push(format!("modulo(divided(i, inner{own}), extent{own}) * step{own}"));
        }
        inner *= extent;
    }
    Ok(if terms.is_empty() { "0".to_owned() } else { terms.join(" + ") })
}

fn expression(step: &Step) -> Result<String, Fault> {
    let operand = |place: usize| match step.operands.get(place) {
        Some(Operand::Input(i)) => Ok(format!("x{i}")),
        Some(Operand::Step(i)) => Ok(format!("t{i}")),
        Some(Operand::Number(bits)) => Ok(literal(*bits)),
        None => Err(Fault::internal(format!("`{}` without operand {place}", step.op.name()))),
    };
    let alpha = literal(step.attrs.get_float("alpha").to_bits());
    let name = step.op.name();
    let sign = match name {
        "add" => '+',
        "subtract" => '-',
        "multiply" => '*',
        "divide" => '/',
        _ => {
            return Ok(match name.strip_suffix("_grad") {
                Some(function) => {
                    format!("{} * {function}_derivative({}, {alpha})", operand(1)?, operand(0)?)
                }
                None => format!("{name}_value({}, {alpha})", operand(0)?),
            });
        }
    };
    Ok(format!("{} {sign} {}", operand(0)?, operand(1)?))
}

/// A number by its bits, exactly.
fn literal(bits: u32) -> String {
    format!("__int_as_float(0x{bits:08x})")
}
