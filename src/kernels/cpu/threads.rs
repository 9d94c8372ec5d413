//! The threads that share the work of kernels: started once, before anything counts on them, so that a system that starts
//! none is an error and no panic.

use std::error::Error;
use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::diag::{Fault, codes};

/// Processes that have the same cores as this one, this one among them.
static N_SHARERS: AtomicUsize = AtomicUsize::new(1);
/// The number of threads that the user wants.
const WANTED: &str = "RAYON_NUM_THREADS";

/// Leaves room for other processes on the same cores: where the user names no number of threads, there will be so many fewer. To
/// be called before they are started.
pub fn divide(n_sharers: usize) {
    N_SHARERS.store(n_sharers.max(1), Ordering::Relaxed);
}

/// Whether there are fewer cores than processes on them, so that who waits keeps others from their work.
pub fn are_crowded() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    N_SHARERS.load(Ordering::Relaxed) > cores
}

/// The number of threads to start; 0 for as many as there are cores.
fn wanted() -> usize {
    match (N_SHARERS.load(Ordering::Relaxed), std::env::var_os(WANTED)) {
        (1, _) | (_, Some(_)) => 0,
        (n, None) => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / n).max(1)),
    }
}

/// Starts the threads of this process, if they have not been started, and gives their number: that of the current pool.
pub fn start() -> Result<usize, Fault> {
    static FAILED: OnceLock<Option<String>> = OnceLock::new();
    // A thread of a pool works in that pool.
    if rayon::current_thread_index().is_none() {
        let failed = FAILED.get_or_init(|| {
            let started = rayon::ThreadPoolBuilder::new().num_threads(wanted()).build_global();
            // An error without a source says that they have been started before.
            started.err().as_ref().and_then(Error::source).map(ToString::to_string)
        });
        if let Some(reason) = failed {
            return Err(cannot_start(reason));
        }
    }
    Ok(rayon::current_num_threads())
}

/// What is said where the system starts no thread.
pub fn cannot_start(reason: impl std::fmt::Display) -> Fault {
    Fault::new(codes::DEVICE, format!("the system cannot start enough threads: {reason}"))
        .advise("fewer threads: set the environment variable `RAYON_NUM_THREADS=1`")
        .advise("a higher limit on processes or memory (`ulimit -u`, `ulimit -v`, or the container's)")
}

#[cfg(test)]
mod tests {
    use super::start;

    #[test]
    fn the_current_pool_counts() {
        assert!(start().unwrap() >= 1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(start), Ok(3));
    }
}
