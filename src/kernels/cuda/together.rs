//! Launches of one written kernel on many values → one launch that does the work of all, such as an optimizer's rule on every
//! parameter: a table tells each block whose work it has.

use std::fmt::Write;

use crate::kernels::cuda::launch::{Argument, Kernel, Launch};

/// What one launch for several is made of.
pub struct Together {
    pub kernel: Kernel,
    pub blocks: u32,
    /// A row a member: its first block, and the low and the high half of each of its arguments; memory is counted in
    /// numbers from the start of all memory. Whole numbers by their bits.
    pub table: Vec<f32>,
    pub n_members: usize,
}

/// One launch for members of one kernel, of which none reads what another writes. `None` where they are of several
/// kernels, or of one that was not written for an element-wise node, or an argument has no place in the memory.
pub fn together<P>(members: &[&Launch<P>], place: impl Fn(&P) -> Option<usize>) -> Option<Together> {
    let first = members.first()?;
    let Kernel::Written(text) = &first.kernel else { return None };
    let (parameters, body) = text.strip_prefix('(')?.split_once(") {\n")?;
    let body = body.strip_prefix(ELEMENT)?;
    let parameters: Vec<&str> = parameters.split(", ").collect();
    let mut head = format!("    Member own = member(table, n_members, {});\n", 1 + 2 * parameters.len());
    for (i, parameter) in parameters.iter().enumerate() {
        let value = match parameter {
            number if number.starts_with("int ") => format!("(int)argument(own, {i})"),
            number if number.starts_with("float ") && !number.contains('*') => {
                format!("__int_as_float((int)argument(own, {i}))")
            }
            _ => format!("memory + argument(own, {i})"),
        };
        let _ = writeln!(head, "    {parameter} = {value};");
    }
    let text = format!(
        "(float *memory, const float *table, int n_members) {{\n{head}    unsigned element = own.element;\n{body}"
    );

    let (mut table, mut blocks) = (Vec::new(), 0u32);
    for member in members {
        if member.kernel != first.kernel || member.threads != first.threads {
            return None;
        }
        table.push(f32::from_bits(blocks));
        for argument in &member.arguments {
            let words = match argument {
                Argument::Memory(at) => place(at)? as u64,
                Argument::Int(number) => u64::try_from(*number).ok()?,
                Argument::Float(number) => number.to_bits().into(),
                Argument::Nothing | Argument::Ints(_) => return None,
            };
            table.extend([words as u32, (words >> 32) as u32].map(f32::from_bits));
        }
        blocks = blocks.checked_add(member.blocks).filter(|&blocks| blocks <= i32::MAX as u32)?;
    }
    Some(Together { kernel: Kernel::Written(text), blocks, table, n_members: members.len() })
}

/// How the body of a written kernel begins: with the number of the thread.
pub const ELEMENT: &str = "    unsigned element = ::element();\n";
