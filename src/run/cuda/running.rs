//! Sequences that run on a machine. The host waits only where numbers are read.
//!
//! A step begins with one small write, of the inputs that are single numbers. Where the session has a stock of images the
//! step makes its batch itself; what it leaves of single numbers, and of numbers an image, goes to a log that is read when
//! somebody asks.

use std::ops::Range;
use std::time::Duration;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels::cuda::gather::{Places, gather, notes};
use crate::kernels::cuda::launch::{Command, Task, in_order, int};
use crate::kernels::cuda::machine::Machine;
use crate::kernels::cuda::storage::Stored;
use crate::plan::layout::Layout;
use crate::run::cuda::sequence::{CONTROL, Sequence, Spot};
use crate::run::cuda::waits::{Touched, waits};
use crate::run::runtime::{Runtime, noted};
use crate::run::stock::{Laid, Stock, work};

/// The log has room for so many numbers, and for so many of the largest steps' notes, at least.
const LOG: usize = 8192;
const LOGGED_STEPS: usize = 16;

/// Numbers of memory for what steps of these graphs leave until it is read.
pub fn log_len<'a>(graphs: impl IntoIterator<Item = &'a Graph>) -> usize {
    let most = graphs.into_iter().map(n_noted).max().unwrap_or(0);
    most.saturating_mul(LOGGED_STEPS).max(LOG)
}

/// Numbers that a step of the graph leaves in the log.
fn n_noted(graph: &Graph) -> usize {
    noted(graph).map(|value| graph.shape(value).elements()).sum()
}

pub struct Running {
    machine: Box<dyn Machine>,
    layout: Layout,
    programs: Vec<Program>,
    /// The graph whose setup is in memory, for the states as they are.
    ready: Option<usize>,
    stock: Option<Laid>,
    log: Range<usize>,
    /// Numbers in the log, and those that were taken out of it before.
    logged: usize,
    noted: Vec<f32>,
    /// Numbers of the memory: states and constants, values, each sequence's tables, the log, and the stock.
    len: usize,
    /// What is written next, before it goes to the device.
    staging: Vec<f32>,
}

/// A graph as the machine runs it.
struct Program {
    sequence: Sequence,
    /// For each command the value that it helps to compute.
    values: Vec<Option<Value>>,
    /// What the next step is given: the inputs of one number, and [`Control`].
    given: Vec<f32>,
    /// Numbers that a step leaves in the log.
    n_noted: usize,
    /// The numbers of the machine's programs: what is done at first, if anything is, and what is done at each step.
    setup: Option<usize>,
    step: usize,
}

/// The places of the numbers that the runtime gives a step, behind the graph's inputs; each is a whole number by its bits.
#[derive(Clone, Copy)]
enum Control {
    /// The image in the order with which the batch begins,
    First,
    /// and the epoch, as `gather` wants them: one behind the other.
    Epoch,
    /// The place in the log.
    Slot,
}

impl Control {
    /// Among the numbers that a step is given.
    fn at(self, n_given: usize) -> usize {
        n_given - CONTROL + self as usize
    }
}

impl Running {
    pub fn new(
        sequences: Vec<Sequence>,
        layout: Layout,
        mut machine: Box<dyn Machine>,
        stock: Option<Stock<'_>>,
    ) -> Result<Running, Fault> {
        let transient = sequences.iter().map(|sequence| sequence.transient).max().unwrap_or(0);
        let log = layout.len() + transient;
        let log = log..log + log_len(sequences.iter().map(|sequence| &sequence.graph));
        int(log.len())?;
        let mut len = log.end;
        let tables: Vec<usize> = sequences
            .iter()
            .map(|sequence| {
                len += sequence.tables.len();
                len - sequence.tables.len()
            })
            .collect();
        let laid = stock.as_ref().map(|stock| stock.lay(len)).transpose()?;
        len = laid.as_ref().map_or(len, |laid| laid.end);

        let (mut programs, mut commands) = (Vec::new(), Vec::new());
        for (number, (sequence, &tables)) in sequences.into_iter().zip(&tables).enumerate() {
            let stock = stock.as_ref().zip(laid.as_ref());
            let own = whole(&sequence, tables, log.start, stock.map(|(stock, laid)| (stock, laid, number)))?;
            let at = |own: Stored<Spot>| own.map(|spot| spot.at(tables));
            let first = in_order(sequence.setup.iter().map(|command| command.at(&at)));
            let setup = (!first.is_empty()).then_some(commands.len());
            commands.extend(setup.map(|_| first));
            let step = commands.len();
            let values = own.iter().map(|own| own.value).collect();
            let touched: Vec<Touched> = own.iter().map(|own| own.touched.clone()).collect();
            let tasks = own.into_iter().zip(waits(&touched));
            commands.push(tasks.map(|(own, after)| Task { command: own.command, after }).collect());
            let given = vec![0.0; sequence.given.len()];
            let n_noted = n_noted(&sequence.graph);
            programs.push(Program { sequence, values, given, n_noted, setup, step });
        }
        machine.begin(len, commands)?;
        for (begin, program) in tables.into_iter().zip(&programs) {
            machine.write(begin, &program.sequence.tables)?;
        }
        for (number, range) in layout.constants() {
            machine.write(range.start, &vec![number; range.len()])?;
        }
        if let Some((stock, laid)) = stock.as_ref().zip(laid.as_ref()) {
            stock.write(laid, machine.as_mut())?;
        }
        let (stock, logged, noted, staging) = (laid, 0, Vec::new(), Vec::new());
        Ok(Running { machine, layout, programs, ready: None, stock, log, logged, noted, len, staging })
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

    /// The range of an input, or among the numbers that a step is given.
    fn input(&mut self, graph: usize, value: Value) -> (Range<usize>, Option<usize>) {
        // It may lie where another graph's setup left something.
        self.ready = self.ready.filter(|&ready| ready == graph);
        let sequence = &self.programs[graph].sequence;
        let range = sequence.places[&value].clone();
        let is_given = sequence.given.contains(&range.start) && sequence.graph.inputs.contains(&value);
        let at = is_given.then(|| range.start - sequence.given.start);
        (range, at)
    }

    /// Takes what is in the log out of it.
    fn drain(&mut self) -> Result<(), Fault> {
        if self.logged > 0 {
            let taken = self.numbers(self.log.start..self.log.start + self.logged)?;
            self.noted.extend(taken);
            self.logged = 0;
        }
        Ok(())
    }
}

/// A command, with the value that it helps to compute and what it touches.
struct Own {
    value: Option<Value>,
    command: Command<Stored<usize>>,
    touched: Touched,
}

/// All commands of a graph, with what each helps to compute: the batch, the sequence, the notes.
fn whole(
    sequence: &Sequence,
    tables: usize,
    log: usize,
    stock: Option<(&Stock<'_>, &Laid, usize)>,
) -> Result<Vec<Own>, Fault> {
    let graph = &sequence.graph;
    let control = |which: Control| sequence.given.start + which.at(sequence.given.len());
    let mut all = Vec::new();
    if let Some((stock, laid, number)) = stock
        && let Some(images) = graph.find_input(stock.images)
    {
        let at = Places {
            images: sequence.places[&images].start,
            labels: graph.find_input(stock.labels).map(|labels| sequence.places[&labels].start),
            bytes: laid.bytes,
            classes: laid.classes,
            order: laid.order,
            control: control(Control::First),
            recipe: laid.recipes[number],
        };
        let batch = gather(&work(&stock.recipes[number], graph.shape(images).dims()[0]), &at)?;
        let made = [Some(images), graph.find_input(stock.labels)].into_iter().flatten();
        let touched = Touched {
            reads: vec![sequence.given.clone()],
            writes: made.map(|input| sequence.places[&input].clone()).collect(),
        };
        all.push(Own { value: None, command: batch.at(&Stored::f32), touched });
    }
    let at = |own: Stored<Spot>| own.map(|spot| spot.at(tables));
    let own = sequence.commands.iter().zip(&sequence.values).zip(&sequence.touched);
    all.extend(own.map(|((command, &value), touched)| Own {
        value,
        command: command.at(&at),
        touched: touched.clone(),
    }));
    let values: Vec<Range<usize>> = noted(graph).map(|value| sequence.places[&value].clone()).collect();
    let notes = notes(&values, log, control(Control::Slot))?;
    let touched = Touched { reads: values, writes: std::iter::once(log..log + 1).collect() };
    all.extend(notes.iter().map(|command| Own {
        value: None,
        command: command.at(&Stored::f32),
        touched: touched.clone(),
    }));
    Ok(all)
}

impl Runtime for Running {
    fn write(&mut self, graph: usize, value: Value, fill: &mut dyn FnMut(&mut [f32])) -> Result<(), Fault> {
        let (range, given) = self.input(graph, value);
        if let Some(at) = given {
            fill(&mut self.programs[graph].given[at..=at]);
            return Ok(());
        }
        self.staging.resize(range.len(), 0.0);
        fill(&mut self.staging);
        self.machine.write(range.start, &self.staging)
    }

    fn put(&mut self, graph: usize, value: Value, numbers: &[f32]) -> Result<(), Fault> {
        match self.input(graph, value) {
            (range, None) if range.len() == numbers.len() => self.machine.write(range.start, numbers),
            (range, None) => {
                Err(Fault::internal(format!("{} numbers for an input of {}", numbers.len(), range.len())))
            }
            (_, Some(_)) => self.write(graph, value, &mut |out| out.copy_from_slice(numbers)),
        }
    }

    fn read(&self, graph: usize, value: Value, take: &mut dyn FnMut(&[f32])) -> Result<(), Fault> {
        take(&self.numbers(self.programs[graph].sequence.places[&value].clone())?);
        Ok(())
    }

    fn write_state(&mut self, name: &str, numbers: &[f32]) -> Result<(), Fault> {
        let range = self.place(name)?;
        self.ready = None;
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

    fn order(&mut self, positions: &[u32]) -> Result<(), Fault> {
        let stock = self.stock.as_ref().ok_or_else(|| Fault::internal("a session without a stock"))?;
        if positions.len() > stock.longest {
            return Err(Fault::internal(format!("an order of {} images", positions.len())));
        }
        let numbers: Vec<f32> = positions.iter().map(|&position| f32::from_bits(position)).collect();
        self.machine.write(stock.order, &numbers)
    }

    fn gather(&mut self, graph: usize, first: u32, epoch: u32) -> Result<(), Fault> {
        let given = &mut self.programs[graph].given;
        let n = given.len();
        given[Control::First.at(n)] = f32::from_bits(first);
        given[Control::Epoch.at(n)] = f32::from_bits(epoch);
        Ok(())
    }

    fn step(&mut self, graph: usize) -> Result<(), Fault> {
        let Program { sequence, given, setup, step, .. } = &mut self.programs[graph];
        let slot = Control::Slot.at(given.len());
        given[slot] = f32::from_bits(self.logged as u32);
        self.machine.write(sequence.given.start, given)?;
        if let Some(setup) = setup.filter(|_| self.ready != Some(graph)) {
            self.machine.run(setup)?;
        }
        self.ready = Some(graph);
        self.machine.run(*step)
    }

    fn is_done(&self) -> bool {
        false
    }

    fn note(&mut self, graph: usize) -> Result<(), Fault> {
        self.logged += self.programs[graph].n_noted;
        let most = self.programs.iter().map(|program| program.n_noted).max().unwrap_or(0);
        // The next step's numbers must have room.
        if self.logged + most > self.log.len() { self.drain() } else { Ok(()) }
    }

    fn noted(&mut self) -> Result<Vec<f32>, Fault> {
        self.drain()?;
        Ok(std::mem::take(&mut self.noted))
    }

    fn finish(&self) -> Result<(), Fault> {
        self.machine.finish()
    }

    fn profile(&mut self, graph: usize) -> Result<Vec<(Option<Value>, Duration)>, Fault> {
        if self.ready != Some(graph) {
            self.step(graph)?;
        }
        let Program { sequence, given, values, step, .. } = &self.programs[graph];
        self.machine.write(sequence.given.start, given)?;
        let times = self.machine.profile(*step)?;
        Ok(values.iter().copied().zip(times).collect())
    }

    fn bytes(&self) -> usize {
        self.len * size_of::<f32>()
    }
}
