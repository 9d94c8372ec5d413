//! How a plan is made: the schedule's stages become units of work in time, kernels are prepared for them, and
//! every value gets memory for the time that it lives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::diag::Fault;
use crate::graph::attrs::Attr;
use crate::graph::{Graph, Node, Value, print};
use crate::kernels::cpu::packs::{Packs, Task};
use crate::kernels::cpu::peers::Rank;
use crate::kernels::cpu::tiled::{Cuts, Place, Tiled, TiledStep};
use crate::kernels::cpu::{self, N_TILES, Pack, Prepared};
use crate::plan::layout::Layout;
use crate::plan::lives::{last_reads, overwritten, owners};
use crate::plan::memory::{Block, aligned, place, place_apart};
use crate::run::cpu::exchange::Exchanges;
use crate::run::cpu::plan::{Action, Derived, Plan, Step};
use crate::run::cpu::schedule::{Role, Schedule, Slot};
use crate::run::cpu::units::{self, Unit};
use crate::shape::Shape;

/// Numbers of a tile's values that are to stay in a core's own cache, beside weights and kernels' scratch.
const CACHE: usize = 64 << 10;

/// A piece of memory that is wanted: for what, and where it ended up.
#[derive(Default)]
struct Wants {
    blocks: Vec<Block>,
}

impl Wants {
    fn add(&mut self, size: usize, start: usize, end: usize) -> usize {
        self.blocks.push(Block { size, start, end });
        self.blocks.len() - 1
    }
}

/// A kernel with the number of the block that its pack writes.
struct Kernel {
    prepared: Prepared,
    packed: Option<(Pack, usize, bool)>,
}

pub struct Planner<'a> {
    graph: &'a Graph,
    layout: &'a Layout,
    n_threads: usize,
    derived: Derived,
    /// Which of the processes that share the batch this is.
    rank: Rank,
    schedule: Schedule,
    /// The value whose memory a value lies in: itself, or for a view what it views.
    owner: BTreeMap<Value, Value>,
    units: Vec<Unit>,
    /// Values in the threads' own memory.
    local: BTreeSet<Value>,
    /// Sums that are complete only some time behind their stage, with that time.
    overlapped: BTreeMap<Value, usize>,
    /// New values of states that are written over the old ones, with the input that holds the old one.
    over: BTreeMap<Value, usize>,
}

impl<'a> Planner<'a> {
    pub fn new(
        graph: &'a Graph,
        layout: &'a Layout,
        n_threads: usize,
        derived: Derived,
        rank: Rank,
    ) -> Result<Planner<'a>, Fault> {
        let schedule = Schedule::new(graph);
        let owner = owners(graph);
        let (local, overlapped, over) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut planner = Planner {
            graph,
            layout,
            n_threads,
            derived,
            rank,
            schedule,
            owner,
            units: Vec::new(),
            local,
            overlapped,
            over,
        };
        let is_sum = |value: Value| planner.slot(value).role == Role::Sum;
        planner.units = match rank.n {
            1 => planner.order(),
            _ => units::overlapped(planner.order(), graph, &planner.owner, &is_sum, units::MOST),
        };
        for (time, unit) in planner.units.iter().enumerate() {
            if let Unit::Sums(sums) = unit {
                planner.overlapped.extend(sums.iter().map(|&sum| (sum, time)));
            }
        }
        planner.local = planner.locals();
        planner.over = planner.overwritten();
        Ok(planner)
    }

    fn slot(&self, value: Value) -> Slot {
        self.schedule.slots[&value]
    }

    fn owner(&self, value: Value) -> Value {
        self.owner[&value]
    }

    /// Whether the value is computed, rather than given or a view.
    fn is_step(&self, value: Value) -> bool {
        self.owner(value) == value && self.slot(value).role != Role::Leaf
    }

    /// Whether it is worked out before the first step and stays in memory.
    fn is_kept(&self, value: Value) -> bool {
        self.derived == Derived::Kept && self.slot(value).frozen
    }

    /// Stage after stage, and before them the frozen values: all at the beginning, or where they are not kept, each shortly
    /// before the first that reads it.
    fn order(&self) -> Vec<Unit> {
        let mut frozen = Vec::new();
        let mut stages: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
        for value in self.graph.values().filter(|&value| self.is_step(value)) {
            let slot = self.slot(value);
            match (slot.frozen, slot.stage) {
                (false, stage) => stages.entry(stage).or_default().push(value),
                (true, 0) => frozen.push(value),
                // What is frozen depends on nothing that has a later stage.
                (true, _) => {}
            }
        }
        let mut staged = Vec::new();
        for (stage, values) in stages {
            match stage % 2 {
                0 => staged.extend(values.into_iter().map(Unit::Whole)),
                _ => staged.push(Unit::Tiled(values)),
            }
        }
        let mut units = Vec::with_capacity(frozen.len() + staged.len());
        if self.derived == Derived::Dropped {
            let mut open: BTreeSet<Value> = frozen.iter().copied().collect();
            for unit in staged {
                let needed = self.needed(&unit, &mut open);
                units.extend(needed.into_iter().map(Unit::Whole));
                units.push(unit);
            }
            frozen = open.into_iter().collect();
            staged = Vec::new();
        }
        units.extend(frozen.into_iter().map(Unit::Whole));
        units.extend(staged);
        units
    }

    /// The values among the `open` ones that a unit needs, in their order; they are open no more.
    fn needed(&self, unit: &Unit, open: &mut BTreeSet<Value>) -> BTreeSet<Value> {
        let mut needed = BTreeSet::new();
        let mut look: Vec<Value> = unit.steps().to_vec();
        while let Some(value) = look.pop() {
            for &input in &self.graph.node(value).inputs {
                let input = self.owner(input);
                if open.remove(&input) {
                    needed.insert(input);
                    look.push(input);
                }
            }
        }
        needed
    }

    /// The values that only steps of their own stage of tiles read, row by row.
    fn locals(&self) -> BTreeSet<Value> {
        let rows = |v: &Value| self.is_step(*v) && self.slot(*v).role == Role::Rows;
        let mut local: BTreeSet<Value> = self.graph.values().filter(rows).collect();
        for root in self.graph.roots() {
            local.remove(&self.owner(root));
        }
        for value in self.graph.values() {
            let slot = self.slot(value);
            for &input in &self.graph.node(value).inputs {
                let from = self.slot(input);
                let tiled = matches!(slot.role, Role::Rows | Role::Sum);
                // A view that is not of rows has role `Sum` in the same stage.
                let by_rows = from.batched && (self.is_step(value) || slot.batched);
                if !(tiled && by_rows && slot.stage == from.stage) {
                    local.remove(&self.owner(input));
                }
            }
        }
        local
    }

    /// The steps with the times of their units.
    fn times(&self) -> Vec<(usize, Value)> {
        let mut times = Vec::new();
        for (time, unit) in self.units.iter().enumerate() {
            times.extend(unit.steps().iter().map(|&step| (time, step)));
        }
        times
    }

    fn overwritten(&self) -> BTreeMap<Value, usize> {
        let may = |value: Value, _| {
            cpu::find_in_place(self.graph.node(value).op.name()).is_some()
                && self.slot(value).role == Role::Whole
        };
        overwritten(self.graph, &|value| self.owner(value), &self.times(), &may)
    }

    /// Numbers of a row of a value with a batch.
    fn row(&self, value: Value) -> usize {
        self.graph.shape(value).elements() / self.schedule.batch.max(1)
    }

    /// The shape of a value for a call of `n` images.
    fn part_of(&self, value: Value, n: usize) -> Shape {
        let mut shape = self.graph.shape(value).clone();
        if self.slot(value).batched {
            shape.0[0] = n;
        }
        shape
    }

    /// How many images a call of these steps gets: as many as fit into the cache, and enough to pay for reading
    /// the weights again.
    fn cuts(&self, steps: &[Value]) -> Cuts {
        let batch = self.schedule.batch;
        let (_, values) = place(&self.local_blocks(steps, 1));
        let mut weights = 0;
        for &step in steps {
            for &input in &self.graph.node(step).inputs {
                if !self.slot(input).batched {
                    weights += self.graph.shape(input).elements();
                }
            }
        }
        let values = values.max(1);
        let largest = (CACHE / values).max(2 * weights / values).clamp(1, batch.div_ceil(N_TILES).max(1));
        Cuts { batch, largest }
    }

    /// The blocks of a stage's local values, in the order of the steps that make them.
    fn local_blocks(&self, steps: &[Value], n: usize) -> Vec<Block> {
        let mut blocks: BTreeMap<Value, Block> = BTreeMap::new();
        for (time, &step) in steps.iter().enumerate() {
            for &input in &self.graph.node(step).inputs {
                if let Some(block) = blocks.get_mut(&self.owner(input)) {
                    block.end = time;
                }
            }
            if self.local.contains(&step) {
                blocks.insert(step, Block { size: n * self.row(step), start: time, end: time });
            }
        }
        blocks.into_values().collect()
    }

    fn prepare(&self, value: Value, n: Option<(usize, usize)>) -> Result<Option<Prepared>, Fault> {
        let node = self.graph.node(value);
        let Some((n, largest)) = n else {
            let shapes: Vec<&Shape> = node.inputs.iter().map(|&input| self.graph.shape(input)).collect();
            if let (Some(&place), Some(prepare)) = (self.over.get(&value), cpu::find_in_place(node.op.name()))
            {
                return prepare(&node.attrs, &shapes, &node.shape, place).map(Some);
            }
            let prepare = cpu::find_parallel(node.op.name());
            return prepare.map(|prepare| prepare(&node.attrs, &shapes, &node.shape)).transpose();
        };
        let shapes: Vec<Shape> = node.inputs.iter().map(|&input| self.part_of(input, n)).collect();
        let attrs = node.attrs.clone().with(&(cpu::IMAGES_OF_A_CALL, Attr::Int(largest as i64)));
        let prepare = cpu::find(node.op.name()).ok_or_else(|| no_kernel(node))?;
        let shapes: Vec<&Shape> = shapes.iter().collect();
        prepare(&attrs, &shapes, &self.part_of(value, n)).map(Some)
    }

    pub fn finish(self) -> Result<Plan, Fault> {
        let end = self.units.len();
        let mut wants = Wants::default();
        let values = self.value_blocks(end, &mut wants);

        // Kernels, and the memory that they want beside their values.
        let mut whole: BTreeMap<Value, (Kernel, usize)> = BTreeMap::new();
        let mut tiled: BTreeMap<usize, TiledUnit> = BTreeMap::new();
        for (time, unit) in self.units.iter().enumerate() {
            match unit {
                Unit::Whole(value) => {
                    if let Some(prepared) = self.prepare(*value, None)? {
                        let memory = wants.add(prepared.memory(), time, time);
                        let kernel = self.kernel(*value, prepared, time, end, &mut wants);
                        whole.insert(*value, (kernel, memory));
                    }
                }
                Unit::Tiled(steps) => {
                    tiled.insert(time, self.tiled_unit(steps, time, end, &mut wants)?);
                }
                Unit::Sums(_) => {}
            }
        }
        // The work on one image is shared value by value; in training, a batch of one is nothing to be fast at.
        let one_image = self.schedule.batch == 1 && self.graph.updates.is_empty();
        let apart = one_image.then(|| place_apart(&wants.blocks)).flatten();
        let (offsets, shared) = apart.unwrap_or_else(|| place(&wants.blocks));
        let range = |block: usize| {
            let start = self.layout.len() + offsets[block];
            start..start + wants.blocks[block].size
        };
        let places = self.places(&values, &range)?;

        let local_start = self.layout.len() + shared;
        let local_len = tiled.values().map(|unit| unit.local_len).max().unwrap_or(0);
        let n_workers = if tiled.is_empty() { 0 } else { self.n_threads.clamp(1, N_TILES) };
        let exchanges = Exchanges::new(self.graph, &self.schedule, &self.owner, &self.units, self.rank);
        let (mut setup, mut actions) = (Vec::new(), Vec::new());
        // Chains whose sums are under way, the oldest first.
        let mut open = VecDeque::new();
        actions.extend(exchanges.after(&self.graph.inputs, &places).map(Action::Exchange));
        for (time, unit) in self.units.iter().enumerate() {
            let (frozen, packs, action) = match unit {
                Unit::Whole(value) => {
                    let (packs, step) = self.whole_step(*value, whole.remove(value), &places, &range);
                    (self.is_kept(*value), packs, Action::Whole(step))
                }
                Unit::Tiled(steps) => {
                    let unit =
                        tiled.remove(&time).ok_or_else(|| Fault::internal("a stage without kernels"))?;
                    let local = (local_start, local_len, n_workers);
                    let (packs, tiled) = self.tiled_steps(steps, unit, local, &places, &range)?;
                    let tiled = Arc::new(tiled);
                    if steps.iter().any(|step| self.overlapped.contains_key(step)) {
                        open.push_back(Arc::clone(&tiled));
                    }
                    (false, packs, Action::Tiled(tiled, steps.clone()))
                }
                Unit::Sums(_) => {
                    let tiled = open.pop_front();
                    let tiled = tiled.ok_or_else(|| Fault::internal("sums of no stage"))?;
                    (false, Vec::new(), Action::Sums(tiled))
                }
            };
            let (once, each): (Vec<_>, Vec<_>) = packs.into_iter().partition(|(_, frozen)| *frozen);
            for (packs, list) in [(once, &mut setup), (each, &mut actions)] {
                if !packs.is_empty() {
                    list.push(Action::Pack(Packs::new(packs.into_iter().map(|(task, _)| task).collect())?));
                }
            }
            if frozen {
                setup.push(action)
            } else {
                actions.push(action)
            }
            if let Unit::Tiled(steps) = unit {
                actions.extend(exchanges.after(steps, &places).map(Action::Exchange));
            }
        }
        let copies = self.graph.updates.iter().map(|u| (places[&u.value].clone(), places[&u.state].clone()));
        let copies = copies.filter(|(from, to)| from != to).collect();
        let transient = shared + local_len * n_workers;
        Ok(Plan {
            graph: self.graph.clone(),
            setup,
            actions,
            places,
            copies,
            transient,
            local: local_len,
            n_workers,
            images: (self.schedule.batch > 0).then(|| exchanges.images(self.rank.number)),
        })
    }

    /// A block for each value outside the layout and the threads' own memory, from the unit that makes it to the
    /// last one that reads it.
    fn value_blocks(&self, end: usize, wants: &mut Wants) -> BTreeMap<Value, usize> {
        let mut blocks: BTreeMap<Value, usize> = BTreeMap::new();
        let apart = |value: Value| {
            self.owner(value) == value
                && !self.layout.holds(self.graph, value)
                && !self.local.contains(&value)
                && !self.over.contains_key(&value)
        };
        let last = last_reads(self.graph, &|value| self.owner(value), self.times());
        let until = |value: Value, made: usize| last.get(&value).copied().unwrap_or(made);
        for &input in &self.graph.inputs {
            blocks.insert(input, wants.add(self.graph.shape(input).elements(), 0, until(input, 0)));
        }
        for (time, step) in self.times().into_iter().filter(|&(_, step)| apart(step)) {
            let frozen = self.is_kept(step);
            let made = self.overlapped.get(&step).copied().unwrap_or(time);
            let (first, last) = if frozen { (0, end) } else { (made, until(step, made)) };
            blocks.insert(step, wants.add(self.graph.shape(step).elements(), first, last));
        }
        for root in self.graph.roots() {
            if let Some(&block) = blocks.get(&self.owner(root)) {
                wants.blocks[block].end = end;
            }
        }
        blocks
    }

    fn places(
        &self,
        blocks: &BTreeMap<Value, usize>,
        range: &impl Fn(usize) -> Range<usize>,
    ) -> Result<BTreeMap<Value, Range<usize>>, Fault> {
        let mut places = BTreeMap::new();
        for value in self.graph.values() {
            let owner = self.owner(value);
            if self.local.contains(&owner) {
                continue;
            }
            let owner = match self.over.get(&owner) {
                Some(&place) => self.owner(self.graph.node(owner).inputs[place]),
                None => owner,
            };
            let found = self.layout.find(self.graph, owner).or_else(|| blocks.get(&owner).map(|&b| range(b)));
            let nowhere = || Fault::internal(format!("no memory for {}", print::line(self.graph, value)));
            let found = found.ok_or_else(nowhere)?;
            places.insert(value, found);
        }
        Ok(places)
    }

    /// Takes the pack out of a prepared kernel and asks for memory for it: for good where what is packed never
    /// changes.
    fn kernel(
        &self,
        value: Value,
        mut prepared: Prepared,
        time: usize,
        end: usize,
        wants: &mut Wants,
    ) -> Kernel {
        let packed = prepared.pack.take().map(|pack| {
            let frozen = self.is_kept(self.graph.node(value).inputs[pack.operand]);
            let (first, last) = if frozen { (0, end) } else { (time, time) };
            let block = wants.add(pack.len, first, last);
            (pack, block, frozen)
        });
        Kernel { prepared, packed }
    }

    fn whole_step(
        &self,
        value: Value,
        kernel: Option<(Kernel, usize)>,
        places: &BTreeMap<Value, Range<usize>>,
        range: &impl Fn(usize) -> Range<usize>,
    ) -> (Vec<(Task, bool)>, Step) {
        let node = self.graph.node(value);
        let mut inputs: Vec<Range<usize>> = node.inputs.iter().map(|input| places[input].clone()).collect();
        if let Some(&place) = self.over.get(&value) {
            // The kernel finds it in its output.
            inputs[place] = 0..0;
        }
        let mut step =
            Step { value, inputs, output: places[&value].clone(), memory: 0..0, packed: 0..0, kernel: None };
        let mut packs = Vec::new();
        if let Some((kernel, memory)) = kernel {
            step.memory = range(memory);
            if let Some((pack, block, frozen)) = kernel.packed {
                step.packed = range(block);
                let from = step.inputs[pack.operand].clone();
                packs.push((Task { from, to: range(block), pack }, frozen));
            }
            step.kernel = Some(kernel.prepared);
        }
        (packs, step)
    }

    fn tiled_unit(
        &self,
        steps: &[Value],
        time: usize,
        end: usize,
        wants: &mut Wants,
    ) -> Result<TiledUnit, Fault> {
        let cuts = self.cuts(steps);
        let n_slots = cuts.n_slots();
        let mut blocks = self.local_blocks(steps, cuts.largest);
        let n_values = blocks.len();
        let mut kernels = Vec::new();
        for (at, &step) in steps.iter().enumerate() {
            let mut sized = Vec::new();
            let mut packed = None;
            let (mut partial, mut landing) = (None, None);
            for (i, n) in cuts.sizes().into_iter().enumerate() {
                let prepared = self.prepare(step, Some((n, cuts.largest)))?;
                let prepared = prepared.ok_or_else(|| no_kernel(self.graph.node(step)))?;
                let mut kernel = prepared;
                if i == 0 {
                    blocks.push(Block { size: kernel.scratch, start: at, end: at });
                    if let Some(sum) = &kernel.sum {
                        let size = n_slots * sum.len;
                        let later = self.overlapped.get(&step);
                        landing = later.map(|&later| wants.add(size, later, later));
                        partial = Some((wants.add(size, time, time), sum.len));
                    }
                    let first = self.kernel(step, kernel, time, end, wants);
                    kernel = first.prepared;
                    packed = first.packed;
                }
                kernel.pack = None;
                sized.push(kernel);
            }
            if (self.slot(step).role == Role::Sum) != partial.is_some() {
                return Err(Fault::internal(format!("`{}` does not sum", self.graph.node(step).op.name())));
            }
            kernels.push(TiledKernel { sized, packed, partial, landing });
        }
        let (offsets, local_len) = place(&blocks);
        let (value_offsets, scratch_offsets) = offsets.split_at(n_values);
        let scratch =
            scratch_offsets.iter().zip(&blocks[n_values..]).map(|(&at, b)| at..at + b.size).collect();
        let owners = steps.iter().copied().filter(|step| self.local.contains(step));
        let mut sorted: Vec<Value> = owners.collect();
        sorted.sort_unstable();
        let values = sorted.into_iter().zip(value_offsets.iter().copied()).collect();
        // One line more, so that two threads' values do not fall on the same places of a cache.
        Ok(TiledUnit { cuts, kernels, scratch, values, local_len: aligned(local_len) + 16 })
    }

    fn tiled_steps(
        &self,
        steps: &[Value],
        unit: TiledUnit,
        local: (usize, usize, usize),
        places: &BTreeMap<Value, Range<usize>>,
        range: &impl Fn(usize) -> Range<usize>,
    ) -> Result<(Vec<(Task, bool)>, Tiled), Fault> {
        let mut packs = Vec::new();
        let mut out = Vec::new();
        let place = |value: Value| {
            let owner = self.owner(value);
            match (unit.values.get(&owner), self.slot(value).batched) {
                (Some(&start), _) => Place::Local { start, row: self.row(value) },
                (None, true) => Place::Rows { start: places[&value].start, row: self.row(value) },
                (None, false) => Place::Whole(places[&value].clone()),
            }
        };
        for ((&step, kernel), scratch) in steps.iter().zip(unit.kernels).zip(unit.scratch) {
            let node = self.graph.node(step);
            let mut packed = 0..0;
            if let Some((pack, block, frozen)) = kernel.packed {
                packed = range(block);
                let from = places[&node.inputs[pack.operand]].clone();
                packs.push((Task { from, to: packed.clone(), pack }, frozen));
            }
            let (output, result) = match kernel.partial {
                Some((block, len)) => {
                    (Place::Partial { start: range(block).start, len }, places[&step].clone())
                }
                None => (place(step), 0..0),
            };
            out.push(TiledStep {
                inputs: node.inputs.iter().map(|&input| place(input)).collect(),
                output,
                scratch,
                packed,
                kernels: kernel.sized,
                result,
                landing: kernel.landing.map(|block| range(block).start),
            });
        }
        Ok((packs, Tiled::new(unit.cuts, out, local, self.rank)?))
    }
}

/// A stage of tiles before its memory is known.
struct TiledUnit {
    cuts: Cuts,
    kernels: Vec<TiledKernel>,
    /// In the threads' own memory, by step.
    scratch: Vec<Range<usize>>,
    /// Where local values begin in the threads' own memory.
    values: BTreeMap<Value, usize>,
    local_len: usize,
}

struct TiledKernel {
    sized: Vec<Prepared>,
    packed: Option<(Pack, usize, bool)>,
    /// The block of the partial sums, and the length of one.
    partial: Option<(usize, usize)>,
    /// The block where those of a sum that is completed later are then.
    landing: Option<usize>,
}

fn no_kernel(node: &Node) -> Fault {
    Fault::internal(format!("`{}` has no kernel for a part of the batch", node.op.name()))
}
