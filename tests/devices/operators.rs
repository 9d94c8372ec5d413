//! The operators of all cases and of their gradients on one device, each against its reference evaluation, with operands
//! and results in f32 or all of them in bf16.

use std::collections::{BTreeMap, BTreeSet};

use dslc::graph::op::Op;
use dslc::graph::{Graph, Node, Value, leaf};
use dslc::kernels::cuda;
use dslc::kernels::cuda::format::Format;
use dslc::kernels::cuda::launch::{Command, Place, Prepare, Prepared, in_order};
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::prepare;
use dslc::kernels::cuda::storage::{Storage, Stored};
use dslc::ops::OPS;
use dslc::shape::Shape;
use dslc::tensor::{self, Device, Tensor};

use crate::op_cases::{cases, graph, numbers_of};
use crate::support::distance;
use crate::words::{laid, pack, rounded, unpack};

/// What computes the operators.
pub enum Subject {
    /// Own kernels on numbers of this storage, so many runs of each operator: later runs may be done in another way than
    /// the first.
    Machine(Box<dyn Machine>, usize, Storage),
    /// The reference evaluation, on another device.
    Candle(Device),
}

const FIRST: Format = Format::ChannelsFirst;
const LAST: Format = Format::ChannelsLast;

/// A node with its operands and its result, which lie in a format.
struct Trial {
    title: String,
    node: Node,
    format: Format,
    shapes: Vec<Shape>,
    inputs: Vec<Tensor>,
    expected: Vec<f32>,
}

/// How far from the reference a result may be that is rounded to its storage so often, of the largest number that is
/// expected. A number has 8 bits as bf16, so that a rounding moves it by 2⁻⁸ of it at most.
fn tolerance(storage: Storage, roundings: i32) -> f32 {
    match storage {
        Storage::F32 => 5e-5,
        Storage::Bf16 => 2f32.powi(-8) * (1.05 + (roundings - 1) as f32),
    }
}

/// Numbers between the operands, where nothing may be written.
const GAP: usize = 64;

/// Every operator on numbers that are stored so.
fn trials(storage: Storage) -> Vec<Trial> {
    let mut trials = Vec::new();
    for case in cases() {
        let (graph, inputs, grad): (Graph, Vec<Value>, Value) = graph(&case).unwrap();
        let mut tensors: BTreeMap<Value, Tensor> = BTreeMap::new();
        for value in graph.values() {
            let node = graph.node(value);
            let operands: Vec<Tensor> = node.inputs.iter().map(|input| tensors[input].clone()).collect();
            let result = match numbers_of(&case, &inputs, grad, value, &node.shape) {
                Some(numbers) => tensor::from_slice(&numbers, &node.shape, &Device::Cpu).unwrap(),
                None => node.op.eval(&node.attrs, &operands, &node.shape).unwrap(),
            };
            let stored = rounded(&tensor::to_vec(&result).unwrap(), storage);
            tensors.insert(value, tensor::from_slice(&stored, &node.shape, &Device::Cpu).unwrap());
            if !node.inputs.is_empty() && !node.op.is_view() {
                let shapes: Vec<Shape> = operands.iter().map(|input| Shape::new(input.dims())).collect();
                let matters = shapes.iter().chain([&node.shape]).any(|shape| LAST.of(shape) == LAST);
                for format in [FIRST, LAST].into_iter().take(if matters { 2 } else { 1 }) {
                    let title = format!("{} within {}, {format:?}", node.op.name(), case.title());
                    let inputs = operands.iter().map(|input| laid_as(input, format)).collect();
                    let expected = tensor::to_vec(&laid_as(&result, format)).unwrap();
                    let (node, shapes) = (node.clone(), shapes.clone());
                    trials.push(Trial { title, node, format, shapes, inputs, expected });
                }
            }
        }
    }
    trials
}

/// A value as it lies where a step has all of its operands in a format.
fn laid_as(value: &Tensor, format: Format) -> Tensor {
    let shape = Shape::new(value.dims());
    match format.of(&shape) {
        FIRST => value.clone(),
        LAST => {
            let mut dims = vec![1; 4 - value.rank()];
            dims.extend(value.dims());
            laid(&value.reshape(dims).unwrap(), format)
        }
    }
}

/// The operators that a device must be able to do.
pub fn needed() -> impl Iterator<Item = &'static str> {
    let leaves = [leaf::INPUT.name(), leaf::STATE.name(), leaf::CONSTANT.name()];
    let computed = OPS.iter().filter(move |op| !op.is_view() && !leaves.contains(&op.name()));
    computed.map(|op| op.name())
}

/// How many operators were tried, all or those of one name, and what is wrong with which.
pub fn operators(subject: Subject, only: Option<&str>) -> (usize, Vec<String>) {
    let storage = match &subject {
        Subject::Machine(_, _, storage) => *storage,
        Subject::Candle(_) => Storage::F32,
    };
    let mut trials = trials(storage);
    let is_asked = |op: &str| only.is_none_or(|only| only == op);
    trials.retain(|trial| is_asked(trial.node.op.name()));
    if let Subject::Candle(_) = subject {
        trials.retain(|trial| trial.format == FIRST);
    }
    let tried: BTreeSet<&str> = trials.iter().map(|trial| trial.node.op.name()).collect();
    let mut wrong: Vec<String> = needed()
        .filter(|op| is_asked(op) && !tried.contains(op))
        .map(|op| format!("{op} was not tried"))
        .collect();
    let n_trials = match subject {
        Subject::Machine(machine, n_runs, storage) => {
            let (n_trials, found) = on_machine(machine, n_runs, storage, &trials, &is_asked);
            wrong.extend(found);
            n_trials
        }
        Subject::Candle(device) => {
            wrong.extend(trials.iter().filter_map(|trial| on_candle(&device, trial)));
            trials.len()
        }
    };
    (n_trials, wrong)
}

fn judge(trial: &Trial, tolerance: f32, actual: &[f32]) -> Option<String> {
    let gap = distance(&trial.expected, actual);
    (gap >= tolerance).then(|| format!("{}: {gap}", trial.title))
}

fn on_candle(device: &Device, trial: &Trial) -> Option<String> {
    let inputs: Vec<Tensor> = trial.inputs.iter().map(|input| input.to_device(device).unwrap()).collect();
    let result = trial.node.op.eval(&trial.node.attrs, &inputs, &trial.node.shape).unwrap();
    judge(trial, tolerance(Storage::F32, 1), &tensor::to_vec(&result).unwrap())
}

/// Where a trial's operands lie in the machine's memory.
struct Laid {
    commands: Vec<Command<Stored<usize>>>,
    /// What is written before, word by word.
    given: Vec<(usize, Vec<f32>)>,
    output: usize,
    scratch: (usize, usize),
    len: usize,
    /// Two where a library leaves a result to which something is added.
    roundings: i32,
}

/// What memory holds before.
const BEFORE: f32 = f32::NAN;

/// Whether there are kernels for values with channels last.
fn has_both_formats(op: &'static dyn Op) -> bool {
    match cuda::find(op) {
        Some(Prepare::Any(_)) => true,
        Some(Prepare::First(_)) => false,
        None => op.is_elementwise(),
    }
}

/// `None` where nothing computes it in that format.
fn lay(trial: &Trial, machine: &dyn Machine, storage: Storage) -> Option<Laid> {
    let shapes: Vec<&Shape> = trial.shapes.iter().collect();
    let prepared = prepare(&trial.node, &shapes, trial.format);
    let mut prepared = prepared.unwrap_or_else(|fault| panic!("{}: {fault}", trial.title))?;
    let mut roundings = 1;
    if let Some(library) =
        prepared.library.take_if(|library| !prepared.leads && machine.offers(&library[0]).unwrap())
    {
        roundings = library.len() as i32;
        prepared = Prepared { commands: library, ..Prepared::default() };
    }
    if prepared.commands.is_empty() {
        assert_eq!(trial.format, LAST, "{} has no kernel", trial.title);
        return None;
    }
    let mut len = GAP;
    let mut take = |size: usize| {
        let at = len;
        len += (size + GAP).next_multiple_of(GAP);
        at
    };
    let packed = |input: &Tensor| pack(&tensor::to_vec(input).unwrap(), storage, BEFORE);
    let inputs: Vec<(usize, Vec<f32>)> =
        trial.inputs.iter().map(packed).map(|words| (take(words.len()), words)).collect();
    let tables: Vec<_> = prepared.tables.iter().map(|table| (take(table.len()), table.clone())).collect();
    let (output, scratch) = (take(storage.words(trial.node.shape.elements())), take(prepared.scratch));
    let place = |place: Place| match place {
        Place::Input(i) => Stored { at: inputs[i].0, storage },
        Place::Output => Stored { at: output, storage },
        Place::Scratch(from) => Stored::f32(scratch + from),
        Place::Table(i) => Stored::f32(tables[i].0),
    };
    let commands = prepared.commands.iter().map(|command| command.at(&place)).collect();
    let given = inputs.into_iter().chain(tables).collect();
    Some(Laid { commands, given, output, scratch: (scratch, prepared.scratch), len, roundings })
}

fn on_machine(
    mut machine: Box<dyn Machine>,
    n_runs: usize,
    storage: Storage,
    trials: &[Trial],
    is_asked: &dyn Fn(&str) -> bool,
) -> (usize, Vec<String>) {
    let laid = trials.iter().filter_map(|trial| Some((trial, lay(trial, &*machine, storage)?)));
    let laid: Vec<(&Trial, Laid)> = laid.collect();
    let last: BTreeSet<&str> = laid
        .iter()
        .filter(|(trial, _)| trial.format == LAST)
        .map(|(trial, _)| trial.node.op.name())
        .collect();
    let needed = OPS.iter().filter(|op| has_both_formats(**op)).map(|op| op.name()).filter(|op| is_asked(op));
    let mut wrong: Vec<String> = needed
        .filter(|op| !last.contains(op))
        .map(|op| format!("{op} was not tried with channels last"))
        .collect();
    let Some(len) = laid.iter().map(|(_, laid)| laid.len).max() else { return (0, wrong) };
    machine.begin(len, laid.iter().map(|(_, laid)| in_order(laid.commands.clone())).collect()).unwrap();
    for (program, (trial, laid)) in laid.iter().enumerate() {
        // Whatever memory held before must not matter, and what lies beside the results must stay.
        let mut memory = vec![BEFORE; laid.len];
        for (at, numbers) in &laid.given {
            memory[*at..at + numbers.len()].copy_from_slice(numbers);
        }
        machine.write(0, &memory).unwrap();
        for _ in 0..n_runs {
            machine.run(program).unwrap_or_else(|fault| panic!("{}: {fault}", trial.title));
        }
        let mut after = vec![0.0; laid.len];
        machine.read(0, &mut after).unwrap_or_else(|fault| panic!("{}: {fault}", trial.title));
        let n = trial.expected.len();
        let words = &after[laid.output..laid.output + storage.words(n)];
        let actual = unpack(words, storage, n);
        wrong.extend(judge(trial, tolerance(storage, laid.roundings), &actual));
        let untouched = pack(&actual, storage, BEFORE);
        if words.last().map(|word| word.to_bits()) != untouched.last().map(|word| word.to_bits()) {
            wrong.push(format!("{}: wrote behind its result", trial.title));
        }
        let results = [(laid.output, words.len()), laid.scratch];
        let beside = (0..laid.len).find(|&i| {
            !results.iter().any(|&(at, n)| (at..at + n).contains(&i))
                && memory[i].to_bits() != after[i].to_bits()
        });
        wrong.extend(beside.map(|i| format!("{}: wrote beside its result, at {i}", trial.title)));
    }
    (laid.len(), wrong)
}
