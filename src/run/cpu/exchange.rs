//! A graph in units → the rows of values that processes which share a batch must give each other.
//!
//! A process has the rows of its own images. In stages of tiles that is enough: sums are exchanged by the stages themselves. Who
//! reads rows otherwise, be it a step on whole values, a view that is not of rows, or whoever reads outputs, needs all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::graph::{Graph, Value};
use crate::kernels::cpu::peers::{Filled, Rank};
use crate::kernels::cpu::tiled::Cuts;
use crate::run::cpu::schedule::Schedule;
use crate::run::cpu::units::Unit;

/// What is exchanged beside sums.
pub struct Exchanges<'a> {
    schedule: &'a Schedule,
    rank: Rank,
    /// The values of which all rows are needed.
    asked: BTreeSet<Value>,
}

impl<'a> Exchanges<'a> {
    /// Those of a graph; `owner` tells in whose memory a value lies.
    pub fn new(
        graph: &Graph,
        schedule: &'a Schedule,
        owner: &BTreeMap<Value, Value>,
        units: &[Unit],
        rank: Rank,
    ) -> Exchanges<'a> {
        let mut asked = BTreeSet::new();
        if rank.n > 1 {
            asked.extend(graph.roots().into_iter().map(|root| owner[&root]));
            for unit in units {
                let by_rows = |input: &Value| matches!(unit, Unit::Tiled(_)) && schedule.slots[input].batched;
                let inputs = unit.steps().iter().flat_map(|&step| &graph.node(step).inputs);
                asked.extend(inputs.filter(|&input| !by_rows(input)).map(|input| owner[input]));
            }
        }
        Exchanges { schedule, rank, asked }
    }

    /// The images that a process works on.
    pub fn images(&self, number: usize) -> Range<usize> {
        let cuts = Cuts { batch: self.schedule.batch, largest: 1 };
        cuts.images(self.rank.parts(number))
    }

    /// What each process has of values that were just made, where all of it is needed.
    pub fn after(&self, made: &[Value], places: &BTreeMap<Value, Range<usize>>) -> Option<Filled> {
        let is_asked = |value: &&Value| self.schedule.slots[*value].batched && self.asked.contains(value);
        let asked: Vec<&Range<usize>> = made.iter().filter(is_asked).map(|value| &places[value]).collect();
        let rows = |of: &Range<usize>, images: &Range<usize>| {
            let row = of.len() / self.schedule.batch.max(1);
            of.start + images.start * row..of.start + images.end * row
        };
        let of_process = |number: usize| {
            let images = self.images(number);
            asked.iter().map(|of| rows(of, &images)).collect()
        };
        (!asked.is_empty()).then(|| (0..self.rank.n).map(of_process).collect())
    }
}
