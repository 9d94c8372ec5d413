//! Graph → the commands of a device with kernels of its own: node after node, each on whole values, in one piece of
//! memory. States and constants come first, as in every plan of the session; behind them values share memory where
//! their lifetimes allow it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diag::Fault;
use crate::graph::{Graph, Value, print};
use crate::kernels::cuda::launch::{Command, Place};
use crate::kernels::cuda::moving;
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::{Form, Stored};
use crate::plan::count;
use crate::plan::layout::Layout;
use crate::plan::memory::place;
use crate::run::cuda::copies::Key;
use crate::run::cuda::forms::Offers;
use crate::run::cuda::order::Order;
use crate::run::cuda::rules::{self, Rule};
use crate::run::cuda::steps::{Step, Steps};
use crate::run::cuda::waits::Touched;

/// Where an operand of a command lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// So many numbers from the start of the memory.
    Memory(usize),
    /// So many numbers from the start of the sequence's tables.
    Table(usize),
}

impl Spot {
    /// In a memory where the sequence's tables begin there.
    pub fn at(self, tables: usize) -> usize {
        match self {
            Spot::Memory(at) => at,
            Spot::Table(from) => tables + from,
        }
    }
}

/// Numbers that a runtime gives a step beside the graph's inputs.
pub const CONTROL: usize = 3;

/// A graph's commands with their memory.
pub struct Sequence {
    pub graph: Graph,
    /// What needs to be done again only when states were written, or another graph's step has used the memory.
    pub setup: Vec<Command<Stored<Spot>>>,
    /// In order.
    pub commands: Vec<Command<Stored<Spot>>>,
    /// For each command what it reads and writes of the memory; tables never change.
    pub touched: Vec<Touched>,
    /// For each command the value that it helps to compute; none for what is copied at the end.
    pub values: Vec<Option<Value>>,
    /// Where each value lies; inputs, outputs and states are f32.
    pub places: BTreeMap<Value, Range<usize>>,
    /// The inputs of one number side by side, so that one write gives them all, and behind them [`CONTROL`] numbers for
    /// the runtime.
    pub given: Range<usize>,
    /// Numbers that never change, and that nothing else may lie on.
    pub tables: Vec<f32>,
    /// Numbers behind the layout's; the graphs of a session share them.
    pub transient: usize,
}

/// Plans one graph; `layout` must have been made of it, too. `offers` says what the device does by itself.
pub fn sequence(
    graph: Graph,
    layout: &Layout,
    precision: Precision,
    offers: Offers<'_>,
) -> Result<Sequence, Fault> {
    sequence_of_part(graph, &BTreeSet::new(), layout, precision, offers)
}

/// The same of a process's part of a graph, with the values that the processes add up.
pub fn sequence_of_part(
    graph: Graph,
    sums: &BTreeSet<Value>,
    layout: &Layout,
    precision: Precision,
    offers: Offers<'_>,
) -> Result<Sequence, Fault> {
    count();
    let order = Order::new(&graph);
    let steps = Steps::new(&graph, &order, layout, precision, offers)?;
    let (offsets, transient) = place(&steps.blocks);
    let start = |block: usize| layout.len() + offsets[block];
    let given = start(steps.given)..start(steps.given) + steps.blocks[steps.given].size;
    let places = places(&graph, &order, &steps, layout, &start)?;
    let memory = Memory { graph: &graph, steps: &steps, places: &places, start: &start };
    let (mut setup, mut commands) = (Vec::new(), Vec::new());
    let (mut values, mut tables, mut touched) = (Vec::new(), Vec::new(), Vec::new());
    let mut depths: BTreeMap<usize, Vec<Rule>> = BTreeMap::new();
    let mut open = OpenSums::default();
    for (time, step) in steps.all.iter().enumerate() {
        let value = step.value;
        if graph.node(value).inputs.iter().any(|input| open.values.contains(&order.owner(*input))) {
            open.close_into(&mut commands, &mut touched, &mut values);
        }
        let begins = step.tables.iter().map(|table| {
            tables.extend_from_slice(table);
            tables.len() - table.len()
        });
        let begins: Vec<usize> = begins.collect();
        let mut own = Vec::new();
        for (of, made, meets) in memory.copies(step, time)? {
            if order.frozen.contains(&of) { setup.push(made) } else { own.push((made, meets)) }
        }
        let meets = memory.touched(step);
        own.extend(memory.commands(step, &begins)?.into_iter().map(|command| (command, meets.clone())));
        match order.rules.get(&value) {
            Some(&depth) => {
                let own = own.into_iter().map(|(command, meets)| (command, value, meets));
                depths.entry(depth).or_default().extend(own);
            }
            None if order.frozen.contains(&value) => {
                setup.extend(own.into_iter().map(|(command, _)| command))
            }
            None => {
                for (command, meets) in own {
                    commands.push(command);
                    touched.push(meets);
                    values.push(Some(value));
                }
            }
        }
        if sums.contains(&value) {
            open.add(value, places[&value].clone());
        }
        if open.n_numbers() >= TOGETHER || time + 1 == steps.all.len() {
            open.close_into(&mut commands, &mut touched, &mut values);
        }
    }
    for rules in depths.into_values() {
        let range = |value: Value| places[&value].clone();
        for (command, value, meets) in rules::joined(&graph, rules, &range, &mut tables) {
            commands.push(command);
            touched.push(meets);
            values.push(Some(value));
        }
    }
    for update in &graph.updates {
        let (from, to) = (&places[&update.value], &places[&update.state]);
        if from != to {
            let read = from.clone();
            let [from, at] = [from, to].map(|range| Stored::f32(Spot::Memory(range.start)));
            commands.push(Command::Copy { from, to: at, len: to.len() });
            touched.push(Touched { reads: vec![read], writes: vec![to.clone()] });
            values.push(None);
        }
    }
    Ok(Sequence { graph, setup, commands, touched, values, places, given, tables, transient })
}

/// Numbers that processes add up at once, where nobody waits for some of them.
const TOGETHER: usize = 1 << 20;

/// What sums meet each other in: all processes must add up in the same order.
const IN_ORDER: Range<usize> = usize::MAX - 1..usize::MAX;

/// Sums over a process's images that it has made and nobody has read, so that the others' can still be added.
#[derive(Default)]
struct OpenSums {
    values: Vec<Value>,
    places: Vec<Range<usize>>,
}

impl OpenSums {
    fn add(&mut self, value: Value, place: Range<usize>) {
        self.values.push(value);
        self.places.push(place);
    }

    fn n_numbers(&self) -> usize {
        self.places.iter().map(Range::len).sum()
    }

    fn close_into(
        &mut self,
        commands: &mut Vec<Command<Stored<Spot>>>,
        touched: &mut Vec<Touched>,
        values: &mut Vec<Option<Value>>,
    ) {
        let OpenSums { values: own, mut places } = std::mem::take(self);
        if places.is_empty() {
            return;
        }
        let part = |place: &Range<usize>| (Stored::f32(Spot::Memory(place.start)), place.len());
        commands.push(Command::Sum(places.iter().map(part).collect()));
        values.push(own.first().copied());
        places.push(IN_ORDER);
        touched.push(Touched { reads: Vec::new(), writes: places });
    }
}

/// Where each value lies; `start` is where a block does.
fn places(
    graph: &Graph,
    order: &Order,
    steps: &Steps,
    layout: &Layout,
    start: &dyn Fn(usize) -> usize,
) -> Result<BTreeMap<Value, Range<usize>>, Fault> {
    let number = |input: Value| steps.numbers.iter().position(|&number| number == input);
    let mut places = BTreeMap::new();
    for value in graph.values() {
        let owner = order.owner(value);
        let owner = order.over.get(&owner).copied().unwrap_or(owner);
        let kept = layout.find(graph, owner).map(|range| range.start);
        let found = kept
            .or_else(|| number(owner).map(|at| start(steps.given) + at))
            .or_else(|| steps.own.get(&owner).map(|&block| start(block)));
        let nowhere = || Fault::internal(format!("no memory for {}", print::line(graph, value)));
        let begin = found.ok_or_else(nowhere)? + order.parts[&value].offset;
        places.insert(value, begin..begin + steps.words(graph, value));
    }
    Ok(places)
}

/// A copy of a value, as it is made, and what that touches.
type Made = (Value, Command<Stored<Spot>>, Touched);

/// Where everything lies that steps read and write.
struct Memory<'a> {
    graph: &'a Graph,
    steps: &'a Steps,
    places: &'a BTreeMap<Value, Range<usize>>,
    start: &'a dyn Fn(usize) -> usize,
}

impl Memory<'_> {
    fn value(&self, value: Value) -> Stored<Spot> {
        Stored { at: Spot::Memory(self.places[&value].start), storage: self.steps.forms[&value].storage }
    }

    fn block(&self, block: usize, form: Form) -> Stored<Spot> {
        Stored { at: Spot::Memory((self.start)(block)), storage: form.storage }
    }

    fn copy(&self, key: Key) -> Option<Stored<Spot>> {
        self.steps.copies.find(key).map(|copied| self.block(copied.block, key.1))
    }

    /// What is copied for a step that is the first to read it in some form.
    fn copies(&self, step: &Step, time: usize) -> Result<Vec<Made>, Fault> {
        let keys: BTreeSet<Key> = step.copies.iter().copied().flatten().collect();
        let is_first = |key: &Key| self.steps.copies.find(*key).is_some_and(|copied| copied.first == time);
        let made = keys.into_iter().filter(is_first).filter_map(|key| Some((key, self.copy(key)?)));
        let made = made.map(|((value, form), to)| {
            let formats = [self.steps.forms[&value].format, form.format];
            let touched = Touched {
                reads: vec![self.places[&value].clone()],
                writes: self.copied((value, form)).into_iter().collect(),
            };
            let command = moving::converted(self.graph.shape(value), formats, [self.value(value), to])?;
            Ok((value, command, touched))
        });
        made.collect()
    }

    /// Where a copy lies.
    fn copied(&self, key: Key) -> Option<Range<usize>> {
        self.steps.copies.find(key).map(|copied| self.range(copied.block))
    }

    fn range(&self, block: usize) -> Range<usize> {
        let start = (self.start)(block);
        start..start + self.steps.blocks[block].size
    }

    /// What a step's work reads and writes.
    fn touched(&self, step: &Step) -> Touched {
        let node = self.graph.node(step.value);
        let read = |(input, copy): (&Value, &Option<Key>)| {
            copy.and_then(|key| self.copied(key)).unwrap_or_else(|| self.places[input].clone())
        };
        let reads = node.inputs.iter().zip(&step.copies).map(read).collect();
        let mut writes = vec![self.places[&step.value].clone(), self.range(step.scratch)];
        writes.extend(step.result.map(|(block, _)| self.range(block)));
        Touched { reads, writes }
    }

    /// A step's work, whose tables begin there, and what brings its result into the value's form.
    fn commands(&self, step: &Step, tables: &[usize]) -> Result<Vec<Command<Stored<Spot>>>, Fault> {
        let node = self.graph.node(step.value);
        let at = |place: Place| match place {
            Place::Input(i) => {
                step.copies[i].and_then(|key| self.copy(key)).unwrap_or_else(|| self.value(node.inputs[i]))
            }
            Place::Output => {
                step.result.map_or_else(|| self.value(step.value), |(block, form)| self.block(block, form))
            }
            Place::Scratch(from) => Stored::f32(Spot::Memory((self.start)(step.scratch) + from)),
            Place::Table(i) => Stored::f32(Spot::Table(tables[i])),
        };
        let mut own: Vec<_> = step.commands.iter().map(|command| command.at(&at)).collect();
        if let Some((block, form)) = step.result {
            let formats = [form.format, self.steps.forms[&step.value].format];
            let places = [self.block(block, form), self.value(step.value)];
            own.push(moving::converted(&node.shape, formats, places)?);
        }
        Ok(own)
    }
}

#[cfg(test)]
mod tests {
    use super::{Spot, Stored, sequence};
    use crate::graph::attrs::Attrs;
    use crate::graph::builder::Builder;
    use crate::graph::{Graph, Init, StateKind};
    use crate::kernels::cuda::launch::{Argument, Command};
    use crate::kernels::cuda::precision::Precision;
    use crate::ops::binary::{ADD, MULTIPLY, SUBTRACT};
    use crate::ops::matmul::MATMUL;
    use crate::ops::reduce::REDUCE_SUM;
    use crate::plan::layout::Layout;
    use crate::shape::Shape;

    /// `w += x`, and an output that reads `w` before that, or `w` and `w + x` behind.
    fn graph(reads_behind: bool) -> Graph {
        let mut builder = Builder::default();
        let shape = Shape::from([100]);
        let weight = builder.state("w", StateKind::Parameter, &shape, Init::Constant(0.0)).unwrap();
        let x = builder.input("x", &shape);
        let mut add = |a, b| builder.apply(&ADD, Attrs::new(), &[a, b]).unwrap();
        let first = add(weight, x);
        let second = add(weight, if reads_behind { first } else { x });
        let (new, out) = if reads_behind { (first, second) } else { (second, first) };
        builder.output("out", out);
        builder.update(weight, new).unwrap();
        builder.finish()
    }

    #[test]
    fn a_state_is_written_over_where_nobody_reads_it_later() {
        for (reads_behind, copies) in [(false, 0), (true, 1)] {
            let graph = graph(reads_behind);
            let layout = Layout::new([&graph]).unwrap();
            let plan = sequence(graph, &layout, Precision::F32, &|_| Ok(false)).unwrap();
            let copied = plan.commands.iter().filter(|command| matches!(command, Command::Copy { .. }));
            assert_eq!(copied.count(), copies);
            let update = plan.graph.updates[0];
            assert_eq!(plan.places[&update.value] == plan.places[&update.state], copies == 0);
        }
    }

    /// `w² x`, which changes `w` or not.
    fn squared(changes: bool) -> Graph {
        let mut builder = Builder::default();
        let shape = Shape::from([100]);
        let weight = builder.state("w", StateKind::Parameter, &shape, Init::Constant(0.0)).unwrap();
        let x = builder.input("x", &shape);
        let square = builder.apply(&MULTIPLY, Attrs::new(), &[weight, weight]).unwrap();
        let out = builder.apply(&MULTIPLY, Attrs::new(), &[square, x]).unwrap();
        builder.output("out", out);
        if changes {
            builder.update(weight, out).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn what_depends_on_states_alone_is_done_once_where_they_stay() {
        // With a change the new state is copied, too, as it is an output beside.
        for (changes, expected) in [(false, [1, 1]), (true, [0, 3])] {
            let graph = squared(changes);
            let layout = Layout::new([&graph]).unwrap();
            let plan = sequence(graph, &layout, Precision::F32, &|_| Ok(false)).unwrap();
            assert_eq!([plan.setup.len(), plan.commands.len()], expected);
            // The square, the input and the numbers that a step is given have memory of their own in the whole step.
            assert!(changes || plan.transient >= 3 * 100);
        }
    }

    /// `x · w` and `w · w`, by a library.
    fn products() -> Graph {
        let mut builder = Builder::default();
        let shape = Shape::from([8, 8]);
        let weight = builder.state("w", StateKind::Parameter, &shape, Init::Constant(0.0)).unwrap();
        let x = builder.input("x", &shape);
        for (name, factor) in [("of images", x), ("of weights", weight)] {
            let product = builder.apply(&MATMUL, Attrs::new(), &[factor, weight]).unwrap();
            builder.output(name, product);
        }
        builder.finish()
    }

    #[test]
    fn the_setup_makes_the_copies_that_it_shares_with_later_steps() {
        let graph = products();
        let layout = Layout::new([&graph]).unwrap();
        let plan = sequence(graph, &layout, Precision::Bf16, &|_| Ok(true)).unwrap();
        let [Command::Launch(cast), Command::Product(once)] = plan.setup.as_slice() else {
            panic!("{:?}", plan.setup)
        };
        let products = plan.commands.iter().filter_map(|command| match command {
            Command::Product(product) => Some(product),
            _ => None,
        });
        let copy = once.b;
        assert!(cast.arguments.contains(&Argument::Memory(copy)) && copy == once.a);
        assert_eq!(products.map(|each| each.b).collect::<Vec<_>>(), [copy]);
        // Nothing else lies on the copy.
        let written = plan.places.values().filter(|range| range.start >= layout.len());
        let Stored { at: Spot::Memory(at), .. } = copy else { panic!("{copy:?}") };
        assert!(written.into_iter().all(|range| range.end <= at || at + 32 <= range.start));
    }

    /// `w -= lr g` for weights of several sizes; where `tied`, the second reads what the first writes.
    fn descent(tied: bool) -> Graph {
        let mut builder = Builder::default();
        let lr = builder.input("lr", &Shape::default());
        let mut first = None;
        for n in [5, 4000, 1200] {
            let shape = Shape::from([n]);
            let name = format!("w{n}");
            let weight = builder.state(&name, StateKind::Parameter, &shape, Init::Constant(0.0)).unwrap();
            let grad = builder.input("g", &shape);
            let apply = |builder: &mut Builder, op, inputs: &[_]| builder.apply(op, Attrs::new(), inputs);
            let step = apply(&mut builder, &MULTIPLY, &[grad, lr]).unwrap();
            let next = apply(&mut builder, &SUBTRACT, &[weight, step]).unwrap();
            builder.update(weight, next).unwrap();
            let other = *first.get_or_insert(weight);
            if tied && other != weight {
                let sum = builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", [0]), &[other]).unwrap();
                builder.output("sum", sum);
            }
        }
        builder.finish()
    }

    #[test]
    fn a_rule_on_many_weights_is_one_launch_behind_everything_else() {
        for tied in [false, true] {
            let graph = descent(tied);
            let layout = Layout::new([&graph]).unwrap();
            let plan = sequence(graph, &layout, Precision::F32, &|_| Ok(false)).unwrap();
            let last = plan.commands.last().unwrap();
            let Command::Launch(launch) = last else { panic!("{last:?}") };
            // Blocks of 256 threads with four numbers each, for 5, 4000 and 1200 numbers.
            assert_eq!((launch.blocks, plan.commands.len()), (1 + 4 + 2, if tied { 6 } else { 4 }));
            let first: Vec<u32> =
                plan.tables.iter().step_by(plan.tables.len() / 3).map(|number| number.to_bits()).collect();
            assert_eq!(first, [0, 1, 5]);
        }
    }
}
