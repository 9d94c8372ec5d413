//! What processes that share a graph's batch would give each other, as the plan of one of them tells.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels::cpu::peers::{Filled, Rank};
use crate::plan::layout::Layout;
use crate::run::cpu::plan::{Action, Derived, plan};

/// A step that `n` processes share.
pub struct Traffic {
    /// For each exchange, the numbers that each process gives to each other one.
    pub exchanges: Vec<Vec<usize>>,
    /// What a process computes for its own images only; everything else each of them computes whole.
    pub divided: BTreeSet<Value>,
}

pub fn traffic(graph: &Graph, n: usize) -> Result<Traffic, Fault> {
    let layout = Layout::new([graph])?;
    let plan = plan(graph.clone(), &layout, 1, Derived::Kept, Rank { number: 0, n })?;
    let (mut exchanges, mut divided) = (Vec::new(), BTreeSet::new());
    let given = |filled: &Filled| filled.iter().map(|own| own.iter().map(Range::len).sum()).collect();
    for action in &plan.actions {
        match action {
            Action::Pack(_) | Action::Whole(_) => {}
            Action::Exchange(filled) => exchanges.push(given(filled)),
            Action::Tiled(tiled, values) => {
                exchanges.extend(tiled.filled().map(given));
                divided.extend(values);
            }
        }
    }
    Ok(Traffic { exchanges, divided })
}
