//! What processes that share a graph's batch would give each other, as the plan of one of them tells.

use std::ops::Range;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels::cpu::peers::{Filled, Rank};
use crate::plan::layout::Layout;
use crate::run::cpu::plan::{Action, Derived, plan};

/// What a process does in a step that several share, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Computes values, for its own images only where they are `divided`; everything else each process computes whole.
    Compute { values: Vec<Value>, divided: bool },
    /// Waits until each process has given these numbers to each other one.
    Exchange(Vec<usize>),
    /// Begins to give numbers,
    Begin(Vec<usize>),
    /// and waits for the oldest that were begun.
    Complete,
}

pub fn traffic(graph: &Graph, n: usize) -> Result<Vec<Deed>, Fault> {
    let layout = Layout::new([graph])?;
    let plan = plan(graph.clone(), &layout, 1, Derived::Kept, Rank { number: 0, n })?;
    let given = |filled: &Filled| filled.iter().map(|own| own.iter().map(Range::len).sum()).collect();
    let mut deeds = Vec::new();
    for action in &plan.actions {
        match action {
            Action::Pack(_) => {}
            Action::Whole(step) => {
                deeds.push(Deed::Compute { values: vec![step.value], divided: false });
            }
            Action::Exchange(filled) => deeds.push(Deed::Exchange(given(filled))),
            Action::Tiled(tiled, values) => {
                deeds.push(Deed::Compute { values: values.clone(), divided: true });
                let [exchanged, begun] = tiled.filled();
                deeds.extend(exchanged.map(|filled| Deed::Exchange(given(filled))));
                deeds.extend(begun.map(|filled| Deed::Begin(given(filled))));
            }
            Action::Sums(_) => deeds.push(Deed::Complete),
        }
    }
    Ok(deeds)
}
