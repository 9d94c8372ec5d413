//! The CPU: tiles of a few images that go through a chain of kernels, and kernels that share whole values between threads; all
//! in one arena.

mod build;
mod pace;
mod plan;
pub mod print;
mod running;
mod schedule;

use crate::diag::Fault;
use crate::graph::Graph;
use crate::kernels::cpu::threads;
use crate::plan::layout::Layout;
use crate::run::Backend;
use crate::run::compiled::{Planned, Program};
use crate::run::cpu::plan::{Derived, Plan, plan};
use crate::run::cpu::running::Running;
use crate::run::runtime::Runtime;
use crate::run::stock::Stock;
use crate::tensor::host;

/// This machine's processor, with as many threads as the current pool has where a graph is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Cpu;

impl Backend for Cpu {
    fn plan(&self, graphs: Vec<Graph>, layout: &Layout) -> Result<Planned, Fault> {
        planned(graphs, layout, Derived::Kept)
    }

    fn available(&self) -> Option<u64> {
        host::free_bytes()
    }

    fn total(&self) -> Option<u64> {
        host::total_bytes()
    }

    fn is_host(&self) -> bool {
        true
    }
}

/// The same for a few steps, in less memory: what depends on the weights alone is not kept from one to the next.
#[derive(Clone, Copy, Debug)]
pub struct FewSteps;

impl Backend for FewSteps {
    fn plan(&self, graphs: Vec<Graph>, layout: &Layout) -> Result<Planned, Fault> {
        planned(graphs, layout, Derived::Dropped)
    }

    fn available(&self) -> Option<u64> {
        Cpu.available()
    }

    fn total(&self) -> Option<u64> {
        Cpu.total()
    }

    fn is_host(&self) -> bool {
        true
    }
}

fn planned(graphs: Vec<Graph>, layout: &Layout, derived: Derived) -> Result<Planned, Fault> {
    let n_threads = threads::start()?;
    let plans = graphs.into_iter().map(|graph| plan(graph, layout, n_threads, derived));
    let plans = plans.collect::<Result<Vec<Plan>, _>>()?;
    let transient = plans.iter().map(|plan| plan.transient as u64).collect();
    Ok(Planned { transient, beside: 0, program: Box::new(Plans(plans)) })
}

/// Graphs without their memory.
struct Plans(Vec<Plan>);

impl Program for Plans {
    fn begin(self: Box<Self>, layout: Layout, _stock: Option<Stock<'_>>) -> Result<Box<dyn Runtime>, Fault> {
        Ok(Box::new(Running::new(self.0, layout)?))
    }
}
