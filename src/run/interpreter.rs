//! Any candle device: nodes are evaluated one by one with candle's own operations. Slow and plain; the measure
//! for kernels and passes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::graph::{Graph, Value, leaf};
use crate::plan::layout::Layout;
use crate::run::Backend;
use crate::run::compiled::{Planned, Program};
use crate::run::runtime::{Runtime, noted};
use crate::run::stock::Stock;
use crate::shape::Shape;
use crate::tensor::{self, Device, Tensor, device};

/// The ops' reference evaluations on a candle device.
#[derive(Clone, Debug)]
pub struct Interpreter(pub Device);

impl Backend for Interpreter {
    /// It takes at least what the values need that live at the same time, without what an op needs for itself.
    fn plan(&self, graphs: Vec<Graph>, _layout: &Layout) -> Result<Planned, Fault> {
        let transient = graphs.iter().map(most_alive).collect();
        let program = Graphs { device: self.0.clone(), graphs };
        Ok(Planned { transient, beside: 0, program: Box::new(program) })
    }

    fn available(&self) -> Option<u64> {
        device::free_bytes(&self.0)
    }

    fn total(&self) -> Option<u64> {
        device::total_bytes(&self.0)
    }
}

/// Numbers of the values that live at the same time.
fn most_alive(graph: &Graph) -> u64 {
    let dead = graph.last_readers();
    let size = |value: Value| {
        let node = graph.node(value);
        let own = !node.op.is_view() && node.op.name() != leaf::STATE.name();
        if own { node.shape.elements() as u64 } else { 0 }
    };
    let (mut alive, mut most) = (0, 0);
    for value in graph.values() {
        alive += size(value);
        most = most.max(alive);
        alive -= dead.get(&value).into_iter().flatten().map(|&value| size(value)).sum::<u64>();
    }
    most
}

struct Graphs {
    device: Device,
    graphs: Vec<Graph>,
}

impl Program for Graphs {
    fn begin(self: Box<Self>, _layout: Layout, _stock: Option<Stock<'_>>) -> Result<Box<dyn Runtime>, Fault> {
        let Graphs { device, graphs } = *self;
        let mut states = BTreeMap::new();
        for graph in &graphs {
            for state in &graph.states {
                let zeros = Tensor::zeros(graph.shape(state.value).dims(), tensor::DType::F32, &device)?;
                states.insert(state.name.clone(), zeros);
            }
        }
        let dead = graphs.iter().map(Graph::last_readers).collect();
        let (inputs, outputs, noted) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Ok(Box::new(Running { device, graphs, dead, states, inputs, outputs, noted }))
    }
}

struct Running {
    device: Device,
    graphs: Vec<Graph>,
    /// Of each graph, the values that nobody reads any more after a node.
    dead: Vec<BTreeMap<Value, Vec<Value>>>,
    states: BTreeMap<String, Tensor>,
    inputs: BTreeMap<(usize, Value), Tensor>,
    outputs: BTreeMap<(usize, Value), Tensor>,
    /// What [`Runtime::note`] kept.
    noted: Vec<Tensor>,
}

impl Running {
    /// Every value that lives to the end of a step; `made` is told of each node.
    fn evaluate(
        &self,
        number: usize,
        made: &mut dyn FnMut(Value) -> Result<(), Fault>,
    ) -> Result<BTreeMap<Value, Tensor>, Fault> {
        let graph = &self.graphs[number];
        let mut values: BTreeMap<Value, Tensor> = BTreeMap::new();
        for value in graph.values() {
            let node = graph.node(value);
            let name = node.name.as_deref().unwrap_or_default();
            let tensor = if graph.inputs.contains(&value) {
                let input = self.inputs.get(&(number, value));
                input.cloned().ok_or_else(|| Fault::internal(format!("input `{name}` was not written")))?
            } else if node.op.name() == leaf::STATE.name() {
                self.state(name)?.clone()
            } else {
                let inputs: Vec<Tensor> = node.inputs.iter().map(|input| values[input].clone()).collect();
                node.op.eval(&node.attrs, &inputs, &node.shape)?.to_device(&self.device)?
            };
            values.insert(value, tensor);
            for dead in self.dead[number].get(&value).into_iter().flatten() {
                values.remove(dead);
            }
            made(value)?;
        }
        Ok(values)
    }

    fn state(&self, name: &str) -> Result<&Tensor, Fault> {
        self.states.get(name).ok_or_else(|| Fault::internal(format!("there is no state `{name}`")))
    }
}

impl Runtime for Running {
    fn write(&mut self, graph: usize, value: Value, fill: &mut dyn FnMut(&mut [f32])) -> Result<(), Fault> {
        let shape = self.graphs[graph].shape(value);
        let mut numbers = vec![0.0; shape.elements()];
        fill(&mut numbers);
        self.inputs.insert((graph, value), tensor::from_slice(&numbers, shape, &self.device)?);
        Ok(())
    }

    fn read(&self, graph: usize, value: Value, take: &mut dyn FnMut(&[f32])) -> Result<(), Fault> {
        let tensor =
            self.outputs.get(&(graph, value)).ok_or_else(|| Fault::internal("read before the first step"))?;
        take(&tensor::to_vec(tensor)?);
        Ok(())
    }

    fn write_state(&mut self, name: &str, numbers: &[f32]) -> Result<(), Fault> {
        let shape = Shape::new(self.state(name)?.dims());
        self.states.insert(name.to_owned(), tensor::from_slice(numbers, &shape, &self.device)?);
        Ok(())
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        tensor::to_vec(self.state(name)?)
    }

    fn step(&mut self, number: usize) -> Result<(), Fault> {
        let values = self.evaluate(number, &mut |_| Ok(()))?;
        let graph = &self.graphs[number];
        for output in &graph.outputs {
            self.outputs.insert((number, output.value), values[&output.value].clone());
        }
        for update in &graph.updates {
            let name = graph.node(update.state).name.clone().unwrap_or_default();
            let new = values.get(&update.value).cloned();
            self.states.insert(name, new.ok_or_else(|| Fault::internal("an update that was not computed"))?);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        matches!(self.device, Device::Cpu)
    }

    fn note(&mut self, graph: usize) -> Result<(), Fault> {
        let outputs = noted(&self.graphs[graph]).map(|value| self.outputs.get(&(graph, value)).cloned());
        let outputs: Option<Vec<Tensor>> = outputs.collect();
        self.noted.extend(outputs.ok_or_else(|| Fault::internal("noted before the first step"))?);
        Ok(())
    }

    fn noted(&mut self) -> Result<Vec<f32>, Fault> {
        std::mem::take(&mut self.noted).iter().try_fold(Vec::new(), |mut all, tensor| {
            all.extend(tensor::to_vec(tensor)?);
            Ok(all)
        })
    }

    fn finish(&self) -> Result<(), Fault> {
        Ok(self.device.synchronize()?)
    }

    fn profile(&mut self, number: usize) -> Result<Vec<(Option<Value>, Duration)>, Fault> {
        let mut times = Vec::new();
        let mut start = Instant::now();
        self.evaluate(number, &mut |value| {
            self.device.synchronize()?;
            if !self.graphs[number].node(value).inputs.is_empty() {
                times.push((Some(value), start.elapsed()));
            }
            start = Instant::now();
            Ok(())
        })?;
        Ok(times)
    }

    fn bytes(&self) -> usize {
        let tensors = self.states.values().chain(self.inputs.values()).chain(self.outputs.values());
        tensors.map(|tensor| tensor.elem_count() * size_of::<f32>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::most_alive;
    use crate::graph::builder::Builder;
    use crate::ops::binary::ADD;
    use crate::shape::Shape;

    /// `a + a` and `(a + a) + a` live beside `a`; at the next node the first of them is gone.
    #[test]
    fn a_value_lives_to_its_last_reader() {
        let mut builder = Builder::default();
        let a = builder.input("a", &Shape::from([10]));
        let mut sum = a;
        for _ in 0..5 {
            sum = builder.apply(&ADD, Default::default(), &[sum, a]).unwrap();
        }
        builder.output("sum", sum);
        assert_eq!(most_alive(&builder.finish()), 30);
    }
}
