//! GPUs of several processes, each of which works on its part of every batch and has all states. A graph whose batch cannot be
//! shared is run whole by every process, to the same numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels::cpu::peers::{Filled, Peers};
use crate::plan::layout::Layout;
use crate::plan::rows::Rows;
use crate::run::Backend;
use crate::run::compiled::{Compiled, Planned, Program};
use crate::run::cuda::part::{Part, part};
use crate::run::cuda::{Cuda, Precision};
use crate::run::runtime::{Runtime, noted};
use crate::run::stock::Stock;

/// A GPU that adds its sums to those of the other processes' GPUs.
pub struct SharedCuda {
    pub own: Cuda,
    pub peers: Arc<dyn Peers>,
}

impl Backend for SharedCuda {
    fn compile(&self, graphs: Vec<Graph>) -> Result<Compiled, Fault> {
        let (mut shares, mut parts, mut sums) = (Vec::new(), Vec::new(), Vec::new());
        for graph in graphs {
            let (share, part, own) = Share::of(graph, self.peers.as_ref())?;
            shares.push(share);
            parts.push(part);
            sums.push(own);
        }
        Compiled::new(parts, |parts, layout| {
            let planned = self.own.plan_parts(parts, sums, layout)?;
            let program = Shares { shares, own: planned.program, peers: Arc::clone(&self.peers) };
            Ok(Planned { program: Box::new(program), ..planned })
        })
    }

    /// As every process runs graphs whole.
    fn plan(&self, graphs: Vec<Graph>, layout: &Layout) -> Result<Planned, Fault> {
        self.own.plan(graphs, layout)
    }

    fn precision(&self) -> Precision {
        self.own.precision()
    }

    fn available(&self) -> Option<u64> {
        self.own.available()
    }

    fn total(&self) -> Option<u64> {
        self.own.total()
    }
}

/// How processes share a graph.
struct Share {
    /// The images of each process; none where each has the whole batch.
    images: Vec<Range<usize>>,
    /// This process.
    own: usize,
    /// For each value with a row an image, the numbers of a row.
    rows: BTreeMap<Value, usize>,
    /// As in [`Part`].
    wholes: BTreeMap<Value, Value>,
    /// The small outputs of a step, in order, and how many numbers each has here.
    noted: Vec<(Value, usize)>,
}

impl Share {
    /// With the graph that runs here, and the values in it that processes add up.
    fn of(graph: Graph, peers: &dyn Peers) -> Result<(Share, Graph, BTreeSet<Value>), Fault> {
        let rank = peers.rank();
        let batch = Rows::new(&graph).batch;
        let first = |number: usize| number * batch / rank.n;
        let images: Vec<Range<usize>> = (0..rank.n).map(|number| first(number)..first(number + 1)).collect();
        let own = images[rank.number].clone();
        let part = match images.iter().all(|own| !own.is_empty()) {
            true => part(&graph, &own)?,
            false => None,
        };
        let share = |graph: &Graph, images, rows, wholes| {
            let noted = noted(graph).map(|value| (value, graph.shape(value).elements())).collect();
            Share { images, own: rank.number, rows, wholes, noted }
        };
        Ok(match part {
            Some(Part { graph, sums, rows, wholes }) => {
                let rows = rows.into_iter().map(|value| (value, graph.shape(value).elements() / own.len()));
                (share(&graph, images, rows.collect(), wholes), graph, sums)
            }
            None => (share(&graph, Vec::new(), BTreeMap::new(), BTreeMap::new()), graph, BTreeSet::new()),
        })
    }

    /// The places of each process's numbers in a value of the whole batch; `None` where a value is the same in all processes.
    fn places(&self, value: Value) -> Option<Filled> {
        let row = *self.rows.get(&value)?;
        Some(self.images.iter().map(|images| std::iter::once(numbers(images, row)).collect()).collect())
    }

    /// Those of this process.
    fn here(&self, value: Value) -> Option<Range<usize>> {
        Some(numbers(self.images.get(self.own)?, *self.rows.get(&value)?))
    }

    /// The numbers that a value has in the whole batch.
    fn whole(&self, value: Value) -> usize {
        let batch = self.images.last().map_or(0, |last| last.end);
        self.rows.get(&value).map_or(0, |row| row * batch)
    }
}

/// The numbers of these images, of which each has a row of so many.
fn numbers(images: &Range<usize>, row: usize) -> Range<usize> {
    images.start * row..images.end * row
}

struct Shares {
    shares: Vec<Share>,
    own: Box<dyn Program>,
    peers: Arc<dyn Peers>,
}

impl Program for Shares {
    fn begin(self: Box<Self>, layout: Layout, _stock: Option<Stock<'_>>) -> Result<Box<dyn Runtime>, Fault> {
        let Shares { shares, own, peers } = *self;
        let own = own.begin(layout, None)?;
        Ok(Box::new(Sharing { shares, own, peers, staging: Vec::new(), steps: Vec::new() }))
    }
}

/// A runtime of one process's part of the work.
struct Sharing {
    shares: Vec<Share>,
    own: Box<dyn Runtime>,
    peers: Arc<dyn Peers>,
    /// A whole batch, of which this process's rows go to the device.
    staging: Vec<f32>,
    /// The graphs of the steps whose small outputs were kept.
    steps: Vec<usize>,
}

impl Sharing {
    /// A value of the whole batch, where this process has its own numbers of it.
    fn gathered(&self, share: &Share, value: Value, own: &[f32]) -> Result<Vec<f32>, Fault> {
        let (Some(here), Some(places)) = (share.here(value), share.places(value)) else {
            return Ok(own.to_vec());
        };
        let mut all = vec![0.0; share.whole(value)];
        all[here].copy_from_slice(own);
        self.peers.exchange(&mut all, &places)?;
        Ok(all)
    }
}

impl Runtime for Sharing {
    fn write(&mut self, graph: usize, value: Value, fill: &mut dyn FnMut(&mut [f32])) -> Result<(), Fault> {
        let share = &self.shares[graph];
        let Some(here) = share.here(value) else { return self.own.write(graph, value, fill) };
        self.staging.resize(share.whole(value), 0.0);
        fill(&mut self.staging);
        self.own.put(graph, value, &self.staging[here])
    }

    fn put(&mut self, graph: usize, value: Value, numbers: &[f32]) -> Result<(), Fault> {
        let here = self.shares[graph].here(value).unwrap_or(0..numbers.len());
        self.own.put(graph, value, &numbers[here])
    }

    fn read(&self, graph: usize, value: Value, take: &mut dyn FnMut(&[f32])) -> Result<(), Fault> {
        let mut own = Vec::new();
        self.own.read(graph, value, &mut |numbers| own.extend_from_slice(numbers))?;
        take(&self.gathered(&self.shares[graph], value, &own)?);
        Ok(())
    }

    fn write_state(&mut self, name: &str, numbers: &[f32]) -> Result<(), Fault> {
        self.own.write_state(name, numbers)
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        self.own.read_state(name)
    }

    fn step(&mut self, graph: usize) -> Result<(), Fault> {
        self.own.step(graph)
    }

    fn images(&self, graph: usize) -> Option<Range<usize>> {
        let share = &self.shares[graph];
        share.images.get(share.own).cloned()
    }

    fn any(&self, flag: bool) -> Result<bool, Fault> {
        self.peers.any(flag)
    }

    fn is_done(&self) -> bool {
        self.own.is_done()
    }

    fn note(&mut self, graph: usize) -> Result<(), Fault> {
        self.steps.push(graph);
        self.own.note(graph)
    }

    fn noted(&mut self) -> Result<Vec<f32>, Fault> {
        let own = self.own.noted()?;
        let (mut all, mut rest) = (Vec::with_capacity(own.len()), own.as_slice());
        for graph in take(&mut self.steps) {
            let share = &self.shares[graph];
            for &(value, n) in &share.noted {
                let cut = || Fault::internal("a step left fewer numbers than it has outputs");
                let (numbers, behind) = rest.split_at_checked(n).ok_or_else(cut)?;
                rest = behind;
                all.extend(self.gathered(share, value, numbers)?);
            }
        }
        Ok(all)
    }

    fn finish(&self) -> Result<(), Fault> {
        self.own.finish()
    }

    fn profile(&mut self, graph: usize) -> Result<Vec<(Option<Value>, Duration)>, Fault> {
        let times = self.own.profile(graph)?;
        let share = &self.shares[graph];
        let whole = |value: Value| match share.images.is_empty() {
            true => Some(value),
            false => share.wholes.get(&value).copied(),
        };
        Ok(times.into_iter().map(|(value, time)| (value.and_then(whole), time)).collect())
    }

    fn bytes(&self) -> usize {
        self.own.bytes()
    }
}
