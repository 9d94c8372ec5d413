//! Node → its work, by own kernels or a library, and the forms in which that needs the operands.
//!
//! Own kernels load and store both types of numbers; with bf16 a library multiplies bf16 factors. A product's result may
//! be f32; a convolution's is stored as its factors.
//!
//! Where libraries compute with tensor cores, a convolution of theirs has channels last, and so has what follows from it
//! as long as there are kernels for that. A step has all of its operands in one format.

use crate::diag::Fault;
use crate::graph::Node;
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{Command, Place, Prepared};
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::prepare;
use crate::kernels::cuda::storage::{Form, Storage};
use crate::shape::Shape;

/// What a device's libraries do.
pub type Offers<'a> = &'a dyn Fn(&Command<Place>) -> Result<bool, Fault>;

/// A node's work.
#[derive(Debug)]
pub struct Work {
    pub prepared: Prepared,
    /// The form in which it needs each operand.
    pub inputs: Vec<Form>,
    pub output: Form,
}

/// The work of a node whose operands have these forms and whose result is stored so.
pub fn work(
    node: &Node,
    inputs: &[(&Shape, Form)],
    output: Storage,
    precision: Precision,
    offers: Offers<'_>,
) -> Result<Work, Fault> {
    let shapes: Vec<&Shape> = inputs.iter().map(|(shape, _)| *shape).collect();
    let follows = inputs.iter().any(|(_, form)| form.format == Format::ChannelsLast);
    let leads = precision.format() == Format::ChannelsLast;
    let mut found = None;
    if follows || leads {
        let last = chosen(node, &shapes, Format::ChannelsLast, offers)?;
        found = last.filter(|(prepared, _)| follows || may_lead(prepared));
    }
    let (found, format) = match found {
        Some(found) => (Some(found), Format::ChannelsLast),
        None => (chosen(node, &shapes, Format::ChannelsFirst, offers)?, Format::ChannelsFirst),
    };
    let (prepared, is_library) =
        found.ok_or_else(|| Fault::internal(format!("`{}` has no work", node.op.name())))?;
    let as_bf16 = match prepared.commands.first().filter(|_| is_library && precision == Precision::Bf16) {
        Some(command) => factors(command),
        None => Vec::new(),
    };
    let form = |place: Place, shape: &Shape, own: Storage| Form {
        storage: if as_bf16.contains(&place) { Storage::Bf16 } else { own },
        format: format.of(shape),
    };
    let of_inputs = inputs.iter().enumerate();
    let of_inputs = of_inputs.map(|(i, (shape, own))| form(Place::Input(i), shape, own.storage)).collect();
    let output = form(Place::Output, &node.shape, output);
    Ok(Work { prepared, inputs: of_inputs, output })
}

/// What is done in a format, and whether a library does it; `None` where there is no way.
fn chosen(
    node: &Node,
    shapes: &[&Shape],
    format: Format,
    offers: Offers<'_>,
) -> Result<Option<(Prepared, bool)>, Fault> {
    let Some(mut prepared) = prepare(node, shapes, format)? else { return Ok(None) };
    if let Some(library) = prepared.library.take()
        && let Some(first) = library.first()
    {
        match (offers(first)?, prepared.leads) {
            (true, false) => return Ok(Some((Prepared { commands: library, ..Prepared::default() }, true))),
            // Without the library what follows has its channels first, and so should this.
            (false, true) => return Ok(None),
            (true, true) | (false, false) => {}
        }
    }
    Ok((!prepared.commands.is_empty()).then_some((prepared, false)))
}

/// Whether channels lie last for its own sake: libraries are at their best so where a convolution has no groups.
fn may_lead(prepared: &Prepared) -> bool {
    prepared.leads
        || matches!(prepared.commands.first(), Some(Command::Convolution(own)) if own.geometry.groups == 1)
}

/// The operands of a library's command that have the type of its factors.
fn factors(command: &Command<Place>) -> Vec<Place> {
    match command {
        Command::Launch(_) | Command::Copy { .. } | Command::Sum(_) => Vec::new(),
        Command::Product(own) => vec![own.a, own.b],
        Command::Convolution(own) => vec![own.images, own.weight, own.output],
    }
}
