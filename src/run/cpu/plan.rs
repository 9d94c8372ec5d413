//! Graph → Plan: the order of the work on the CPU, a range of memory for every value, and the peak, known exactly before
//! anything runs.
//!
//! Behind the values that steps share lies the threads' own memory, for values that live only while a few images go through
//! a stage of tiles.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels::cpu::Prepared;
use crate::kernels::cpu::packs::Packs;
use crate::kernels::cpu::peers::{Filled, Rank};
use crate::kernels::cpu::tiled::Tiled;
use crate::kernels::cpu::{simd, threads};
use crate::plan::count;
use crate::plan::layout::Layout;
use crate::run::cpu::build::Planner;

/// One node's work on whole values.
pub struct Step {
    pub value: Value,
    pub inputs: Vec<Range<usize>>,
    pub output: Range<usize>,
    pub memory: Range<usize>,
    pub packed: Range<usize>,
    /// Where there is none the op's reference evaluation runs.
    pub kernel: Option<Prepared>,
}

/// A unit of work; the units run one after another.
pub enum Action {
    /// Brings weights into the order of the kernels that read them.
    Pack(Packs),
    Whole(Step),
    /// A chain, with the values that its steps compute.
    Tiled(Arc<Tiled>, Vec<Value>),
    /// The sums of an earlier chain that processes exchange while they go on: of the oldest one whose sums are under way.
    Sums(Arc<Tiled>),
    /// Rows of values that processes give each other, as a later step needs those of all images.
    Exchange(Filled),
}

/// A graph with its memory.
pub struct Plan {
    pub graph: Graph,
    /// What needs to be done again only when states were written.
    pub setup: Vec<Action>,
    pub actions: Vec<Action>,
    /// Where each value lies that is not in the threads' own memory, in numbers from the start of the arena.
    pub places: BTreeMap<Value, Range<usize>>,
    /// After the actions: from where to where updates are copied.
    pub copies: Vec<(Range<usize>, Range<usize>)>,
    /// Numbers after the layout's that this plan needs: of values that the steps share, and of the threads' own.
    pub transient: usize,
    /// Numbers of one thread's own memory.
    pub local: usize,
    /// Threads that have their own memory.
    pub n_workers: usize,
    /// The images whose inputs this process has to write; all, where the inputs do not agree on a batch.
    pub images: Option<Range<usize>>,
}

/// What becomes of values that depend on states alone: weights with a batch norm in them, or in the order of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// Worked out once, until states are written.
    Kept,
    /// Worked out in each step, shortly before they are read, so that few are in memory at a time.
    Dropped,
}

/// Plans one graph for up to `n_threads` threads of one of the processes that share its batch; `layout` must have been made of
/// it, too. Refuses a level of kernels that is not here.
pub fn plan(
    graph: Graph,
    layout: &Layout,
    n_threads: usize,
    derived: Derived,
    rank: Rank,
) -> Result<Plan, Fault> {
    simd::chosen()?;
    threads::start()?;
    count();
    Planner::new(&graph, layout, n_threads, derived, rank)?.finish()
}
