//! Element-wise ops that only feed one another become one `pointwise` node, which reads and writes memory once.
//! A node joins the group of its readers if they are all in one group of its own shape; so nothing is computed
//! twice, and each group has one result. Every step is rounded as before.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Fault;
use crate::graph::op::Op;
use crate::graph::program::{Operand, Program, Step};
use crate::graph::{Graph, Value, leaf};
use crate::ops::binary::broadcast;
use crate::ops::expand::EXPAND;
use crate::ops::pointwise::{MAX_STEPS, POINTWISE, attrs, reading};
use crate::passes::{Pass, rewrite};
use crate::shape::Shape;

pub struct FusePointwise;

impl Pass for FusePointwise {
    fn name(&self) -> &'static str {
        "fuse_pointwise"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        let mut fused: BTreeMap<Value, Fused> = BTreeMap::new();
        let mut swallowed: BTreeSet<Value> = BTreeSet::new();
        for (result, members) in groups(graph) {
            if let Some(program) = fuse(graph, &members, result) {
                swallowed.extend(members.into_iter().filter(|&member| member != result));
                fused.insert(result, program);
            }
        }
        rewrite(graph, |builder, places, value, node| match fused.get(&value) {
            None if swallowed.contains(&value) => Ok(None),
            None => Ok(Some(builder.copy(graph, value, &places.all(&node.inputs)?))),
            Some(Fused { program, inputs }) => {
                builder.apply(&POINTWISE, attrs(program.clone()), &places.all(inputs)?).map(Some)
            }
        })
    }
}

/// What a group becomes.
struct Fused {
    program: Program,
    inputs: Vec<Value>,
}

/// What values from outside a group its program reads.
#[derive(Clone, Copy, PartialEq)]
enum Leaves {
    /// What is behind a repetition, and numbers instead of constants.
    Narrow,
    /// The values that the members read.
    Whole,
}

/// The members of each group in order, by its result, which is the last of them.
fn groups(graph: &Graph) -> BTreeMap<Value, Vec<Value>> {
    let roots = graph.roots();
    let mut group: BTreeMap<Value, Value> = BTreeMap::new();
    let mut groups: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    // Readers come before what they read.
    for value in graph.values().rev().filter(|&value| is_fusable(graph, value)) {
        let readers: BTreeSet<Option<Value>> =
            graph.users(value).iter().map(|reader| group.get(reader).copied()).collect();
        let shared = match (readers.len(), readers.first()) {
            (1, Some(&Some(result))) if !roots.contains(&value) => Some(result),
            _ => None,
        };
        let joins =
            |result: &Value| graph.shape(*result) == graph.shape(value) && groups[result].len() < MAX_STEPS;
        let result = shared.filter(joins).unwrap_or(value);
        group.insert(value, result);
        groups.entry(result).or_default().insert(0, value);
    }
    groups
}

fn is_fusable(graph: &Graph, value: Value) -> bool {
    let node = graph.node(value);
    let readable = |&input: &Value| reading(graph.shape(input), &node.shape).is_some();
    // Programs are not fused again.
    let plain = node.op.is_elementwise() && node.op.name() != POINTWISE.name();
    plain && node.inputs.iter().all(readable)
}

/// The program of a group, if it is worth one.
fn fuse(graph: &Graph, members: &[Value], result: Value) -> Option<Fused> {
    let shape = graph.shape(result);
    let narrow = write(graph, members, Leaves::Narrow);
    let reads_the_same = || narrow.inputs.iter().all(|input| graph.node(result).inputs.contains(input));
    if members.len() == 1 && reads_the_same() {
        return None;
    }
    if spans(graph, &narrow, shape) {
        return Some(narrow);
    }
    let whole = write(graph, members, Leaves::Whole);
    (members.len() > 1 && spans(graph, &whole, shape)).then_some(whole)
}

/// Whether the inputs alone give the output its shape.
fn spans(graph: &Graph, fused: &Fused, shape: &Shape) -> bool {
    let inputs = fused.inputs.iter().map(|&input| graph.shape(input));
    let all = inputs.into_iter().try_fold(Shape::default(), |all, input| broadcast(&all, input));
    all.as_ref() == Some(shape)
}

fn write(graph: &Graph, members: &[Value], leaves: Leaves) -> Fused {
    let mut fused = Fused { program: Program::default(), inputs: Vec::new() };
    for &member in members {
        let node = graph.node(member);
        let operands = node.inputs.iter().map(|&input| match members.iter().position(|&own| own == input) {
            Some(step) => Operand::Step(step),
            None => leaf_operand(graph, input, graph.shape(member), leaves, &mut fused.inputs),
        });
        let operands = operands.collect();
        fused.program.steps.push(Step { op: node.op, attrs: node.attrs.clone(), operands });
    }
    fused
}

/// How a program reads a value from outside; a new input is put behind the others.
fn leaf_operand(
    graph: &Graph,
    value: Value,
    shape: &Shape,
    leaves: Leaves,
    inputs: &mut Vec<Value>,
) -> Operand {
    let node = graph.node(value);
    let number = node.op.name() == leaf::CONSTANT.name();
    if number && (leaves == Leaves::Narrow || node.shape.rank() == 0) {
        return Operand::number(node.attrs.get_float("value"));
    }
    let value = match node.inputs.first() {
        Some(&narrow)
            if leaves == Leaves::Narrow
                && node.op.name() == EXPAND.name()
                && reading(graph.shape(narrow), shape).is_some() =>
        {
            narrow
        }
        _ => value,
    };
    let place = inputs.iter().position(|&input| input == value).unwrap_or_else(|| {
        inputs.push(value);
        inputs.len() - 1
    });
    Operand::Input(place)
}
