//! What a session asks of a device that runs its graphs.

use std::ops::Range;
use std::time::Duration;

use crate::diag::Fault;
use crate::graph::{Graph, Value};

/// What a device must be able to do.
pub trait Runtime: Send {
    fn write(&mut self, graph: usize, value: Value, fill: &mut dyn FnMut(&mut [f32])) -> Result<(), Fault>;
    /// The same of numbers that are there already.
    fn put(&mut self, graph: usize, value: Value, numbers: &[f32]) -> Result<(), Fault> {
        self.write(graph, value, &mut |out| out.copy_from_slice(numbers))
    }
    fn read(&self, graph: usize, value: Value, take: &mut dyn FnMut(&[f32])) -> Result<(), Fault>;
    fn write_state(&mut self, name: &str, numbers: &[f32]) -> Result<(), Fault>;
    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault>;
    /// Shows a state, without a copy where the device has it in memory that can be read.
    fn show_state(&self, name: &str, see: &mut dyn FnMut(&[f32]) -> Result<(), Fault>) -> Result<(), Fault> {
        see(&self.read_state(name)?)
    }
    /// The positions of the stock's images in the order of the batches that follow.
    fn order(&mut self, _positions: &[u32]) -> Result<(), Fault> {
        Err(Fault::internal("this device keeps no images"))
    }
    /// The next step of the graph sees the images from this place in the order on, as they are in this epoch.
    fn gather(&mut self, _graph: usize, _first: u32, _epoch: u32) -> Result<(), Fault> {
        Err(Fault::internal("this device keeps no images"))
    }
    /// May return before the step is done; what is read later waits for it.
    fn step(&mut self, graph: usize) -> Result<(), Fault>;
    /// The images of a batch whose inputs this process has to write, where others have theirs.
    fn images(&self, _graph: usize) -> Option<Range<usize>> {
        None
    }
    /// Whether one of the processes that share the work says so.
    fn any(&self, flag: bool) -> Result<bool, Fault> {
        Ok(flag)
    }
    /// Whether a step is done when [`Runtime::step`] returns, so that reading takes no waiting.
    fn is_done(&self) -> bool;
    /// Keeps the graph's small outputs ([`noted`]) as they are after its last step.
    fn note(&mut self, graph: usize) -> Result<(), Fault>;
    /// What was kept since the last call, in order.
    fn noted(&mut self) -> Result<Vec<f32>, Fault>;
    /// Waits until every step is done.
    fn finish(&self) -> Result<(), Fault>;
    /// Runs steps whose results do not count, nor do the states after them, and gives the time of each part of a step and
    /// the value that the part computes; of parts that run on several threads, the sum over the threads.
    fn profile(&mut self, graph: usize) -> Result<Vec<(Option<Value>, Duration)>, Fault>;
    fn bytes(&self) -> usize;
}

/// A graph's outputs of one axis at most, in order.
pub fn noted(graph: &Graph) -> impl Iterator<Item = Value> + '_ {
    let outputs = graph.outputs.iter().map(|output| output.value);
    outputs.filter(|&value| graph.shape(value).rank() <= 1)
}
