//! The CUDA kernels without a GPU: every op's kernels, compiled for the host, against its reference evaluation. Shows
//! that formulas and positions are right, and nothing about a GPU.

mod host;

use std::collections::{BTreeMap, BTreeSet};

use dslc::graph::op::Op;
use dslc::graph::{Graph, Value, leaf};
use dslc::kernels::cuda::KERNELS;
use dslc::kernels::cuda::launch::{Command, Place};
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::prepare;
use dslc::ops::OPS;
use dslc::shape::Shape;
use dslc::tensor::{self, Device, Tensor};

use crate::cuda::host::Host;
use crate::kernels::{cases, graph, numbers_of};
use crate::support::distance;

/// One node to be computed: where its operands lie, and what it should give.
struct Trial {
    title: String,
    op: &'static str,
    inputs: Vec<(usize, Vec<f32>)>,
    tables: Vec<(usize, Vec<f32>)>,
    output: usize,
    expected: Vec<f32>,
    /// All memory that it uses.
    len: usize,
    /// Where it may write.
    writes: Vec<(usize, usize)>,
    commands: Vec<Command<usize>>,
}

/// A gap behind every operand, where nothing may be written.
const GAP: usize = 64;

fn trial(graph: &Graph, value: Value, tensors: &BTreeMap<Value, Tensor>, title: String) -> Trial {
    let node = graph.node(value);
    let shapes: Vec<&Shape> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
    let prepared = prepare(node, &shapes).unwrap_or_else(|fault| panic!("{title}: {fault}"));
    let mut len = GAP;
    let mut take = |size: usize| {
        let at = len;
        len += size + GAP;
        at
    };
    let inputs: Vec<(usize, Vec<f32>)> = node
        .inputs
        .iter()
        .map(|input| (take(graph.shape(*input).elements()), tensor::to_vec(&tensors[input]).unwrap()))
        .collect();
    let tables: Vec<_> = prepared.tables.iter().map(|table| (take(table.len()), table.clone())).collect();
    let (output, scratch) = (take(node.shape.elements()), take(prepared.scratch));
    let place = |place: Place| match place {
        Place::Input(i) => inputs[i].0,
        Place::Output => output,
        Place::Scratch(from) => scratch + from,
        Place::Table(i) => tables[i].0,
    };
    let commands = prepared.commands.iter().map(|command| command.at(&place)).collect();
    let writes = vec![(output, node.shape.elements()), (scratch, prepared.scratch)];
    let expected = tensor::to_vec(&tensors[&value]).unwrap();
    Trial { title, op: node.op.name(), inputs, tables, output, expected, len, writes, commands }
}

/// Every node of every case that a kernel computes.
fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for case in cases() {
        let (graph, inputs, grad) = graph(&case).unwrap();
        let mut tensors: BTreeMap<Value, Tensor> = BTreeMap::new();
        for value in graph.values() {
            let node = graph.node(value);
            let reference = match numbers_of(&case, &inputs, grad, value, &node.shape) {
                Some(numbers) => tensor::from_slice(&numbers, &node.shape, &Device::Cpu).unwrap(),
                None => {
                    let operands: Vec<Tensor> =
                        node.inputs.iter().map(|input| tensors[input].clone()).collect();
                    node.op.eval(&node.attrs, &operands, &node.shape).unwrap()
                }
            };
            tensors.insert(value, reference);
            if !node.inputs.is_empty() && !node.op.is_view() {
                trials.push(trial(&graph, value, &tensors, case.title()));
            }
        }
    }
    trials
}

#[test]
fn every_op_has_work_for_cuda() {
    let leaves = [leaf::INPUT.name(), leaf::STATE.name(), leaf::CONSTANT.name()];
    let needed = OPS.iter().filter(|op| !op.is_view() && !leaves.contains(&op.name()));
    let listed: BTreeSet<&str> = KERNELS.iter().map(|(name, _)| *name).collect();
    let missing: Vec<&str> = needed
        .clone()
        .filter(|op| !op.is_elementwise())
        .map(|op| op.name())
        .filter(|op| !listed.contains(op))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
    let compared: BTreeSet<&str> = trials().iter().map(|trial| trial.op).collect();
    assert_eq!(compared, needed.map(|op| op.name()).collect());
}

#[test]
fn kernels_for_cuda_compute_on_the_host_what_their_ops_mean() {
    let Some(mut host) = Host::new() else {
        println!("skipped: no C++ compiler, so the CUDA kernels were not run on the host");
        return;
    };
    let trials = trials();
    let len = trials.iter().map(|trial| trial.len).max().unwrap();
    host.begin(len, trials.iter().map(|trial| trial.commands.clone()).collect()).unwrap();
    for (program, trial) in trials.iter().enumerate() {
        // Whatever memory held before must not matter, and what lies beside the operands must stay.
        let mut memory = vec![f32::NAN; trial.len];
        for (at, numbers) in trial.inputs.iter().chain(&trial.tables) {
            memory[*at..at + numbers.len()].copy_from_slice(numbers);
        }
        host.write(0, &memory).unwrap();
        host.run(program).unwrap();
        let mut after = vec![0.0; trial.len];
        host.read(0, &mut after)
            .unwrap_or_else(|fault| panic!("{} within {}: {fault}", trial.op, trial.title));
        let gap = distance(&trial.expected, &after[trial.output..trial.output + trial.expected.len()]);
        assert!(gap < 5e-5, "{} within {}: {gap}", trial.op, trial.title);
        for (i, (before, after)) in memory.iter().zip(&after).enumerate() {
            let may = trial.writes.iter().any(|&(at, n)| (at..at + n).contains(&i));
            assert!(
                may || before.to_bits() == after.to_bits(),
                "{} within {} wrote beside",
                trial.op,
                trial.title
            );
        }
    }
}
