//! What a run takes of the machine's memory: planned, for its data and for dslc itself → the line that says so.

use crate::cli::table::bytes;
use crate::run::Backend;
use crate::tensor::host;

/// What the process had before and after it read its data, where the system tells (Linux).
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    data: Option<u64>,
}

/// Reads data, and measures what they take.
pub fn reading<T, E>(read: impl FnOnce() -> Result<T, E>) -> Result<(T, Measured), E> {
    let before = host::resident();
    let read = read()?;
    let data = before.zip(host::resident()).map(|(before, after)| after.now.saturating_sub(before.now));
    Ok((read, Measured { data }))
}

/// What the training takes on the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planned {
    /// For states and values.
    pub session: u64,
    /// For the statistics of layers.
    pub look: u64,
    /// For what metrics keep of every image.
    pub metrics: u64,
    /// In which a state's first numbers are made.
    pub filling: u64,
}

/// `memory 82 MB: 11.3 MB planned, 0.9 MB for layer statistics, 56 MB of data, 14 MB for dslc`, before anything of the plan is
/// allocated. The sum is the process's peak. For another device the line says only what is planned for it.
pub fn line(planned: Planned, backend: &dyn Backend, measured: Measured) -> String {
    let on_host = measured.data.filter(|_| backend.is_host()).zip(host::resident());
    match on_host {
        Some((data, process)) => {
            let now = process.now + planned.filling;
            told(planned, data, host::Resident { now, ..process })
        }
        None => format!("memory {} planned", bytes(planned.session)),
    }
}

fn told(planned: Planned, data: u64, process: host::Resident) -> String {
    let Planned { session, look, metrics, .. } = planned;
    let sum = process.now + session + look + metrics;
    let part = |own: u64, what: &str| match own {
        0 => String::new(),
        _ => format!(" {} for {what},", bytes(own)),
    };
    let parts = format!(
        "{} planned,{}{} {} of data, {} for dslc",
        bytes(session),
        part(look, "layer statistics"),
        part(metrics, "metrics"),
        bytes(data),
        bytes(process.now.saturating_sub(data))
    );
    match process.most > sum {
        true => format!("memory {} ({} while the data was read): {parts}", bytes(sum), bytes(process.most)),
        false => format!("memory {}: {parts}", bytes(sum)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Planned, told};
    use crate::tensor::host::Resident;

    #[test]
    fn the_parts_are_those_of_the_sum() {
        let process = Resident { now: 70_000_000, most: 70_000_000 };
        let plan = Planned { session: 11_000_000, ..Planned::default() };
        assert_eq!(
            told(plan, 55_000_000, process),
            "memory 81.0 MB: 11.0 MB planned, 55.0 MB of data, 15.0 MB for dslc"
        );
        assert_eq!(
            told(Planned { look: 1_000_000, metrics: 3_000_000, ..plan }, 55_000_000, process),
            "memory 85.0 MB: 11.0 MB planned, 1.00 MB for layer statistics, 3.00 MB for metrics, 55.0 MB of data, 15.0 MB for dslc"
        );
        let more = Resident { most: 100_000_000, ..process };
        assert_eq!(
            told(plan, 55_000_000, more),
            "memory 81.0 MB (100 MB while the data was read): 11.0 MB planned, 55.0 MB of data, 15.0 MB for dslc"
        );
    }
}
