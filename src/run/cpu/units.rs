//! What runs at one point of time; and units in time → the same, so that sums of one stage travel between processes while the next
//! stages compute.
//!
//! A stage's sums that the next stage of tiles needs are exchanged at once. All others, as a rule the gradients of weights, are
//! under way until a stage needs them, or until many are; whatever depends on them waits for them. No number is computed otherwise
//! than without that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::graph::{Graph, Value};

/// What runs at one point of time.
pub enum Unit {
    Whole(Value),
    Tiled(Vec<Value>),
    /// Sums of an earlier stage, which processes have exchanged meanwhile, are completed.
    Sums(Vec<Value>),
}

impl Unit {
    pub fn steps(&self) -> &[Value] {
        match self {
            Unit::Whole(value) => std::slice::from_ref(value),
            Unit::Tiled(steps) => steps,
            Unit::Sums(_) => &[],
        }
    }
}

/// Numbers that may be under way at a time, beside those of the last stage: they are held in memory until all have arrived.
pub const MOST: usize = 1 << 20;

/// Sums that are under way, and the steps that wait for them.
struct Open {
    sums: Vec<Value>,
    n_numbers: usize,
    waiting: BTreeSet<Value>,
}

struct Overlap<'a> {
    graph: &'a Graph,
    owner: &'a BTreeMap<Value, Value>,
    open: VecDeque<Open>,
    ordered: Vec<Unit>,
}

/// `owner` tells in whose memory a value lies, `is_sum` whether a step of a stage of tiles is a sum over its images.
pub fn overlapped(
    units: Vec<Unit>,
    graph: &Graph,
    owner: &BTreeMap<Value, Value>,
    is_sum: &dyn Fn(Value) -> bool,
    most: usize,
) -> Vec<Unit> {
    let mut overlap = Overlap { graph, owner, open: VecDeque::new(), ordered: Vec::new() };
    let needed = needed_next(&units, &overlap);
    for (unit, needed) in units.into_iter().zip(needed) {
        match unit {
            Unit::Whole(value) => match overlap.newest(&[value]) {
                Some(at) => drop(overlap.open[at].waiting.insert(value)),
                None => overlap.ordered.push(unit),
            },
            Unit::Sums(_) => overlap.ordered.push(unit),
            Unit::Tiled(ref steps) => {
                let n_needed = overlap.newest(steps).map_or(0, |at| at + 1);
                let sums: Vec<Value> =
                    steps.iter().copied().filter(|step| is_sum(*step) && !needed.contains(step)).collect();
                overlap.complete(n_needed);
                overlap.ordered.push(unit);
                if !sums.is_empty() {
                    let n_numbers = sums.iter().map(|&sum| graph.shape(sum).elements()).sum();
                    overlap.open.push_back(Open { sums, n_numbers, waiting: BTreeSet::new() });
                }
                while overlap.open.len() > 1
                    && overlap.open.iter().map(|open| open.n_numbers).sum::<usize>() > most
                {
                    overlap.complete(1);
                }
            }
        }
    }
    overlap.complete(overlap.open.len());
    overlap.ordered
}

impl Overlap<'_> {
    /// The values in whose memory a step finds what it reads.
    fn inputs(&self, step: Value) -> impl Iterator<Item = Value> + '_ {
        self.graph.node(step).inputs.iter().map(|input| self.owner[input])
    }

    /// The newest of the open sums that these steps depend on.
    fn newest(&self, steps: &[Value]) -> Option<usize> {
        let inputs: BTreeSet<Value> = steps.iter().flat_map(|&step| self.inputs(step)).collect();
        self.open.iter().rposition(|open| {
            open.sums.iter().any(|sum| inputs.contains(sum)) || !open.waiting.is_disjoint(&inputs)
        })
    }

    /// Completes the oldest open sums, and does what waits for them.
    fn complete(&mut self, n: usize) {
        for Open { sums, waiting, .. } in self.open.drain(..n) {
            self.ordered.push(Unit::Sums(sums));
            self.ordered.extend(waiting.into_iter().map(Unit::Whole));
        }
    }
}

/// For each unit, the values that the next stage of tiles depends on.
fn needed_next(units: &[Unit], overlap: &Overlap<'_>) -> Vec<BTreeSet<Value>> {
    let mut needed = vec![BTreeSet::new(); units.len()];
    let mut next = BTreeSet::new();
    for (unit, needed) in units.iter().zip(&mut needed).rev() {
        match unit {
            Unit::Tiled(steps) => {
                *needed = std::mem::take(&mut next);
                next.extend(steps.iter().flat_map(|&step| overlap.inputs(step)));
            }
            Unit::Whole(value) if next.contains(value) => next.extend(overlap.inputs(*value)),
            Unit::Whole(_) | Unit::Sums(_) => {}
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::{Unit, overlapped};
    use crate::graph::Value;
    use crate::graph::attrs::Attrs;
    use crate::graph::builder::Builder;
    use crate::ops::binary::ADD;
    use crate::plan::lives::owners;
    use crate::shape::Shape;

    fn text(units: &[Unit]) -> String {
        let numbers = |values: &[Value]| {
            values.iter().map(|value| format!("%{}", value.0.index())).collect::<Vec<_>>().join(" ")
        };
        let one = |unit: &Unit| match unit {
            Unit::Whole(value) => numbers(&[*value]),
            Unit::Tiled(values) => format!("[{}]", numbers(values)),
            Unit::Sums(values) => format!("({})", numbers(values)),
        };
        units.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn sums_that_the_next_stage_does_not_need_are_under_way() {
        let mut builder = Builder::default();
        let shape = Shape::from([4]);
        let input = builder.input("x", &shape);
        let mut add = |a, b| builder.apply(&ADD, Attrs::new(), &[a, b]).unwrap();
        let (mut units, mut sums, mut rows, mut steps) = (Vec::new(), Vec::new(), input, Vec::new());
        for _ in 0..6 {
            let [statistic, gradient] = [add(rows, input), add(rows, rows)];
            let [next, step] = [add(statistic, rows), add(gradient, input)];
            sums.extend([statistic, gradient]);
            units.push(Unit::Tiled(vec![statistic, gradient]));
            units.extend([next, step].map(Unit::Whole));
            steps.push(step);
            rows = next;
        }
        // A stage that needs the second gradient, and a step that needs nothing.
        units.push(Unit::Tiled(vec![add(rows, steps[1])]));
        units.push(Unit::Whole(add(input, input)));
        let graph = builder.finish();
        let ordered = overlapped(units, &graph, &owners(&graph), &|value| sums.contains(&value), 16);
        let expected = "[%1 %2]; %3; [%5 %6]; %7; [%9 %10]; %11; [%13 %14]; %15; [%17 %18]; (%2); %4; %19; [%21 %22]; (%6); %8; %23; \
                        [%25]; %26; (%10); %12; (%14); %16; (%18); %20; (%22); %24";
        assert_eq!(text(&ordered), expected);
    }
}
