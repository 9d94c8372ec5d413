//! Planned memory held against the machine's: what cannot fit is refused before anything is allocated, instead of
//! being killed in the middle of an epoch.

use crate::diag::{Fault, codes};
use crate::graph::Graph;
use crate::run::{Backend, Compiled, FewSteps, Precision, Session, on};
use crate::tensor::Device;

/// Lets graphs pass that need at most `available` bytes of the device's memory; `None` is as many as are needed.
pub fn fit(compiled: Compiled, available: Option<u64>) -> Result<Compiled, Fault> {
    let needed = compiled.bytes();
    let Some(available) = available.filter(|&available| needed > available) else { return Ok(compiled) };
    let states = compiled.kept_bytes();
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
    fitting(graphs, &*on(device, precision))?.start(seed)
}

/// The same before its states have numbers, all of which must be written before the first step.
pub fn bare(graphs: Vec<Graph>, device: &Device, precision: Precision) -> Result<Session, Fault> {
    fitting(graphs, &*on(device, precision))?.bare(None)
}

/// Such a session on the CPU for a few steps of one graph, in as little memory as they can do with.
pub fn few_steps(graph: Graph) -> Result<Session, Fault> {
    fitting(vec![graph], &FewSteps)?.bare(None)
}

fn fitting(graphs: Vec<Graph>, backend: &dyn Backend) -> Result<Compiled, Fault> {
    fit(backend.compile(graphs)?, backend.available())
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
    use super::fit;
    use crate::graph::builder::Builder;
    use crate::graph::{Init, StateKind};
    use crate::ops::binary::ADD;
    use crate::run::{Backend, Cpu};
    use crate::shape::Shape;

    #[test]
    fn a_plan_beyond_the_memory_names_both_sizes_and_what_to_change() {
        let mut builder = Builder::default();
        let shape = Shape::from([1000, 1000]);
        let weight = builder.state("weight", StateKind::Parameter, &shape, Init::Constant(0.0)).unwrap();
        let input = builder.input("x", &shape);
        let sum = builder.apply(&ADD, Default::default(), &[weight, input]).unwrap();
        builder.output("sum", sum);
        let graph = builder.finish();
        let check =
            |available| fit(Cpu.compile(vec![graph.clone()])?, available).map(|compiled| compiled.bytes());
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
