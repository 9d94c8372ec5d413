//! Graphs as a backend runs them: what a session of them takes is known, and nothing of it is taken yet.

use crate::diag::Fault;
use crate::graph::{Graph, Init, StateKind, Value};
use crate::plan::layout::Layout;
use crate::run::runtime::Runtime;
use crate::run::session::Session;
use crate::run::stock::Stock;
use crate::shape::Shape;

/// Planned graphs. Planning takes longer than a step, so that whoever wants to know something of the plan asks this.
pub struct Compiled {
    layout: Layout,
    states: Vec<StateInfo>,
    ports: Vec<Ports>,
    /// Numbers of the states and constants of each graph alone.
    alone: Vec<usize>,
    planned: Planned,
}

/// A state as a session keeps it.
#[derive(Clone, Debug)]
pub struct StateInfo {
    pub name: String,
    /// What its random numbers are drawn by.
    pub stream: String,
    pub kind: StateKind,
    pub shape: Shape,
    pub init: Init,
}

/// The named ends of a graph.
pub struct Ports {
    pub inputs: Vec<(String, Value)>,
    pub outputs: Vec<(String, Value)>,
}

/// What a backend makes of graphs.
pub struct Planned {
    /// Numbers that each graph needs after states and constants; its session's graphs share them.
    pub transient: Vec<u64>,
    /// Bytes that the session takes at most beside states, constants and those.
    pub beside: u64,
    pub program: Box<dyn Program>,
}

/// Planned graphs, ready to take their memory.
pub trait Program: Send {
    /// Whether the device can keep images to make batches of itself.
    fn keeps_images(&self) -> bool {
        false
    }

    /// Takes the memory, and writes the constants. States are zero.
    fn begin(self: Box<Self>, layout: Layout, stock: Option<Stock<'_>>) -> Result<Box<dyn Runtime>, Fault>;
}

impl Compiled {
    /// Of graphs, as `plan` does it.
    pub(super) fn new(
        graphs: Vec<Graph>,
        plan: impl FnOnce(Vec<Graph>, &Layout) -> Result<Planned, Fault>,
    ) -> Result<Compiled, Fault> {
        let layout = Layout::new(&graphs)?;
        let states = states(&graphs, &layout)?;
        let ports = graphs.iter().map(Ports::of).collect();
        let alone = graphs.iter().map(|graph| Layout::new([graph]).map(|own| own.len()));
        let alone = alone.collect::<Result<_, _>>()?;
        let planned = plan(graphs, &layout)?;
        Ok(Compiled { layout, states, ports, alone, planned })
    }

    /// Bytes that a session takes for states and values; on a GPU at most, as its libraries' work space counts whole.
    pub fn bytes(&self) -> u64 {
        let transient = self.planned.transient.iter().copied().max().unwrap_or(0);
        bytes(self.layout.len() as u64 + transient) + self.planned.beside
    }

    /// Bytes that a session of graph number `graph` alone would take.
    pub fn bytes_alone(&self, graph: usize) -> u64 {
        bytes(self.alone[graph] as u64 + self.planned.transient[graph]) + self.planned.beside
    }

    /// Bytes of states and constants.
    pub fn kept_bytes(&self) -> u64 {
        bytes(self.layout.len() as u64)
    }

    pub fn states(&self) -> &[StateInfo] {
        &self.states
    }

    /// Whether the device can keep images to make batches of itself.
    pub fn keeps_images(&self) -> bool {
        self.planned.program.keeps_images()
    }

    /// Takes the memory, and fills the states from `seed`.
    pub fn start(self, seed: u64) -> Result<Session, Fault> {
        self.start_with(seed, None)
    }

    /// The same with images that the graphs' batches are made of, where [`Compiled::keeps_images`].
    pub fn start_with(self, seed: u64, stock: Option<Stock<'_>>) -> Result<Session, Fault> {
        let mut session = self.bare(stock)?;
        session.initialize(seed)?;
        Ok(session)
    }

    /// A session before its states have numbers, all of which must be written before the first step.
    pub fn bare(self, stock: Option<Stock<'_>>) -> Result<Session, Fault> {
        if stock.is_some() && !self.keeps_images() {
            return Err(Fault::internal("a device that keeps no images"));
        }
        let runtime = self.planned.program.begin(self.layout, stock)?;
        Ok(Session::new(runtime, self.ports, self.states))
    }
}

impl Ports {
    fn of(graph: &Graph) -> Ports {
        let name = |&value: &Value| (graph.node(value).name.clone().unwrap_or_default(), value);
        Ports {
            inputs: graph.inputs.iter().map(name).collect(),
            outputs: graph.outputs.iter().map(|output| (output.name.clone(), output.value)).collect(),
        }
    }
}

/// The states of the layout with their shapes in the graphs.
fn states(graphs: &[Graph], layout: &Layout) -> Result<Vec<StateInfo>, Fault> {
    let info = |kept: &crate::plan::layout::Kept| {
        let state = &kept.state;
        let shape = |graph: &Graph| Some(graph.shape(graph.find_state(&state.name)?.value).clone());
        Ok(StateInfo {
            name: state.name.clone(),
            stream: state.stream.clone(),
            kind: state.kind,
            shape: graphs.iter().find_map(shape).ok_or_else(|| Fault::internal("a state of no graph"))?,
            init: state.init.clone(),
        })
    };
    layout.states().iter().map(info).collect()
}

fn bytes(numbers: u64) -> u64 {
    numbers * size_of::<f32>() as u64
}

#[cfg(test)]
mod tests {
    use super::Compiled;
    use crate::graph::builder::Builder;
    use crate::graph::{Graph, Init, StateKind};
    use crate::ops::binary::ADD;
    use crate::run::{Backend, Cpu};
    use crate::shape::Shape;

    /// `w + x + … + x` of `n` numbers, and of as many images as it has rows.
    fn sum(rows: usize) -> Graph {
        let mut builder = Builder::default();
        let w = builder.state("w", StateKind::Parameter, &Shape::from([1000]), Init::Constant(0.0)).unwrap();
        let x = builder.input("x", &Shape::from([rows * 1000]));
        let sum = builder.apply(&ADD, Default::default(), &[w, w]).unwrap();
        builder.output("w", sum);
        let sum = builder.apply(&ADD, Default::default(), &[x, x]).unwrap();
        builder.output("x", sum);
        builder.finish()
    }

    #[test]
    fn a_session_takes_what_was_told_before() {
        fn is_send<T: Send>(_: &T) {}
        let compiled = Cpu.compile(vec![sum(1), sum(3)]).unwrap();
        is_send(&compiled);
        let alone = [0, 1].map(|graph| compiled.bytes_alone(graph));
        let [first, second] = [1, 3].map(|rows| Cpu.compile(vec![sum(rows)]).unwrap().bytes());
        assert_eq!(alone, [first, second]);
        assert_eq!((compiled.bytes(), compiled.states().len()), (second, 1));
        let told = compiled.bytes();
        assert_eq!(Compiled::start(compiled, 1).unwrap().bytes() as u64, told);
    }
}
