//! The optimizer's rule on each parameter, and each running average → few launches for all: what becomes states element by
//! element is done last in a sequence, and launches of one kernel become one.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::graph::{Graph, Value};
use crate::kernels::cuda::is_by_element;
use crate::kernels::cuda::launch::{Argument, Command, Kernel, Launch, THREADS};
use crate::kernels::cuda::storage::{Storage, Stored};
use crate::kernels::cuda::together::{Together, together};
use crate::run::cuda::sequence::Spot;
use crate::run::cuda::waits::Touched;

/// A command of a rule, with the value that it computes and what it touches.
pub type Rule = (Command<Stored<Spot>>, Value, Touched);
type Member = (Launch<Stored<Spot>>, Value, Touched);

/// The steps that are rules, and how many of them must be done one after another before each.
pub fn rules(graph: &Graph, order: &[Value]) -> BTreeMap<Value, usize> {
    let is_rule = |value: &Value| {
        is_by_element(graph.node(*value).op) && graph.updates.iter().any(|update| update.value == *value)
    };
    let mut found: Vec<Value> = order.iter().copied().filter(is_rule).collect();
    // Nothing that comes earlier may wait for them.
    loop {
        let n = found.len();
        let all = found.clone();
        found.retain(|&value| graph.users(value).iter().all(|user| all.contains(user)));
        if found.len() == n {
            break;
        }
    }
    let mut depths: BTreeMap<Value, usize> = BTreeMap::new();
    for value in found {
        let before = graph.node(value).inputs.iter().filter_map(|input| depths.get(input));
        let depth = before.max().map_or(0, |depth| depth + 1);
        depths.insert(value, depth);
    }
    depths
}

/// The same steps with the rules behind all others, by their depths.
pub fn last(order: Vec<Value>, rules: &BTreeMap<Value, usize>) -> Vec<Value> {
    let (mut own, mut order): (Vec<Value>, Vec<Value>) =
        order.into_iter().partition(|value| rules.contains_key(value));
    own.sort_by_key(|value| rules[value]);
    order.append(&mut own);
    order
}

/// Rules of one depth with one launch for all of a kernel, where none writes what another reads. `range` is where a value
/// lies; what the launches read goes to `tables`.
pub fn joined(
    graph: &Graph,
    rules: Vec<Rule>,
    range: &dyn Fn(Value) -> Range<usize>,
    tables: &mut Vec<f32>,
) -> Vec<Rule> {
    let is_written = |(command, ..): &Rule| matches!(command, Command::Launch(own) if matches!(own.kernel, Kernel::Written(_)));
    if !rules.iter().all(is_written)
        || disturb_each_other(graph, rules.iter().map(|(_, value, _)| *value), range)
    {
        return rules;
    }
    let mut kernels: BTreeMap<_, Vec<Member>> = BTreeMap::new();
    let mut done = Vec::new();
    for (command, value, touched) in rules {
        match command {
            Command::Launch(launch) => {
                kernels.entry(launch.kernel.clone()).or_default().push((launch, value, touched));
            }
            other => done.push((other, value, touched)),
        }
    }
    for members in kernels.into_values() {
        let launches: Vec<&Launch<Stored<Spot>>> = members.iter().map(|(launch, ..)| launch).collect();
        let place = |own: &Stored<Spot>| match own {
            Stored { at: Spot::Memory(at), storage: Storage::F32 } => Some(*at),
            _ => None,
        };
        match together(&launches, place).filter(|all| all.n_members > 1) {
            Some(all) => {
                let value = members[0].1;
                let touched = Touched::of_all(members.into_iter().map(|(.., touched)| touched));
                done.push((Command::Launch(launch(all, tables)), value, touched));
            }
            None => done.extend(
                members.into_iter().map(|(launch, value, touched)| (Command::Launch(launch), value, touched)),
            ),
        }
    }
    done
}

/// Whether one of these values is written over what another one reads or writes.
fn disturb_each_other(
    graph: &Graph,
    values: impl Iterator<Item = Value>,
    range: &dyn Fn(Value) -> Range<usize>,
) -> bool {
    let mut written: Vec<(Range<usize>, Value)> = values.map(|value| (range(value), value)).collect();
    written.sort_by_key(|(range, _)| range.start);
    let overlaps = written.windows(2).any(|pair| pair[0].0.end > pair[1].0.start);
    let reads_others = |value: Value| {
        graph.node(value).inputs.iter().any(|&input| {
            let read = range(input);
            let first = written.partition_point(|(own, _)| own.end <= read.start);
            let met = written[first..].iter().take_while(|(own, _)| own.start < read.end);
            met.into_iter().any(|&(_, other)| other != value)
        })
    };
    overlaps || written.iter().any(|&(_, value)| reads_others(value))
}

fn launch(all: Together, tables: &mut Vec<f32>) -> Launch<Stored<Spot>> {
    let Together { kernel, blocks, table, n_members } = all;
    let at = tables.len();
    tables.extend(table);
    let arguments = vec![
        Argument::Memory(Stored::f32(Spot::Memory(0))),
        Argument::Memory(Stored::f32(Spot::Table(at))),
        Argument::Int(n_members as i32),
    ];
    Launch { kernel, blocks, threads: THREADS, arguments }
}
