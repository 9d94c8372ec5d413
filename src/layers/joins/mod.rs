//! Layers that join several values into one. They are written with branches (`concat { branch { … } … }`), with
//! names (`add skip`), or stand behind `residual`.

pub mod add;
pub mod concat;
pub mod matmul;
pub mod multiply;

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::op::Op;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Reach};
use crate::ops::binary;
use crate::shape::Shape;
use crate::spec::Spec;
use crate::spec::section::Registry;

/// Every join.
pub static JOINS: &[&dyn Join] = &[&add::ADD, &concat::Concat, &multiply::Multiply, &matmul::Matmul];

pub static REGISTRY: Registry = Registry {
    title: "Joins",
    intro: "Several values become one.",
    one: "join",
    specs: || JOINS.iter().map(|join| join.spec()).collect(),
};

pub trait Join: Sync {
    fn spec(&self) -> &'static Spec;

    /// The joined shape; or why these cannot be joined.
    fn infer(&self, inputs: &[&Shape]) -> Result<Inferred, Fault>;

    /// What of its inputs one pixel of the output is made of.
    fn reach(&self) -> Reach {
        Reach::Pixel
    }

    fn lower(&self, inputs: &[Value], lowering: &mut Lowering<'_>) -> Result<Value, Fault>;
}

impl std::fmt::Debug for dyn Join {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec().name)
    }
}

/// The join of that name.
pub fn find(name: &str) -> Option<&'static dyn Join> {
    JOINS.iter().copied().find(|join| join.spec().name == name)
}

/// The shape of values that are taken together element by element: every extent is that of all of them, or 1 in those that
/// are repeated along it. A flat value of C features stands for one number a channel.
pub(crate) fn repeated(inputs: &[&Shape]) -> Option<Shape> {
    let rank = inputs.iter().map(|shape| shape.rank()).max()?;
    let (flat, whole): (Vec<&Shape>, Vec<&Shape>) = inputs.iter().partition(|shape| shape.rank() < rank);
    let mut output = (*whole.first()?).clone();
    for shape in &whole[1..] {
        output = binary::broadcast(&output, shape)?;
    }
    let fits = |shape: &&Shape| shape.rank() == 1 && shape.dims()[0] == output.dims()[0];
    flat.iter().all(fits).then_some(output)
}

/// Applies an op to all values in turn, flat ones along the channels of the others.
pub(crate) fn one_by_one(
    op: &'static dyn Op,
    inputs: &[Value],
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let rank = inputs.iter().map(|&input| lowering.shape(input).rank()).max().unwrap_or_default();
    let mut whole: Option<Value> = None;
    for &input in inputs {
        let mut shape = lowering.shape(input);
        let value = match shape.rank() < rank {
            true => {
                shape.0.resize(rank, 1);
                lowering.reshape(input, &shape)?
            }
            false => input,
        };
        whole = Some(match whole {
            Some(other) => lowering.apply(op, Attrs::new(), &[other, value])?,
            None => value,
        });
    }
    whole.ok_or_else(|| Fault::internal("a join of nothing"))
}

/// The first two shapes of which neither can be repeated to the other, as a fault.
pub(crate) fn apart(join: &str, inputs: &[&Shape], result: &str) -> Fault {
    let pairs = || inputs.iter().enumerate().flat_map(|(i, a)| inputs[i + 1..].iter().map(move |b| (a, b)));
    let odd = pairs().find(|(a, b)| repeated(&[a, b]).is_none());
    let (a, b) = odd.unwrap_or((&inputs[0], &inputs[inputs.len() - 1]));
    let why = match (a.rank().min(b.rank()), a.rank().max(b.rank())) {
        (1, 2..) => format!("{result} of features and channels needs one feature per channel"),
        (low, high) if low != high => format!("{result} needs values with the same number of axes"),
        _ => format!("{result} needs equal shapes; only an extent of 1 is repeated"),
    };
    differ(join, a, b, &why)
}

/// The first two shapes that differ, as a fault.
pub(crate) fn differ(join: &str, a: &Shape, b: &Shape, why: &str) -> Fault {
    Fault::new(codes::BRANCHES_DIFFER, format!("`{join}` joins {a} and {b}: {why}"))
        .label(format!("{a} and {b} arrive"))
}
