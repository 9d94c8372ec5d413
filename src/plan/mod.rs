//! Graph → Plan: the order of the work, a range of memory for every value, and the peak, known exactly before
//! anything runs.
//!
//! Memory is one arena. States and constants come first and stay; they have the same place in every plan of a
//! session, so that training and evaluation share them. Behind them lie the values of a step, which share
//! memory where their lifetimes allow it, and then the threads' own memory for values that live only while a
//! few images go through a stage of tiles.

mod build;
mod copies;
pub mod forms;
pub mod layout;
pub mod memory;
mod order;
mod parts;
pub mod print;
mod rules;
pub mod schedule;
pub mod sequence;
mod steps;
pub mod storage;
pub mod waits;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels::cpu::Prepared;
use crate::kernels::cpu::packs::Packs;
use crate::kernels::cpu::tiled::Tiled;
use crate::kernels::cpu::{simd, threads};
use crate::plan::layout::Layout;

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
    Tiled(Tiled, Vec<Value>),
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
    /// Numbers behind the layout's that this plan needs: of values that the steps share, and of the threads' own.
    pub transient: usize,
    /// Numbers of one thread's own memory.
    pub local: usize,
    /// Threads that have their own memory.
    pub n_workers: usize,
}

/// Plans one graph for up to `n_threads` threads; `layout` must have been made of it, too. Refuses a level of kernels that
/// is not here.
pub fn plan(graph: Graph, layout: &Layout, n_threads: usize) -> Result<Plan, Fault> {
    simd::chosen()?;
    threads::start()?;
    MADE.set(MADE.get() + 1);
    build::Planner::new(&graph, layout, n_threads)?.finish()
}

thread_local! {
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// How many graphs this thread has planned.
pub fn made() -> usize {
    MADE.get()
}

/// The value whose memory each value lies in: itself, or for a view what it views.
fn owners(graph: &Graph) -> BTreeMap<Value, Value> {
    let mut owner = BTreeMap::new();
    for value in graph.values() {
        let node = graph.node(value);
        let own = match node.op.is_view() {
            true => owner[&node.inputs[0]],
            false => value,
        };
        owner.insert(value, own);
    }
    owner
}
