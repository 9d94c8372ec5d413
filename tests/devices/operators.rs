//! The operators of all cases and of their gradients on one device, each against its reference evaluation.

use std::collections::{BTreeMap, BTreeSet};

use dslc::graph::op::Op;
use dslc::graph::{Graph, Node, Value, leaf};
use dslc::kernels::cuda::launch::{Command, Place, Prepared};
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::prepare;
use dslc::ops::OPS;
use dslc::shape::Shape;
use dslc::tensor::{self, Device, Tensor};

use crate::op_cases::{cases, graph, numbers_of};
use crate::support::distance;

/// What computes the operators.
pub enum Subject {
    /// Own kernels, so many runs of each operator: later runs may be done in another way than the first.
    Machine(Box<dyn Machine>, usize),
    /// The reference evaluation, on another device.
    Candle(Device),
}

/// A node with its operands and its result.
struct Trial {
    title: String,
    node: Node,
    inputs: Vec<Tensor>,
    expected: Vec<f32>,
}

/// How far from the reference a result may be, of the largest number that is expected.
const TOLERANCE: f32 = 5e-5;

/// Numbers between the operands, where nothing may be written.
const GAP: usize = 64;

fn trials() -> Vec<Trial> {
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
            tensors.insert(value, result.clone());
            if !node.inputs.is_empty() && !node.op.is_view() {
                let title = format!("{} within {}", node.op.name(), case.title());
                let expected = tensor::to_vec(&result).unwrap();
                trials.push(Trial { title, node: node.clone(), inputs: operands, expected });
            }
        }
    }
    trials
}

/// How many operators were tried, and what is wrong with which.
pub fn operators(subject: Subject) -> (usize, Vec<String>) {
    let trials = trials();
    let leaves = [leaf::INPUT.name(), leaf::STATE.name(), leaf::CONSTANT.name()];
    let needed = OPS.iter().filter(|op| !op.is_view() && !leaves.contains(&op.name())).map(|op| op.name());
    let tried: BTreeSet<&str> = trials.iter().map(|trial| trial.node.op.name()).collect();
    let mut wrong: Vec<String> =
        needed.filter(|op| !tried.contains(op)).map(|op| format!("{op} was not tried")).collect();
    match subject {
        Subject::Machine(machine, n_runs) => wrong.extend(on_machine(machine, n_runs, &trials)),
        Subject::Candle(device) => wrong.extend(trials.iter().filter_map(|trial| on_candle(&device, trial))),
    }
    (trials.len(), wrong)
}

fn judge(trial: &Trial, actual: &[f32]) -> Option<String> {
    let gap = distance(&trial.expected, actual);
    (gap >= TOLERANCE).then(|| format!("{}: {gap}", trial.title))
}

fn on_candle(device: &Device, trial: &Trial) -> Option<String> {
    let inputs: Vec<Tensor> = trial.inputs.iter().map(|input| input.to_device(device).unwrap()).collect();
    let result = trial.node.op.eval(&trial.node.attrs, &inputs, &trial.node.shape).unwrap();
    judge(trial, &tensor::to_vec(&result).unwrap())
}

/// Where a trial's operands lie in the machine's memory.
struct Laid {
    commands: Vec<Command<usize>>,
    /// What is written before.
    given: Vec<(usize, Vec<f32>)>,
    output: usize,
    scratch: (usize, usize),
    len: usize,
}

fn lay(trial: &Trial, machine: &dyn Machine) -> Laid {
    let shapes: Vec<Shape> = trial.inputs.iter().map(|input| Shape::new(input.dims())).collect();
    let shapes: Vec<&Shape> = shapes.iter().collect();
    let mut prepared =
        prepare(&trial.node, &shapes).unwrap_or_else(|fault| panic!("{}: {fault}", trial.title));
    if let Some(library) = prepared.library.take_if(|library| machine.offers(&library[0])) {
        prepared = Prepared { commands: library, ..Prepared::default() };
    }
    let mut len = GAP;
    let mut take = |size: usize| {
        let at = len;
        len += (size + GAP).next_multiple_of(GAP);
        at
    };
    let inputs: Vec<(usize, Vec<f32>)> =
        trial.inputs.iter().map(|input| (take(input.elem_count()), tensor::to_vec(input).unwrap())).collect();
    let tables: Vec<_> = prepared.tables.iter().map(|table| (take(table.len()), table.clone())).collect();
    let (output, scratch) = (take(trial.node.shape.elements()), take(prepared.scratch));
    let place = |place: Place| match place {
        Place::Input(i) => inputs[i].0,
        Place::Output => output,
        Place::Scratch(from) => scratch + from,
        Place::Table(i) => tables[i].0,
    };
    let commands = prepared.commands.iter().map(|command| command.at(&place)).collect();
    let given = inputs.into_iter().chain(tables).collect();
    Laid { commands, given, output, scratch: (scratch, prepared.scratch), len }
}

fn on_machine(mut machine: Box<dyn Machine>, n_runs: usize, trials: &[Trial]) -> Vec<String> {
    let laid: Vec<Laid> = trials.iter().map(|trial| lay(trial, &*machine)).collect();
    let len = laid.iter().map(|laid| laid.len).max().unwrap();
    machine.begin(len, laid.iter().map(|laid| laid.commands.clone()).collect()).unwrap();
    let mut wrong = Vec::new();
    for (program, (trial, laid)) in trials.iter().zip(&laid).enumerate() {
        // Whatever memory held before must not matter, and what lies beside the results must stay.
        let mut memory = vec![f32::NAN; laid.len];
        for (at, numbers) in &laid.given {
            memory[*at..at + numbers.len()].copy_from_slice(numbers);
        }
        machine.write(0, &memory).unwrap();
        for _ in 0..n_runs {
            machine.run(program).unwrap_or_else(|fault| panic!("{}: {fault}", trial.title));
        }
        let mut after = vec![0.0; laid.len];
        machine.read(0, &mut after).unwrap_or_else(|fault| panic!("{}: {fault}", trial.title));
        let results = [(laid.output, trial.expected.len()), laid.scratch];
        wrong.extend(judge(trial, &after[laid.output..laid.output + trial.expected.len()]));
        let beside = (0..laid.len).find(|&i| {
            !results.iter().any(|&(at, n)| (at..at + n).contains(&i))
                && memory[i].to_bits() != after[i].to_bits()
        });
        wrong.extend(beside.map(|i| format!("{}: wrote beside its result, at {i}", trial.title)));
    }
    wrong
}
