//! Graph → the commands of a device with kernels of its own: node after node, each on whole values, in one piece of
//! memory. States and constants come first, as in every plan of the session; behind them values share memory where
//! their lifetimes allow it.
//!
//! A value that another node reads under another shape, that is read from outside, or that has no row an image, lies with
//! channels first; any other as the step leaves it that makes it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diag::Fault;
use crate::graph::{Graph, Value, print};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{Command, Place, Prepared};
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::{Form, Storage, Stored};
use crate::kernels::cuda::{is_by_element, moving};
use crate::plan::copies::{Copies, Key};
use crate::plan::forms::{Offers, Work, work};
use crate::plan::layout::Layout;
use crate::plan::memory::{Block, place};
use crate::plan::parts::parts;
use crate::plan::rules::{self, Rule};
use crate::plan::schedule::{Schedule, Slot};
use crate::plan::storage::storages;
use crate::shape::Shape;

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

/// A node with its work and the block of memory of its own.
struct Step {
    value: Value,
    commands: Vec<Command<Place>>,
    tables: Vec<Vec<f32>>,
    scratch: usize,
    /// The copies of its inputs that it reads instead of them.
    copies: Vec<Option<Key>>,
    /// Where it leaves its result in another form than the value's, and that form.
    result: Option<(usize, Form)>,
}

/// Plans one graph; `layout` must have been made of it, too. `offers` says what the device does by itself.
pub fn sequence(
    graph: Graph,
    layout: &Layout,
    precision: Precision,
    offers: Offers<'_>,
) -> Result<Sequence, Fault> {
    let slots = Schedule::new(&graph).slots;
    let parts = parts(&graph, &slots);
    let owner: BTreeMap<Value, Value> = parts.iter().map(|(&value, part)| (value, part.owner)).collect();
    let storages = storages(&graph, precision);
    let of_storage = |storage: Storage| Form { storage, ..Form::default() };
    // The formats follow step by step.
    let mut forms: BTreeMap<Value, Form> =
        storages.into_iter().map(|(value, storage)| (value, of_storage(storage))).collect();
    let is_free = free(&graph, &slots, &owner);
    let order: Vec<Value> = graph
        .values()
        .filter(|&value| owner[&value] == value && !graph.node(value).inputs.is_empty())
        .collect();
    let rules = rules::rules(&graph, &order);
    let mut order = rules::last(order, &rules);
    // The setup first: a copy that it shares with later steps is made there.
    let frozen = frozen(&graph);
    order.sort_by_key(|value| !frozen.contains(value));
    let end = order.len();
    let over = overwritten(&graph, &owner, &order);
    let apart = |value: Value| !layout.holds(&graph, value) && !over.contains_key(&value);
    let mut blocks: Vec<Block> = Vec::new();
    let mut want = |size: usize, start: usize, end: usize| {
        blocks.push(Block { size, start, end });
        blocks.len() - 1
    };
    // The last step that reads each value.
    let mut last: BTreeMap<Value, usize> = BTreeMap::new();
    for (time, &value) in order.iter().enumerate() {
        for input in &graph.node(value).inputs {
            // Rules are done together: none may write over what another reads.
            let until = if rules.contains_key(&value) { end } else { time };
            let last = last.entry(owner[input]).or_insert(until);
            *last = until.max(*last);
        }
    }
    for root in graph.roots() {
        last.insert(owner[&root], end);
    }
    let (numbers, arrays): (Vec<Value>, Vec<Value>) =
        graph.inputs.iter().partition(|&&input| graph.shape(input).rank() == 0);
    let given = want(numbers.len() + CONTROL, 0, end);
    let mut own: BTreeMap<Value, usize> = BTreeMap::new();
    for input in arrays {
        let until = last.get(&input).copied().unwrap_or(0);
        own.insert(input, want(words(&graph, &forms, input), 0, until));
    }
    let mut steps: Vec<Step> = Vec::with_capacity(end);
    let mut copies = Copies::default();
    for (time, &value) in order.iter().enumerate() {
        let node = graph.node(value);
        if apart(value) {
            let until = last.get(&value).copied().unwrap_or(time);
            let (start, until) = if frozen.contains(&value) { (0, end) } else { (time, until) };
            own.insert(value, want(words(&graph, &forms, value), start, until));
        }
        let inputs: Vec<(&Shape, Form)> =
            node.inputs.iter().map(|input| (graph.shape(*input), forms[input])).collect();
        let Work { prepared, inputs, output } =
            work(node, &inputs, forms[&value].storage, precision, offers)?;
        let Prepared { commands, scratch, tables, .. } = prepared;
        if is_free.contains(&value) {
            forms.insert(value, Form { format: output.format, ..forms[&value] });
        }
        // The setup is done when inputs may be there, and what it has made stays.
        let (start, until) = if frozen.contains(&value) { (0, end) } else { (time, time) };
        let copied = node.inputs.iter().zip(inputs).map(|(input, form)| {
            if form == forms[input] {
                return None;
            }
            let is_whole = graph.shape(*input).elements() == graph.shape(owner[input]).elements();
            let is_same = is_whole && form.format == Format::ChannelsFirst;
            let of = if is_same { owner[input] } else { *input };
            let (start, until) = if frozen.contains(&of) { (0, end) } else { (start, until) };
            copies.want((of, form), time, start, until);
            Some((of, form))
        });
        let copied = copied.collect();
        let n = node.shape.elements();
        let result = (output != forms[&value]).then(|| (want(output.storage.words(n), start, time), output));
        let scratch = want(scratch, start, time);
        steps.push(Step { value, commands, tables, scratch, copies: copied, result });
    }
    copies.place(|(of, form), copied| {
        want(form.storage.words(graph.shape(of).elements()), copied.start, copied.last)
    });
    let (offsets, transient) = place(&blocks);
    let start = |block: usize| layout.len() + offsets[block];

    let given = start(given)..start(given) + blocks[given].size;
    let number = |input: Value| numbers.iter().position(|&number| number == input);
    let mut places = BTreeMap::new();
    for value in graph.values() {
        let owned = owner[&value];
        let owned = over.get(&owned).copied().unwrap_or(owned);
        let kept = layout.find(&graph, owned);
        let found = kept
            .or_else(|| number(owned).map(|at| given.start + at..given.start + at + 1))
            .or_else(|| own.get(&owned).map(|&b| start(b)..start(b) + blocks[b].size));
        let nowhere = || Fault::internal(format!("no memory for {}", print::line(&graph, value)));
        let whole: Range<usize> = found.ok_or_else(nowhere)?;
        let begin = whole.start + parts[&value].offset;
        places.insert(value, begin..begin + words(&graph, &forms, value));
    }
    let (mut setup, mut commands) = (Vec::new(), Vec::new());
    let (mut values, mut tables) = (Vec::new(), Vec::new());
    let mut depths: BTreeMap<usize, Vec<Rule>> = BTreeMap::new();
    for (time, step) in steps.iter().enumerate() {
        let node = graph.node(step.value);
        let begins = step.tables.iter().map(|table| {
            let begin = tables.len();
            tables.extend_from_slice(table);
            begin
        });
        let begins: Vec<usize> = begins.collect();
        let of =
            |value: Value| Stored { at: Spot::Memory(places[&value].start), storage: forms[&value].storage };
        let block =
            |block: usize, form: Form| Stored { at: Spot::Memory(start(block)), storage: form.storage };
        let copy = |key: Key| copies.find(key).map(|copied| (copied.first, block(copied.block, key.1)));
        let at = |place: Place| match place {
            Place::Input(i) => step.copies[i].and_then(copy).map_or(of(node.inputs[i]), |(_, at)| at),
            Place::Output => step.result.map_or(of(step.value), |(number, form)| block(number, form)),
            Place::Scratch(from) => Stored::f32(Spot::Memory(start(step.scratch) + from)),
            Place::Table(i) => Stored::f32(Spot::Table(begins[i])),
        };
        let mut own = Vec::new();
        for key in step.copies.iter().copied().flatten().collect::<BTreeSet<Key>>() {
            let (value, form) = key;
            if let Some((_, to)) = copy(key).filter(|(first, _)| *first == time) {
                let formats = [forms[&value].format, form.format];
                let made = moving::converted(graph.shape(value), formats, [of(value), to])?;
                if frozen.contains(&value) { setup.push(made) } else { own.push(made) }
            }
        }
        own.extend(step.commands.iter().map(|command| command.at(&at)));
        if let Some((number, form)) = step.result {
            let formats = [form.format, forms[&step.value].format];
            own.push(moving::converted(&node.shape, formats, [block(number, form), of(step.value)])?);
        }
        match rules.get(&step.value) {
            Some(&depth) => {
                let own = own.into_iter().map(|command| (command, step.value));
                depths.entry(depth).or_default().extend(own);
            }
            None if frozen.contains(&step.value) => setup.extend(own),
            None => {
                values.extend(own.iter().map(|_| Some(step.value)));
                commands.extend(own);
            }
        }
    }
    for rules in depths.into_values() {
        let range = |value: Value| places[&value].clone();
        for (command, value) in rules::joined(&graph, rules, &range, &mut tables) {
            commands.push(command);
            values.push(Some(value));
        }
    }
    for update in &graph.updates {
        let (from, to) = (&places[&update.value], &places[&update.state]);
        if from != to {
            let [from, at] = [from, to].map(|range| Stored::f32(Spot::Memory(range.start)));
            commands.push(Command::Copy { from, to: at, len: to.len() });
            values.push(None);
        }
    }
    Ok(Sequence { graph, setup, commands, values, places, given, tables, transient })
}

/// The values whose format is free: those with a row an image that nobody reads from outside or under another shape.
fn free(graph: &Graph, slots: &BTreeMap<Value, Slot>, owner: &BTreeMap<Value, Value>) -> BTreeSet<Value> {
    let viewed = graph.values().filter(|value| owner[value] != *value).chain(graph.roots());
    let bound: BTreeSet<Value> = viewed.map(|value| owner[&value]).collect();
    graph.values().filter(|value| slots[value].batched && !bound.contains(value)).collect()
}

/// The values that depend on states and constants alone, in a graph that changes no state.
fn frozen(graph: &Graph) -> BTreeSet<Value> {
    let mut frozen = BTreeSet::new();
    for value in graph.values().filter(|_| graph.updates.is_empty()) {
        let node = graph.node(value);
        let is_made = !node.inputs.is_empty() && node.inputs.iter().all(|input| frozen.contains(input));
        if is_made || (node.inputs.is_empty() && !graph.inputs.contains(&value)) {
            frozen.insert(value);
        }
    }
    frozen
}

/// How much of the memory a value takes.
fn words(graph: &Graph, forms: &BTreeMap<Value, Form>, value: Value) -> usize {
    forms[&value].storage.words(graph.shape(value).elements())
}

/// The updates that can be written over their states, with those: made element by element, when nobody reads the old
/// state any more.
fn overwritten(graph: &Graph, owner: &BTreeMap<Value, Value>, order: &[Value]) -> BTreeMap<Value, Value> {
    let time: BTreeMap<Value, usize> = order.iter().enumerate().map(|(time, &value)| (value, time)).collect();
    let mut last_read: BTreeMap<Value, usize> = BTreeMap::new();
    for (&value, &time) in &time {
        for input in &graph.node(value).inputs {
            let last = last_read.entry(owner[input]).or_default();
            *last = time.max(*last);
        }
    }
    let outputs = graph.outputs.iter().map(|output| output.value);
    let taken: BTreeSet<Value> =
        outputs.chain(graph.updates.iter().map(|update| update.value)).map(|value| owner[&value]).collect();
    let mut over = BTreeMap::new();
    for update in &graph.updates {
        let (state, value) = (update.state, update.value);
        let node = graph.node(value);
        let mut reads = node.inputs.iter().filter(|&&input| owner[&input] == state);
        // Each element is read before it is written, once and by one thread.
        let alone = reads.next().is_some_and(|&input| graph.shape(input) == &node.shape)
            && reads.next().is_none()
            && is_by_element(node.op);
        let is_last = time.get(&value).is_some_and(|time| last_read.get(&state) == Some(time));
        if alone && is_last && !taken.contains(&state) && !over.contains_key(&value) {
            over.insert(value, state);
        }
    }
    over
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
        for n in [5, 1000, 300] {
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
            // Blocks of 256 threads for 5, 1000 and 300 numbers.
            assert_eq!((launch.blocks, plan.commands.len()), (1 + 4 + 2, if tied { 6 } else { 4 }));
            let first: Vec<u32> =
                plan.tables.iter().step_by(plan.tables.len() / 3).map(|number| number.to_bits()).collect();
            assert_eq!(first, [0, 1, 5]);
        }
    }
}
