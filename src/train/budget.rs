//! Planned memory held against the machine's: what cannot fit is refused before anything is allocated, instead of
//! being killed in the middle of an epoch.

use crate::diag::{Fault, codes};
use crate::graph::op::Op;
use crate::graph::{Graph, Value, leaf};
use crate::kernels::cpu::threads;
use crate::kernels::cuda::machine::beside;
use crate::plan::layout::Layout;
use crate::plan::sequence::sequence;
use crate::plan::{Derived, plan};
use crate::run::{Precision, Session, Target, log_len};
use crate::tensor::{Device, device, host};

/// Bytes that a session of these graphs takes for states and values.
pub fn planned(graphs: &[Graph]) -> Result<u64, Fault> {
    planned_with(graphs, Derived::Kept)
}

fn planned_with(graphs: &[Graph], derived: Derived) -> Result<u64, Fault> {
    let layout = Layout::new(graphs)?;
    let n_threads = threads::start()?;
    let mut transient = 0;
    for graph in graphs {
        transient = transient.max(plan(graph.clone(), &layout, n_threads, derived)?.transient);
    }
    Ok((layout.len() as u64 + transient as u64) * size_of::<f32>() as u64)
}

/// Bytes that a session of these graphs takes at least where nodes are evaluated one by one: states, and the values
/// that live at the same time, without what an op needs for itself.
fn node_by_node(graphs: &[Graph]) -> Result<u64, Fault> {
    let transient = graphs.iter().map(most_alive).max().unwrap_or(0);
    Ok((Layout::new(graphs)?.len() as u64 + transient) * size_of::<f32>() as u64)
}

/// Numbers of the values that live at the same time.
fn most_alive(graph: &Graph) -> u64 {
    let dead = graph.last_readers();
    let size = |value: Value| {
        let node = graph.node(value);
        let own = !node.op.is_view() && node.op.name() != leaf::STATE.name();
        if own { node.shape.elements() as u64 } else { 0 }
    };
    let (mut alive, mut most) = (0, 0);
    for value in graph.values() {
        alive += size(value);
        most = most.max(alive);
        alive -= dead.get(&value).into_iter().flatten().map(|&value| size(value)).sum::<u64>();
    }
    most
}

/// Bytes that a session of these graphs takes on a GPU with own kernels and libraries, if those do all that they may: what
/// they have at most beside the planned memory counts whole. What the libraries' and the kernels' code takes does not.
fn in_sequence(graphs: &[Graph], precision: Precision) -> Result<u64, Fault> {
    let layout = Layout::new(graphs)?;
    let (mut transient, mut tables) = (0, 0);
    let mut commands = Vec::new();
    for graph in graphs {
        let sequence = sequence(graph.clone(), &layout, precision, &|_| Ok(true))?;
        transient = transient.max(sequence.transient);
        tables += sequence.tables.len();
        commands.extend(sequence.setup);
        commands.extend(sequence.commands);
    }
    let numbers = layout.len() as u64 + transient as u64 + tables as u64 + log_len(graphs) as u64;
    Ok(numbers * size_of::<f32>() as u64 + beside(&commands) as u64)
}

/// Bytes that a session of these graphs takes on a device, which computes so exactly where it has the choice.
pub fn needed(graphs: &[Graph], device: &Device, precision: Precision) -> Result<u64, Fault> {
    match device {
        Device::Cpu => planned(graphs),
        Device::Cuda(_) => in_sequence(graphs, precision),
        Device::Metal(_) => node_by_node(graphs),
    }
}

/// The bytes that the graphs need; refuses more than `available` of the device's memory.
pub fn check(
    graphs: &[Graph],
    device: &Device,
    precision: Precision,
    available: Option<u64>,
) -> Result<u64, Fault> {
    hold(graphs, needed(graphs, device, precision)?, available)
}

/// Refuses what needs more bytes than there are.
fn hold(graphs: &[Graph], needed: u64, available: Option<u64>) -> Result<u64, Fault> {
    let Some(available) = available.filter(|&available| needed > available) else { return Ok(needed) };
    let states = Layout::new(graphs)?.len() as u64 * size_of::<f32>() as u64;
    let fault = Fault::new(
        codes::TOO_BIG,
        format!("this needs {} of memory, but only {} are available", shown(needed), shown(available)),
    );
    Err(match states > available {
        true => fault
            .note(format!("the weights and the optimizer's state alone take {}", shown(states)))
            .advise("fewer channels or features, or an `optimizer` with a smaller state, such as `sgd`"),
        false => fault
            .note(format!("{} of it for the values of one batch", shown(needed - states)))
            .advise("a smaller `batch`, such as `--set train.batch=16`"),
    })
}

/// A session on a device, if it has the memory for it.
pub fn open(graphs: Vec<Graph>, device: &Device, precision: Precision, seed: u64) -> Result<Session, Fault> {
    check(&graphs, device, precision, available(device))?;
    Session::new(graphs, Target::on(device, precision)?, seed)
}

/// The same before its states have numbers, all of which must be written before the first step.
pub fn bare(graphs: Vec<Graph>, device: &Device, precision: Precision) -> Result<Session, Fault> {
    check(&graphs, device, precision, available(device))?;
    Session::bare(graphs, Target::on(device, precision)?, None)
}

/// Such a session on the CPU for a few steps of one graph, in as little memory as they can do with.
pub fn few_steps(graph: Graph) -> Result<Session, Fault> {
    let graphs = vec![graph];
    hold(&graphs, planned_with(&graphs, Derived::Dropped)?, available(&Device::Cpu))?;
    Session::bare(graphs, Target::FewSteps, None)
}

/// Bytes that a new program can have, where somebody tells: of the machine's or its container's memory without swapping
/// (Linux), or of the device's.
pub fn available(device: &Device) -> Option<u64> {
    match device {
        Device::Cpu => host::free_bytes(),
        Device::Cuda(_) | Device::Metal(_) => device::free_bytes(device),
    }
}

/// Bytes of memory that the machine has, or its container, where the system tells (Linux); or those of the device.
pub fn total(device: &Device) -> Option<u64> {
    match device {
        Device::Cpu => host::total_bytes(),
        Device::Cuda(_) | Device::Metal(_) => device::total_bytes(device),
    }
}

/// `20.4 GB`
fn shown(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::{check, most_alive};
    use crate::graph::builder::Builder;
    use crate::graph::{Init, StateKind};
    use crate::ops::binary::ADD;
    use crate::run::Precision;
    use crate::shape::Shape;
    use crate::tensor::Device;

    /// `a + a` and `(a + a) + a` live beside `a`; at the next node the first of them is gone.
    #[test]
    fn node_by_node_a_value_lives_to_its_last_reader() {
        let mut builder = Builder::default();
        let a = builder.input("a", &Shape::from([10]));
        let mut sum = a;
        for _ in 0..5 {
            sum = builder.apply(&ADD, Default::default(), &[sum, a]).unwrap();
        }
        builder.output("sum", sum);
        assert_eq!(most_alive(&builder.finish()), 30);
    }

    #[test]
    fn a_plan_beyond_the_memory_names_both_sizes_and_what_to_change() {
        let mut builder = Builder::default();
        let shape = Shape::from([1000, 1000]);
        let weight = builder.state("weight", StateKind::Parameter, &shape, Init::Constant(0.0)).unwrap();
        let input = builder.input("x", &shape);
        let sum = builder.apply(&ADD, Default::default(), &[weight, input]).unwrap();
        builder.output("sum", sum);
        let graphs = [builder.finish()];
        let check = |available| check(&graphs, &Device::Cpu, Precision::F32, available);
        assert_eq!(check(None), Ok(12_000_000));
        assert_eq!(check(Some(12_000_000)), Ok(12_000_000));
        let fault = check(Some(11_999_999)).unwrap_err();
        assert_eq!(fault.message, "this needs 12.0 MB of memory, but only 12.0 MB are available");
        assert!(format!("{fault:?}").contains("a smaller `batch`"));
        let fault = check(Some(1_000_000)).unwrap_err();
        assert_eq!(fault.message, "this needs 12.0 MB of memory, but only 1.0 MB are available");
        assert!(format!("{fault:?}").contains("fewer channels"));
    }
}
