//! Plans as text: what runs in which order, how the batch is cut, and where values lie.

use std::fmt::Write;
use std::ops::Range;

use crate::diag::Fault;
use crate::graph::{Graph, Node, Value, print};
use crate::kernels::cpu::peers::Rank;
use crate::kernels::cpu::tiled::{Place, Tiled};
use crate::plan::layout::Layout;
use crate::run::cpu::plan::{Action, Derived, Plan, plan};

/// What runs of a graph on one thread.
pub fn planned(graph: Graph, describe: &dyn Fn(&Node) -> Option<String>) -> Result<String, Fault> {
    let layout = Layout::new([&graph])?;
    Ok(text(&plan(graph, &layout, 1, Derived::Kept, Rank::ALONE)?, &layout, describe))
}

/// One line a step, with the bytes where its result lies: counted from the start of the memory, or for values that
/// never leave a thread from the start of its own (`own`), or `part` for a partial sum of each part of the batch.
fn text(plan: &Plan, layout: &Layout, describe: &dyn Fn(&Node) -> Option<String>) -> String {
    let mut out = format!(
        "memory: {} bytes of states and constants, {} bytes of values, {} bytes for each thread\n",
        4 * layout.len(),
        4 * (plan.transient - plan.local * plan.n_workers),
        4 * plan.local
    );
    for (title, actions) in [("once for these weights:", &plan.setup), ("each step:", &plan.actions)] {
        if !actions.is_empty() {
            let _ = writeln!(out, "{title}");
        }
        for action in actions {
            describe_action(&mut out, plan, action, describe);
        }
    }
    for (from, to) in &plan.copies {
        let _ = writeln!(out, "  copy {} to {}", bytes(from), bytes(to));
    }
    out
}

fn describe_action(
    out: &mut String,
    plan: &Plan,
    action: &Action,
    describe: &dyn Fn(&Node) -> Option<String>,
) {
    match action {
        Action::Pack(packs) => {
            for (from, to) in packs.places() {
                let _ = writeln!(out, "  pack {} into {}", bytes(from), bytes(to));
            }
        }
        Action::Whole(step) => {
            let line = format!("  {}", print::line(&plan.graph, step.value));
            write_step(out, &plan.graph, step.value, line, &bytes(&step.output), describe);
        }
        Action::Exchange(filled) => {
            for (number, ranges) in filled.iter().enumerate() {
                let _ = writeln!(
                    out,
                    "  exchange {} of process {number}",
                    ranges.iter().map(bytes).collect::<Vec<_>>().join(" ")
                );
            }
        }
        Action::Sums(tiled) => {
            let _ = writeln!(out, "  complete sums over {}", cuts(tiled));
        }
        Action::Tiled(tiled, values) => {
            let _ = writeln!(out, "  {}", cuts(tiled));
            for (&value, place) in values.iter().zip(tiled.places()) {
                let line = format!("    {}", print::line(&plan.graph, value));
                let place = match place {
                    Place::Local { start, row } => format!("own {}+{}", 4 * start, 4 * row),
                    Place::Rows { start, row } => format!("{}+{}", 4 * start, 4 * row),
                    Place::Whole(range) => bytes(range),
                    Place::Partial { start, len } => format!("part {}+{}", 4 * start, 4 * len),
                };
                write_step(out, &plan.graph, value, line, &place, describe);
            }
        }
    }
}

fn cuts(tiled: &Tiled) -> String {
    let cuts = tiled.cuts();
    format!("{} images in {} parts, up to {} at a time:", cuts.batch, cuts.n_parts(), cuts.largest)
}

fn write_step(
    out: &mut String,
    graph: &Graph,
    value: Value,
    line: String,
    place: &str,
    describe: &dyn Fn(&Node) -> Option<String>,
) {
    let line = format!("{line} @ {place}");
    let _ = match describe(graph.node(value)) {
        Some(comment) => writeln!(out, "{line:<84} # {comment}"),
        None => writeln!(out, "{line}"),
    };
}

fn bytes(range: &Range<usize>) -> String {
    format!("{}..{}", 4 * range.start, 4 * range.end)
}
