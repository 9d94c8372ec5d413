//! Planned memory held against the machine's: what cannot fit is refused before anything is allocated, instead of
//! being killed in the middle of an epoch.

use crate::diag::{Fault, codes};
use crate::graph::Graph;
use crate::plan::layout::Layout;
use crate::plan::plan;
use crate::run::{Session, Target};

/// Bytes that a session of these graphs takes for states and values.
pub fn planned(graphs: &[Graph]) -> Result<u64, Fault> {
    let layout = Layout::new(graphs)?;
    let n_threads = rayon::current_num_threads();
    let mut transient = 0;
    for graph in graphs {
        transient = transient.max(plan(graph.clone(), &layout, n_threads)?.transient);
    }
    Ok((layout.len() as u64 + transient as u64) * size_of::<f32>() as u64)
}

/// Refuses graphs that need more than `available` bytes.
pub fn check(graphs: &[Graph], available: Option<u64>) -> Result<(), Fault> {
    let needed = planned(graphs)?;
    let Some(available) = available.filter(|&available| needed > available) else { return Ok(()) };
    let states = Layout::new(graphs)?.len() as u64 * size_of::<f32>() as u64;
    let fault = Fault::new(
        codes::TOO_BIG,
        format!("this needs {} of memory, but only {} are available", shown(needed), shown(available)),
    );
    Err(match states > available {
        true => fault
            .note(format!("the weights and what the optimizer keeps of them take {} alone", shown(states)))
            .advise("fewer channels or features, or an `optimizer` that keeps less, such as `sgd`"),
        false => fault
            .note(format!("{} of it for the values of one batch", shown(needed - states)))
            .advise("a smaller `batch`, such as `--set train.batch=16`"),
    })
}

/// A session on the CPU, if the machine has the memory for it.
pub fn open(graphs: Vec<Graph>, seed: u64) -> Result<Session, Fault> {
    check(&graphs, available())?;
    Session::new(graphs, Target::Cpu, seed)
}

/// Bytes that a new program can have without swapping, where the system tells (Linux).
pub fn available() -> Option<u64> {
    told("MemAvailable:")
}

/// Bytes of memory that the machine has, where the system tells (Linux).
pub fn total() -> Option<u64> {
    told("MemTotal:")
}

fn told(what: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(what))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim_end().parse().ok()?;
    kilobytes.checked_mul(1024)
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
    use super::check;
    use crate::graph::builder::Builder;
    use crate::graph::{Init, StateKind};
    use crate::ops::binary::ADD;
    use crate::shape::Shape;

    #[test]
    fn a_plan_beyond_the_memory_names_both_sizes_and_what_to_change() {
        let mut builder = Builder::default();
        let shape = Shape::from([1000, 1000]);
        let weight = builder.state("weight", StateKind::Parameter, &shape, Init::Constant(0.0)).unwrap();
        let input = builder.input("x", &shape);
        let sum = builder.apply(&ADD, Default::default(), &[weight, input]).unwrap();
        builder.output("sum", sum);
        let graphs = [builder.finish()];
        assert_eq!(check(&graphs, None), Ok(()));
        assert_eq!(check(&graphs, Some(12_000_000)), Ok(()));
        let fault = check(&graphs, Some(11_999_999)).unwrap_err();
        assert_eq!(fault.message, "this needs 12.0 MB of memory, but only 12.0 MB are available");
        assert!(format!("{fault:?}").contains("a smaller `batch`"));
        let fault = check(&graphs, Some(1_000_000)).unwrap_err();
        assert_eq!(fault.message, "this needs 12.0 MB of memory, but only 1.0 MB are available");
        assert!(format!("{fault:?}").contains("fewer channels"));
    }
}
