//! Layers that join several values into one. They are written with branches (`concat { branch { … } … }`), with
//! names (`add skip`), or stand behind `residual`.

pub mod add;
pub mod concat;
pub mod multiply;

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::layers::Inferred;
use crate::layers::lowering::Lowering;
use crate::shape::Shape;
use crate::spec::Spec;
use crate::spec::section::Registry;

/// Every join.
pub static JOINS: &[&dyn Join] = &[&add::Add, &concat::Concat, &multiply::Multiply];

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

/// The first two shapes that differ, as a fault.
pub(crate) fn differ(join: &str, a: &Shape, b: &Shape, why: &str) -> Fault {
    Fault::new(codes::BRANCHES_DIFFER, format!("`{join}` joins {a} and {b}: {why}"))
        .label(format!("{a} and {b} arrive"))
}
