//! The CPU: tiles of a few images that go through a chain of kernels, and kernels that share whole values between threads; all
//! in one arena.

mod build;
mod exchange;
mod pace;
mod plan;
pub mod print;
mod running;
mod schedule;
pub mod traffic;
mod units;

use std::sync::Arc;

use crate::diag::Fault;
use crate::graph::Graph;
use crate::kernels::cpu::peers::{Peers, Rank};
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
        planned(graphs, layout, Derived::Kept, None)
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
        planned(graphs, layout, Derived::Dropped, None)
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

/// Processors of several processes, each of which works on its part of every batch and has all states. The bits are those of
/// one.
#[derive(Clone)]
pub struct Shared {
    pub peers: Arc<dyn Peers>,
    /// Processes on this machine, which share its memory.
    pub n_near: usize,
}

impl Backend for Shared {
    fn plan(&self, graphs: Vec<Graph>, layout: &Layout) -> Result<Planned, Fault> {
        planned(graphs, layout, Derived::Kept, Some(Arc::clone(&self.peers)))
    }

    fn available(&self) -> Option<u64> {
        Cpu.available().map(|bytes| bytes / self.n_near.max(1) as u64)
    }

    fn total(&self) -> Option<u64> {
        Cpu.total()
    }

    fn is_host(&self) -> bool {
        true
    }
}

fn planned(
    graphs: Vec<Graph>,
    layout: &Layout,
    derived: Derived,
    peers: Option<Arc<dyn Peers>>,
) -> Result<Planned, Fault> {
    let n_threads = threads::start()?;
    let rank = peers.as_ref().map_or(Rank::ALONE, |peers| peers.rank());
    let plans = graphs.into_iter().map(|graph| plan(graph, layout, n_threads, derived, rank));
    let plans = plans.collect::<Result<Vec<Plan>, _>>()?;
    let transient = plans.iter().map(|plan| plan.transient as u64).collect();
    Ok(Planned { transient, beside: 0, program: Box::new(Plans { plans, peers }) })
}

/// Graphs without their memory.
struct Plans {
    plans: Vec<Plan>,
    peers: Option<Arc<dyn Peers>>,
}

impl Program for Plans {
    fn begin(self: Box<Self>, layout: Layout, _stock: Option<Stock<'_>>) -> Result<Box<dyn Runtime>, Fault> {
        Ok(Box::new(Running::new(self.plans, layout, self.peers)?))
    }
}
