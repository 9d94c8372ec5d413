//! A device with kernels of its own: one piece of memory, a sequence of commands a graph. The host waits only where
//! numbers are read.

use std::ops::Range;
use std::time::Duration;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels::cuda::launch::{Command, Place};
use crate::kernels::cuda::machine::Machine;
use crate::kernels::cuda::storage::Stored;
use crate::plan::layout::Layout;
use crate::plan::sequence::{Sequence, Spot, sequence};
use crate::run::Runtime;

pub struct Cuda {
    machine: Box<dyn Machine>,
    layout: Layout,
    sequences: Vec<Sequence>,
    /// Numbers of the memory: states and constants, values, and each sequence's tables.
    len: usize,
    /// What is written next, before it goes to the device.
    staging: Vec<f32>,
}

impl Cuda {
    pub fn new(graphs: Vec<Graph>, layout: Layout, mut machine: Box<dyn Machine>) -> Result<Cuda, Fault> {
        let offers = |own: &Command<Place>| machine.offers(own);
        let planned = graphs.into_iter().map(|graph| sequence(graph, &layout, machine.precision(), &offers));
        let sequences = planned.collect::<Result<Vec<Sequence>, _>>()?;
        let transient = sequences.iter().map(|sequence| sequence.transient).max().unwrap_or(0);
        let mut len = layout.len() + transient;
        let mut programs = Vec::with_capacity(sequences.len());
        let mut tables = Vec::with_capacity(sequences.len());
        for sequence in &sequences {
            let begin = len;
            let at = |spot: Spot| match spot {
                Spot::Memory(at) => at,
                Spot::Table(from) => begin + from,
            };
            let at = |own: Stored<Spot>| own.map(at);
            programs.push(sequence.commands.iter().map(|command| command.at(&at)).collect());
            tables.push(begin);
            len += sequence.tables.len();
        }
        machine.begin(len, programs)?;
        for (begin, sequence) in tables.into_iter().zip(&sequences) {
            machine.write(begin, &sequence.tables)?;
        }
        for (number, range) in layout.constants() {
            machine.write(range.start, &vec![number; range.len()])?;
        }
        Ok(Cuda { machine, layout, sequences, len, staging: Vec::new() })
    }

    fn place(&self, name: &str) -> Result<Range<usize>, Fault> {
        let kept = self.layout.state(name);
        let kept = kept.ok_or_else(|| Fault::internal(format!("there is no state `{name}`")))?;
        Ok(kept.range.clone())
    }

    fn numbers(&self, range: Range<usize>) -> Result<Vec<f32>, Fault> {
        let mut numbers = vec![0.0; range.len()];
        self.machine.read(range.start, &mut numbers)?;
        Ok(numbers)
    }
}

impl Runtime for Cuda {
    fn write(&mut self, graph: usize, value: Value, fill: &mut dyn FnMut(&mut [f32])) -> Result<(), Fault> {
        let range = self.sequences[graph].places[&value].clone();
        self.staging.resize(range.len(), 0.0);
        fill(&mut self.staging);
        self.machine.write(range.start, &self.staging)
    }

    fn read(&self, graph: usize, value: Value, take: &mut dyn FnMut(&[f32])) -> Result<(), Fault> {
        take(&self.numbers(self.sequences[graph].places[&value].clone())?);
        Ok(())
    }

    fn write_state(&mut self, name: &str, numbers: &[f32]) -> Result<(), Fault> {
        let range = self.place(name)?;
        match range.len() == numbers.len() {
            true => self.machine.write(range.start, numbers),
            false => {
                Err(Fault::internal(format!("`{name}` has {} numbers, not {}", range.len(), numbers.len())))
            }
        }
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        self.numbers(self.place(name)?)
    }

    fn step(&mut self, graph: usize) -> Result<(), Fault> {
        self.machine.run(graph)
    }

    fn finish(&self) -> Result<(), Fault> {
        self.machine.finish()
    }

    fn profile(&mut self, graph: usize) -> Result<Vec<(Option<Value>, Duration)>, Fault> {
        let times = self.machine.profile(graph)?;
        Ok(self.sequences[graph].values.iter().copied().zip(times).collect())
    }

    fn bytes(&self) -> usize {
        self.len * size_of::<f32>()
    }
}
