//! A device with kernels of its own: a sequence of commands a graph, each on whole values, in one piece of its memory.

mod copies;
mod forms;
mod order;
pub mod part;
mod parts;
mod rules;
mod running;
pub mod sequence;
mod shared;
mod steps;
pub mod storage;
mod waits;

pub use running::log_len;
pub use shared::SharedCuda;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels;
use crate::kernels::cpu::peers::Peers;
use crate::kernels::cuda::launch::{Command, Place};
use crate::kernels::cuda::machine::{Machine, beside};
use crate::kernels::cuda::precision::Precision;
use crate::plan::layout::Layout;
use crate::run::Backend;
use crate::run::compiled::{Planned, Program};
use crate::run::cuda::forms::Offers;
use crate::run::cuda::running::Running;
use crate::run::cuda::sequence::{Sequence, sequence_of_part};
use crate::run::runtime::Runtime;
use crate::run::stock::Stock;
use crate::tensor::{Device, device};

/// A device with kernels of its own.
pub struct Cuda {
    precision: Precision,
    machines: Machines,
}

/// Where a session's machine comes from.
#[derive(Clone)]
enum Machines {
    Of(Device),
    /// One of several, each of which a process opens.
    Joined(Device, Arc<dyn Peers>),
    /// One that was there before, until it is taken.
    One(Arc<Mutex<Option<Box<dyn Machine>>>>),
}

impl Cuda {
    pub fn on(device: &Device, precision: Precision) -> Cuda {
        Cuda { precision, machines: Machines::Of(device.clone()) }
    }

    /// The device of this process, whose sums are added up with those of its peers' devices.
    pub fn joined(device: &Device, precision: Precision, peers: &Arc<dyn Peers>) -> SharedCuda {
        let machines = Machines::Joined(device.clone(), Arc::clone(peers));
        SharedCuda { own: Cuda { precision, machines }, peers: Arc::clone(peers) }
    }

    /// A machine of one session.
    pub fn with(machine: Box<dyn Machine>) -> Cuda {
        Cuda { precision: machine.precision(), machines: Machines::One(Arc::new(Mutex::new(Some(machine)))) }
    }
}

impl Cuda {
    /// Plans graphs, or a process's parts of some, with the values of each that processes add up. As if the libraries did all
    /// that they may: what they have at most beside the planned memory counts whole. What the libraries' and the kernels' code
    /// takes does not.
    fn plan_parts(
        &self,
        graphs: Vec<Graph>,
        sums: Vec<BTreeSet<Value>>,
        layout: &Layout,
    ) -> Result<Planned, Fault> {
        let asked = RefCell::new(Vec::new());
        let offers = |own: &Command<Place>| {
            asked.borrow_mut().push(own.clone());
            Ok(true)
        };
        let sequences = sequences(graphs, &sums, layout, self.precision, &offers)?;
        let asked = asked.into_inner();
        let transient = sequences.iter().map(|own| own.transient as u64).collect();
        let tables = sequences.iter().map(|own| own.tables.len()).sum::<usize>();
        let log = log_len(sequences.iter().map(|own| &own.graph));
        let numbers = tables as u64 + log as u64;
        let commands = sequences.iter().flat_map(|own| own.setup.iter().chain(&own.commands));
        let beside = numbers * size_of::<f32>() as u64 + beside(commands) as u64;
        let (precision, machines) = (self.precision, self.machines.clone());
        Ok(Planned {
            transient,
            beside,
            program: Box::new(Sequences { sequences, sums, asked, precision, machines }),
        })
    }
}

impl Machines {
    fn open(&self, precision: Precision) -> Result<Box<dyn Machine>, Fault> {
        match self {
            Machines::Of(device) => kernels::cuda::open(device, precision, None),
            Machines::Joined(device, peers) => kernels::cuda::open(device, precision, Some(peers)),
            Machines::One(machine) => {
                let taken = machine.lock().ok().and_then(|mut machine| machine.take());
                taken.ok_or_else(|| Fault::internal("a second session on one machine"))
            }
        }
    }

    fn device(&self) -> Option<&Device> {
        match self {
            Machines::Of(device) | Machines::Joined(device, _) => Some(device),
            Machines::One(_) => None,
        }
    }
}

impl Backend for Cuda {
    fn plan(&self, graphs: Vec<Graph>, layout: &Layout) -> Result<Planned, Fault> {
        let sums = graphs.iter().map(|_| BTreeSet::new()).collect();
        self.plan_parts(graphs, sums, layout)
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn available(&self) -> Option<u64> {
        self.machines.device().and_then(device::free_bytes)
    }

    fn total(&self) -> Option<u64> {
        self.machines.device().and_then(device::total_bytes)
    }
}

fn sequences(
    graphs: Vec<Graph>,
    sums: &[BTreeSet<Value>],
    layout: &Layout,
    precision: Precision,
    offers: Offers<'_>,
) -> Result<Vec<Sequence>, Fault> {
    let each = graphs.into_iter().zip(sums);
    each.map(|(graph, sums)| sequence_of_part(graph, sums, layout, precision, offers)).collect()
}

/// Graphs as they are planned without the machine.
struct Sequences {
    sequences: Vec<Sequence>,
    /// The values of each that processes add up.
    sums: Vec<BTreeSet<Value>>,
    /// What the libraries are expected to do.
    asked: Vec<Command<Place>>,
    /// How exactly they are expected to compute.
    precision: Precision,
    machines: Machines,
}

impl Program for Sequences {
    fn keeps_images(&self) -> bool {
        true
    }

    /// Plans again where the machine's libraries do not do what was expected of them.
    fn begin(self: Box<Self>, layout: Layout, stock: Option<Stock<'_>>) -> Result<Box<dyn Runtime>, Fault> {
        let Sequences { mut sequences, sums, asked, precision, machines } = *self;
        let machine = machines.open(precision)?;
        let mut holds = machine.precision() == precision;
        for own in &asked {
            holds = holds && machine.offers(own)?;
        }
        if !holds {
            let graphs = sequences.into_iter().map(|own| own.graph).collect();
            let offers = |own: &Command<Place>| machine.offers(own);
            sequences = self::sequences(graphs, &sums, &layout, machine.precision(), &offers)?;
        }
        Ok(Box::new(Running::new(sequences, layout, machine, stock)?))
    }
}
