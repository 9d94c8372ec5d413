//! Graphs that run: their inputs are written, they step, and their outputs and states are read.

use std::ops::Range;
use std::time::Duration;

use crate::diag::Fault;
use crate::graph::Value;
use crate::run::compiled::{Ports, StateInfo};
use crate::run::initial::initial;
use crate::run::runtime::Runtime;

pub struct Session {
    runtime: Box<dyn Runtime>,
    ports: Vec<Ports>,
    states: Vec<StateInfo>,
}

impl Session {
    pub(super) fn new(runtime: Box<dyn Runtime>, ports: Vec<Ports>, states: Vec<StateInfo>) -> Session {
        Session { runtime, ports, states }
    }

    /// Gives every state its initial value; a random one depends on the seed and the state's stream alone, so that a running
    /// mean begins as its state does.
    pub fn initialize(&mut self, seed: u64) -> Result<(), Fault> {
        for state in &self.states {
            self.runtime.write_state(&state.name, &initial(state, seed))?;
        }
        Ok(())
    }

    pub fn states(&self) -> &[StateInfo] {
        &self.states
    }

    /// Fills the input `name` of graph number `graph`; an input that the graph does not have is passed over.
    pub fn write(&mut self, graph: usize, name: &str, mut fill: impl FnMut(&mut [f32])) -> Result<(), Fault> {
        match find(&self.ports[graph].inputs, name) {
            Some(value) => self.runtime.write(graph, value, &mut fill),
            None => Ok(()),
        }
    }

    /// The same of numbers that are there already.
    pub fn put(&mut self, graph: usize, name: &str, numbers: &[f32]) -> Result<(), Fault> {
        match find(&self.ports[graph].inputs, name) {
            Some(value) => self.runtime.put(graph, value, numbers),
            None => Ok(()),
        }
    }

    /// The positions of the stock's images in the order of the batches that follow.
    pub fn order(&mut self, positions: &[u32]) -> Result<(), Fault> {
        self.runtime.order(positions)
    }

    /// Lets the next step of graph number `graph` see the images from place `first` in the order on, as they are in this
    /// epoch.
    pub fn gather(&mut self, graph: usize, first: u32, epoch: u32) -> Result<(), Fault> {
        self.runtime.gather(graph, first, epoch)
    }

    /// Reads the output `name` of graph number `graph` as it was after its last step.
    pub fn read(&self, graph: usize, name: &str) -> Result<Vec<f32>, Fault> {
        let value = find(&self.ports[graph].outputs, name)
            .ok_or_else(|| Fault::internal(format!("the graph has no output `{name}`")))?;
        let mut numbers = Vec::new();
        self.runtime.read(graph, value, &mut |read| numbers.extend_from_slice(read))?;
        Ok(numbers)
    }

    pub fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        self.runtime.read_state(name)
    }

    /// Shows a state; on the CPU nothing is copied.
    pub fn show_state(
        &self,
        name: &str,
        see: &mut dyn FnMut(&[f32]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.runtime.show_state(name, see)
    }

    /// Sets a state; the count of numbers must be the state's.
    pub fn write_state(&mut self, name: &str, numbers: &[f32]) -> Result<(), Fault> {
        self.runtime.write_state(name, numbers)
    }

    /// Runs graph number `graph` once: from its inputs and states to its outputs and new states. On a GPU it may return
    /// before that is done; reading waits.
    pub fn step(&mut self, graph: usize) -> Result<(), Fault> {
        self.runtime.step(graph)
    }

    /// The images of a batch of graph number `graph` whose inputs this process has to write, where other processes have theirs.
    pub fn images(&self, graph: usize) -> Option<Range<usize>> {
        self.runtime.images(graph)
    }

    /// Whether one of the processes that share the work says so; all of them have to ask.
    pub fn any(&self, flag: bool) -> Result<bool, Fault> {
        self.runtime.any(flag)
    }

    /// Whether a step is done when [`Session::step`] returns, so that reading takes no waiting.
    pub fn is_done(&self) -> bool {
        self.runtime.is_done()
    }

    /// Keeps those outputs of graph number `graph` that are one number, or one an image (of one axis at most), as they are
    /// after its last step, for [`Session::noted`]. That takes no waiting, where reading would.
    pub fn note(&mut self, graph: usize) -> Result<(), Fault> {
        self.runtime.note(graph)
    }

    /// What was kept since the last call: step by step, output by output in the graph's order.
    pub fn noted(&mut self) -> Result<Vec<f32>, Fault> {
        self.runtime.noted()
    }

    /// Waits until every step is done.
    pub fn finish(&self) -> Result<(), Fault> {
        self.runtime.finish()
    }

    /// Runs graph number `graph` and tells the time of each part of it, with the value that it computes. Time on
    /// several threads is added up. States may change, and count for nothing afterwards.
    pub fn profile(&mut self, graph: usize) -> Result<Vec<(Option<Value>, Duration)>, Fault> {
        self.runtime.profile(graph)
    }

    /// Bytes that the session holds for states and values.
    pub fn bytes(&self) -> usize {
        self.runtime.bytes()
    }
}

fn find(ends: &[(String, Value)], name: &str) -> Option<Value> {
    ends.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
}
