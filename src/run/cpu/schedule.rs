//! Graph → the stages in which it runs. Stages of whole values and stages of tiles take turns: in a stage of
//! tiles a few images go through a whole chain of ops at a time; a sum over the images is complete behind it.

use std::collections::BTreeMap;

use crate::graph::op::{Batching, Op};
use crate::graph::{Graph, Value, leaf};
use crate::kernels::cpu;
use crate::plan::rows::Rows;
use crate::shape::Shape;

/// How a value comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An input, state or constant.
    Leaf,
    /// Computed for a few images at a time.
    Rows,
    /// Summed over the images of a stage of tiles.
    Sum,
    /// Computed as a whole.
    Whole,
}

/// A value in the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub role: Role,
    /// Whether its first axis counts images.
    pub batched: bool,
    /// Even: a stage of whole values; odd: a stage of tiles. For a view, the stage of its memory.
    pub stage: usize,
    /// Whether it depends on nothing but states that the graph does not change, so that it need not be computed
    /// again in each step.
    pub frozen: bool,
}

pub struct Schedule {
    /// Images in the batch; 0 where nothing is tiled.
    pub batch: usize,
    pub slots: BTreeMap<Value, Slot>,
}

/// Weights of more numbers are read once for the whole batch instead of once a tile.
const HEAVY_OPERAND: usize = 1 << 20;
/// Sums of more numbers are taken over the whole batch at once instead of part by part.
const HEAVY_SUM: usize = 1 << 18;

/// With more operations than this, the work on a batch of one image is shared between threads.
const LARGE_ALONE: u64 = 300_000;

impl Schedule {
    pub fn new(graph: &Graph) -> Schedule {
        let rows = Rows::new(graph);
        let mut schedule = Schedule { batch: rows.batch, slots: BTreeMap::new() };
        for value in graph.values() {
            let slot = schedule.slot(graph, &rows, value);
            schedule.slots.insert(value, slot);
        }
        schedule
    }

    fn slot(&self, graph: &Graph, rows: &Rows, value: Value) -> Slot {
        let node = graph.node(value);
        let is = |op: &dyn Op| node.op.name() == op.name();
        let (batching, batched) = (rows.batching(value), rows.has(value));
        if is(&leaf::INPUT) || is(&leaf::STATE) || is(&leaf::CONSTANT) {
            let frozen = is(&leaf::CONSTANT) || (is(&leaf::STATE) && graph.updates.is_empty());
            return Slot { role: Role::Leaf, batched, stage: 0, frozen };
        }
        let operands = rows.operands(graph, node);
        let inputs = || node.inputs.iter().map(|input| self.slots[input]);
        let frozen = graph.updates.is_empty() && inputs().all(|slot| slot.frozen);
        if node.op.is_view() {
            let slot = self.slots[&node.inputs[0]];
            // Seen other than row by row, rows are complete behind their stage.
            let role = if slot.role == Role::Rows && !batched { Role::Sum } else { slot.role };
            return Slot { role, batched, frozen, ..slot };
        }
        let heavy = operands.iter().any(|o| !o.batched && o.shape.elements() > HEAVY_OPERAND);
        let shapes: Vec<&Shape> = operands.iter().map(|operand| operand.shape).collect();
        let alone = self.batch == 1
            && cpu::splits_one_image(node.op.name())
            && node.op.cost(&node.attrs, &shapes, &node.shape).flops > LARGE_ALONE;
        let has_kernel = cpu::find(node.op.name()).is_some();
        let role = match batching {
            Batching::Rows if has_kernel && !heavy && !alone => Role::Rows,
            Batching::Sum if has_kernel && node.shape.elements() <= HEAVY_SUM => Role::Sum,
            _ => Role::Whole,
        };
        let after = |slot: Slot| match (slot.role, role) {
            (Role::Leaf, Role::Whole) => 0,
            (Role::Leaf, _) => 1,
            (Role::Rows, Role::Whole) => slot.stage + 1,
            (Role::Rows, _) => slot.stage,
            (Role::Sum, Role::Whole) => slot.stage + 1,
            (Role::Sum, _) => slot.stage + 2,
            (_, Role::Whole) => slot.stage,
            (_, _) => slot.stage + 1,
        };
        let first = if role == Role::Whole { 0 } else { 1 };
        let stage = inputs().map(after).max().unwrap_or(first);
        Slot { role, batched, stage, frozen: frozen && role == Role::Whole }
    }
}
