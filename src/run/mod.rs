//! Plans + a device → a session that steps. A session holds several graphs over the same states: training,
//! evaluation, one for each batch size.
//!
//! On the CPU the whole step is one in-place operation on one candle storage, the arena, and runs own kernels.
//! On CUDA it is a sequence of commands on one piece of the device's memory. On Metal the reference evaluations run
//! on candle tensors.

mod cpu;
mod cuda;
mod initial;
mod pace;
mod reference;
pub mod stock;
pub mod walk;

pub use cuda::log_len;

use std::time::Duration;

use crate::diag::Fault;
use crate::graph::{Graph, Init, StateKind, Value};
use crate::kernels;
use crate::kernels::cuda::machine::Machine;
pub use crate::kernels::cuda::precision::Precision;
use crate::plan::Derived;
use crate::plan::layout::Layout;
use crate::run::stock::Stock;
use crate::shape::Shape;
use crate::tensor::Device;
use crate::tensor::random::Random;

/// Where a session runs.
pub enum Target {
    /// Own kernels on planned memory.
    Cpu,
    /// The same for a few steps, in less memory: what depends on the weights alone is not kept from one to the next.
    FewSteps,
    /// Own kernels of a device, on planned memory.
    Machine(Box<dyn Machine>),
    /// candle's operations, node by node.
    Reference(Device),
}

impl Target {
    /// What runs on a device: own kernels on the CPU and on CUDA, candle's operations on Metal.
    pub fn on(device: &Device, precision: Precision) -> Result<Target, Fault> {
        Ok(match device {
            Device::Cpu => Target::Cpu,
            Device::Cuda(_) => Target::Machine(kernels::cuda::open(device, precision)?),
            Device::Metal(_) => Target::Reference(device.clone()),
        })
    }
}

/// The precision that a device has of what is asked for.
pub fn precision_on(device: &Device, asked: Precision) -> Precision {
    match device {
        Device::Cuda(_) => asked,
        Device::Cpu | Device::Metal(_) => Precision::F32,
    }
}

/// What a device must be able to do.
trait Runtime: Send {
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
    /// Whether a step is done when [`Runtime::step`] returns, so that reading takes no waiting.
    fn is_done(&self) -> bool;
    /// Keeps the graph's small outputs ([`noted`]) as they are behind its last step.
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

/// A state as the session keeps it.
#[derive(Clone, Debug)]
pub struct StateInfo {
    pub name: String,
    /// What its random numbers are drawn by.
    pub stream: String,
    pub kind: StateKind,
    pub shape: Shape,
    pub init: Init,
}

pub struct Session {
    runtime: Box<dyn Runtime>,
    graphs: Vec<Interface>,
    states: Vec<StateInfo>,
}

/// The named ends of a graph.
struct Interface {
    inputs: Vec<(String, Value)>,
    outputs: Vec<(String, Value)>,
}

impl Session {
    /// Plans the graphs and fills the states from `seed`.
    pub fn new(graphs: Vec<Graph>, target: Target, seed: u64) -> Result<Session, Fault> {
        Session::with_stock(graphs, target, seed, None)
    }

    /// The same with images that the graphs' batches are made of, on a target that keeps them: [`Target::Machine`].
    pub fn with_stock(
        graphs: Vec<Graph>,
        target: Target,
        seed: u64,
        stock: Option<Stock<'_>>,
    ) -> Result<Session, Fault> {
        let mut session = Session::bare(graphs, target, stock)?;
        session.initialize(seed)?;
        Ok(session)
    }

    /// The same before its states have numbers, all of which must be written before the first step.
    pub fn bare(graphs: Vec<Graph>, target: Target, stock: Option<Stock<'_>>) -> Result<Session, Fault> {
        let layout = Layout::new(&graphs)?;
        let mut states = Vec::new();
        for kept in layout.states() {
            let shape =
                graphs.iter().find_map(|g| g.find_state(&kept.state.name).map(|s| g.shape(s.value).clone()));
            let shape = shape.ok_or_else(|| Fault::internal("a state of no graph"))?;
            let state = &kept.state;
            states.push(StateInfo {
                name: state.name.clone(),
                stream: state.stream.clone(),
                kind: state.kind,
                shape,
                init: state.init.clone(),
            });
        }
        let interfaces = graphs.iter().map(interface).collect();
        let runtime: Box<dyn Runtime> = match (target, stock) {
            (Target::Cpu, None) => Box::new(cpu::Cpu::new(graphs, layout, Derived::Kept)?),
            (Target::FewSteps, None) => Box::new(cpu::Cpu::new(graphs, layout, Derived::Dropped)?),
            (Target::Machine(machine), stock) => Box::new(cuda::Cuda::new(graphs, layout, machine, stock)?),
            (Target::Reference(device), None) => Box::new(reference::Reference::new(graphs, device)?),
            (Target::Cpu | Target::FewSteps | Target::Reference(_), Some(_)) => {
                return Err(Fault::internal("a target that keeps no images"));
            }
        };
        Ok(Session { runtime, graphs: interfaces, states })
    }

    /// Gives every state its initial value; a random one depends on the seed and the state's stream alone, so that a running
    /// mean begins as its state does.
    pub fn initialize(&mut self, seed: u64) -> Result<(), Fault> {
        for state in self.states.clone() {
            let numbers = initial(&state, seed);
            self.runtime.write_state(&state.name, &numbers)?;
        }
        Ok(())
    }

    pub fn states(&self) -> &[StateInfo] {
        &self.states
    }

    /// Fills the input `name` of graph number `graph`; an input that the graph does not have is passed over.
    pub fn write(&mut self, graph: usize, name: &str, mut fill: impl FnMut(&mut [f32])) -> Result<(), Fault> {
        match find(&self.graphs[graph].inputs, name) {
            Some(value) => self.runtime.write(graph, value, &mut fill),
            None => Ok(()),
        }
    }

    /// The same of numbers that are there already.
    pub fn put(&mut self, graph: usize, name: &str, numbers: &[f32]) -> Result<(), Fault> {
        match find(&self.graphs[graph].inputs, name) {
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
        let value = find(&self.graphs[graph].outputs, name)
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

    /// Whether a step is done when [`Session::step`] returns, so that reading takes no waiting.
    pub fn is_done(&self) -> bool {
        self.runtime.is_done()
    }

    /// Keeps those outputs of graph number `graph` that are one number, or one an image (of one axis at most), as they are
    /// behind its last step, for [`Session::noted`]. That takes no waiting, where reading would.
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

/// The numbers that a state begins with; random ones depend on the seed and the state's stream alone.
pub fn initial(state: &StateInfo, seed: u64) -> Vec<f32> {
    initial::numbers(&state.init, &state.shape, &mut Random::new(seed, &state.stream, 0))
}

fn interface(graph: &Graph) -> Interface {
    let name = |&value: &Value| (graph.node(value).name.clone().unwrap_or_default(), value);
    Interface {
        inputs: graph.inputs.iter().map(name).collect(),
        outputs: graph.outputs.iter().map(|output| (output.name.clone(), output.value)).collect(),
    }
}

/// A graph's outputs of one axis at most, in order.
fn noted(graph: &Graph) -> impl Iterator<Item = Value> + '_ {
    let outputs = graph.outputs.iter().map(|output| output.value);
    outputs.filter(|&value| graph.shape(value).rank() <= 1)
}

fn find(ends: &[(String, Value)], name: &str) -> Option<Value> {
    ends.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
}
