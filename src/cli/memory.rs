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

/// `memory 82 MB: 11.3 MB planned, 0.9 MB for layer statistics, 56 MB of data, 14 MB for dslc`, before anything of the plan is
/// allocated; `look` is what the statistics of layers take while they are trained, on the host, and `filling` the memory in which
/// a state's first numbers are made. The sum is the process's peak. For another device the line says only what is planned for it.
pub fn line([planned, look]: [u64; 2], filling: u64, backend: &dyn Backend, measured: Measured) -> String {
    let on_host = measured.data.filter(|_| backend.is_host()).zip(host::resident());
    match on_host {
        Some((data, process)) => {
            told([planned, look], data, host::Resident { now: process.now + filling, ..process })
        }
        None => format!("memory {} planned", bytes(planned)),
    }
}

fn told([planned, look]: [u64; 2], data: u64, process: host::Resident) -> String {
    let sum = process.now + planned + look;
    let looking = if look > 0 { format!(" {} for layer statistics,", bytes(look)) } else { String::new() };
    let parts = format!(
        "{} planned,{looking} {} of data, {} for dslc",
        bytes(planned),
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
    use super::told;
    use crate::tensor::host::Resident;

    #[test]
    fn the_parts_are_those_of_the_sum() {
        let process = Resident { now: 70_000_000, most: 70_000_000 };
        assert_eq!(
            told([11_000_000, 0], 55_000_000, process),
            "memory 81.0 MB: 11.0 MB planned, 55.0 MB of data, 15.0 MB for dslc"
        );
        assert_eq!(
            told([11_000_000, 1_000_000], 55_000_000, process),
            "memory 82.0 MB: 11.0 MB planned, 1.00 MB for layer statistics, 55.0 MB of data, 15.0 MB for dslc"
        );
        let more = Resident { most: 100_000_000, ..process };
        assert_eq!(
            told([11_000_000, 0], 55_000_000, more),
            "memory 81.0 MB (100 MB while the data was read): 11.0 MB planned, 55.0 MB of data, 15.0 MB for dslc"
        );
    }
}
